"""POST with the standard library alone, because the controller function does it as well.

`http.client` follows no redirection. Nobody is waited for longer than was said: a socket's own timeout begins anew with
every byte and with every address of a name, and finding out the addresses has none. So the exchange has a thread of its
own, which is left alone when the time is over, and its connection is shut down, whatever the server is sending.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from base64 import b64encode
from contextlib import closing, suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from penstock.model.errors import Busy, RemoteFault
from penstock.ports import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

LARGEST = 64 * 1024
"""Bytes of an answer; a verdict and its reason take some hundred."""
PLAIN, SECURE = 80, 443
HINT = "look at the server, and at the network between"


class HttpWebhooks:
    """Over the network, by this machine's proxy settings."""

    def post(self, url: str, *, headers: Mapping[str, str], body: bytes, timeout: float) -> HttpAnswer:
        """Send a POST and wait for the whole answer, at most `timeout` seconds. Any status is an answer."""
        parts = urlsplit(url)
        where = f"POST {parts.hostname}"  # the rest of a URL may be a secret
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):  # http.client's own fault would quote it
                raise RemoteFault(f"the value of the header {name} is not printable ASCII", where=where)
        began = time.monotonic()
        exchange = _Exchange(parts, headers, body, timeout)
        thread = threading.Thread(target=exchange.run, daemon=True)
        thread.start()
        try:
            thread.join(timeout)
        finally:
            exchange.give_up()
        found = exchange.found
        if found is None or isinstance(found, TimeoutError):
            raise Busy(f"no answer within {timeout:g} s", where=where, hint=HINT)
        if isinstance(found, Exception):
            raise Busy(f"no answer: {_words(found)}", where=where, hint=HINT)
        status, received, content = found
        if len(content) > LARGEST:
            raise RemoteFault(f"the answer is longer than {LARGEST // 1024} KiB", where=where)
        return HttpAnswer(
            status=status,
            body=content.decode("utf-8", "replace"),
            headers=received,
            seconds=time.monotonic() - began,
        )


class _Exchange:
    """One request and its answer. `found` is status, headers and content, or what went wrong; None until known."""

    def __init__(self, parts: SplitResult, headers: Mapping[str, str], body: bytes, timeout: float) -> None:
        self.found: tuple[int, dict[str, str], bytes] | Exception | None = None
        self._parts, self._headers, self._body, self._timeout = parts, dict(headers), body, timeout
        self._given_up = threading.Event()
        self._socket: socket.socket | None = None

    def run(self) -> None:
        """Have it."""
        try:
            found: tuple[int, dict[str, str], bytes] | Exception = self._answer()
        except (OSError, ValueError, http.client.HTTPException) as error:
            found = error
        if not self._given_up.is_set():  # what comes of a connection that was shut down is nothing that was said
            self.found = found

    def give_up(self) -> None:
        """Send and await nothing any more."""
        self._given_up.set()
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # under TLS, which would want to say goodbye

    def _answer(self) -> tuple[int, dict[str, str], bytes]:
        connection, target = _connection(self._parts, self._timeout)
        with closing(connection):
            connection.connect()
            self._socket = connection.sock  # with "Connection: close" the connection forgets it
            if self._given_up.is_set():
                raise TimeoutError
            connection.request("POST", target, body=self._body, headers=self._headers)
            with closing(connection.getresponse()) as answer:
                content = answer.read(LARGEST + 1)
                if answer.length and len(content) <= LARGEST:
                    raise OSError("it broke off")
                return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def _connection(parts: SplitResult, timeout: float) -> tuple[http.client.HTTPConnection, str]:
    """The connection, and what to ask on it. Plain HTTP goes to this machine, and through no proxy."""
    host = parts.hostname or ""
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port, timeout=timeout), target
    proxy = None if proxy_bypass(host) else getproxies().get("https")
    if not proxy:
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout), target
    through = urlsplit(proxy)
    connection = http.client.HTTPSConnection(through.hostname or "", through.port or PLAIN, timeout=timeout)
    connection.set_tunnel(host, parts.port or SECURE, headers=_introduction(through))
    return connection, target


def _introduction(proxy: SplitResult) -> dict[str, str]:
    """What a proxy wants to know of a user, where its URL has one."""
    if proxy.username is None:
        return {}
    user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(user.encode()).decode()}"}


def _words(error: Exception) -> str:
    """What went wrong; of a strange answer only its kind, since it may hold anything."""
    return str(error) if isinstance(error, OSError) else type(error).__name__
