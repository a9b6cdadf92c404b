"""POST with the standard library alone, because the controller function does it as well.

`http.client` follows no redirection. A server that trickles is cut off: its connection is shut down when the time is
over, whatever it is sending.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from base64 import b64encode
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from penstock.model.errors import Busy, RemoteFault
from penstock.ports import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from urllib.parse import SplitResult

LARGEST = 64 * 1024
"""Bytes of an answer; a verdict and its reason take some hundred."""
PLAIN, SECURE = 80, 443


class HttpWebhooks:
    """Over the network, by this machine's proxy settings."""

    def post(self, url: str, *, headers: Mapping[str, str], body: bytes, timeout: float) -> HttpAnswer:
        """Send a POST and wait for the whole answer, at most `timeout` seconds. Any status is an answer."""
        parts = urlsplit(url)
        where = f"POST {parts.hostname}"  # the rest of a URL may be a secret
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):  # http.client's own fault would quote it
                raise RemoteFault(f"the value of the header {name} is not printable ASCII", where=where)
        connection, target = _connection(parts, timeout)
        began = time.monotonic()
        late = threading.Event()
        try:
            connection.connect()
            with _cut_off(connection, max(began + timeout - time.monotonic(), 0.0), late):
                connection.request("POST", target, body=body, headers=dict(headers))
                answer = connection.getresponse()
                content = answer.read(LARGEST + 1)
        except (OSError, ValueError, http.client.HTTPException) as error:
            what = f"no answer within {timeout:g} s" if _is_late(error, late) else f"no answer: {_words(error)}"
            raise Busy(what, where=where, hint="look at the server, and at the network between") from None
        finally:
            connection.close()
        if late.is_set():
            raise Busy(f"no whole answer within {timeout:g} s", where=where)
        if len(content) > LARGEST:
            raise RemoteFault(f"the answer is longer than {LARGEST // 1024} KiB", where=where)
        return HttpAnswer(
            status=answer.status,
            body=content.decode("utf-8", "replace"),
            headers={name.lower(): value for name, value in answer.getheaders()},
            seconds=time.monotonic() - began,
        )


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


@contextmanager
def _cut_off(connection: http.client.HTTPConnection, seconds: float, late: threading.Event) -> Iterator[None]:
    """Shut the connection down after so many seconds: a socket's own timeout begins anew with every byte."""

    def shut() -> None:
        late.set()
        with suppress(OSError, AttributeError):
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # under TLS, which would want to say goodbye

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_late(error: Exception, late: threading.Event) -> bool:
    return late.is_set() or isinstance(error, TimeoutError)


def _words(error: Exception) -> str:
    """What went wrong; of a strange answer only its kind, since it may hold anything."""
    return str(error) if isinstance(error, OSError) else type(error).__name__
