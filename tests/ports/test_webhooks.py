"""Webhooks over real HTTP, to servers that behave and to some that do not."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.webhooks import LARGEST, HttpWebhooks
from penstock.model.errors import Busy, RemoteFault
from penstock.testing import FakeWebhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock.ports import HttpAnswer, Webhooks

TOKEN = "Bearer s3cr3t"


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server on this machine whose every POST is answered so; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook?t=path-secret"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def speaking(*chunks: bytes, pause: float = 0.0) -> Iterator[str]:
    """Something that accepts one connection, says these bytes whatever it is sent, and hangs up."""
    done = threading.Event()

    def talk(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            for chunk in chunks:
                try:
                    connection.sendall(chunk)
                except OSError:
                    break
                if done.wait(pause):
                    break

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        finally:
            done.set()
            thread.join()


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers.get("Content-Length", 0)))
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def post(url: str, *, timeout: float = 10.0, headers: dict[str, str] | None = None) -> HttpAnswer:
    found = headers if headers is not None else {"Authorization": TOKEN}
    return HttpWebhooks().post(url, headers=found, body=b'{"id": "1"}', timeout=timeout)


@pytest.mark.parametrize("status", [200, 202, 204, 404, 409, 429, 500])
def test_any_status_is_an_answer_with_its_words(status: int) -> None:
    body = b"" if status == 204 else b'{"status": "fail"}'
    with serving(answering(status, body)) as url:
        found = post(url)
    assert (found.status, found.body) == (status, body.decode())


def test_body_and_headers_arrive_as_they_are() -> None:
    got: dict[str, object] = {}

    def keep(request: BaseHTTPRequestHandler) -> None:
        got.update(path=request.path, **{name.lower(): value for name, value in request.headers.items()})
        got["body"] = request.rfile.read(int(request.headers["Content-Length"]))
        request.send_response(204)
        request.end_headers()

    with serving(keep) as url:
        post(url, headers={"Authorization": TOKEN, "Idempotency-Key": "r-1/3/qa"})
    assert got["authorization"] == TOKEN
    assert got["idempotency-key"] == "r-1/3/qa"
    assert (got["path"], got["body"]) == ("/hook?t=path-secret", b'{"id": "1"}')


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_follows_a_redirection(status: int) -> None:
    followed: list[str] = []

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        followed.append(request.path)
        answering(200)(request)

    with serving(elsewhere) as target, serving(answering(status, Location=target)) as url:
        assert post(url).status == status
    assert followed == []


def test_who_says_nothing_is_not_waited_for() -> None:
    with speaking(b"", pause=60.0) as url, pytest.raises(Busy, match=r"no answer within 0\.2 s"):
        post(url, timeout=0.2)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 999\r\n\r\n",
    ],
    ids=["headers", "kept", "closed", "endless", "old"],
)
def test_who_trickles_is_cut_off_although_each_byte_comes_in_time(start: bytes) -> None:
    began = time.monotonic()
    with speaking(start, *[b"x"] * 600, pause=0.1) as url, pytest.raises(Busy, match=r"no answer within 0\.5 s"):
        post(url, timeout=0.5)
    assert time.monotonic() - began < 30, "all of it takes a minute"


def test_who_trickles_while_a_connection_is_made_is_cut_off_too() -> None:
    """As with many addresses that are dead: each has a timeout of its own."""
    began = time.monotonic()
    greeting = b"\x16\x03\x03\x10\x00"  # TLS: 4,096 bytes are to come
    with (
        speaking(greeting, *[b"x"] * 600, pause=0.1) as url,
        pytest.raises(Busy, match=r"no answer within 0\.5 s"),
    ):
        post(url.replace("http://", "https://"), timeout=0.5)
    assert time.monotonic() - began < 30, "all of it takes a minute"


@pytest.mark.parametrize("closes", [b"", b"Connection: close\r\n"])
def test_an_answer_that_breaks_off_is_none(closes: bytes) -> None:
    def half(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        start = b"HTTP/1.1 200 OK\r\n" + closes + b"Content-Length: 60\r\n\r\n"
        request.wfile.write(start + b'{"status": "fail", "reas')

    with serving(half) as url, pytest.raises(Busy, match="no answer: it broke off"):
        post(url)


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        request.send_response(200)
        request.end_headers()
        try:
            for _ in range(1000):
                request.wfile.write(b" " * LARGEST)
        except OSError:
            return

    with serving(endless) as url, pytest.raises(RemoteFault, match="longer than 64 KiB"):
        post(url)


@pytest.mark.parametrize(
    "said",
    [b"\x00\x01garbage\r\n\r\n", b"HTTP/1.1 banana\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
)
def test_what_is_no_http_is_no_answer(said: bytes) -> None:
    with speaking(said) as url, pytest.raises(Busy, match="no answer"):
        post(url)


def test_a_port_where_nobody_listens_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Busy, match="no answer"):
        post(f"http://127.0.0.1:{port}/hook")


@pytest.mark.parametrize("value", ["s3cr3t\r\nX-More: yes", "s3cr3t\x00", "s3cr3tÜ", "s3cr3t\u2028"])
def test_a_secret_that_no_header_can_hold_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(RemoteFault, match="header Authorization") as caught:
        post("http://127.0.0.1:9/hook", headers={"Authorization": value})
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_fault_shows_a_url_or_a_header() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Busy) as caught:
        post(f"http://127.0.0.1:{port}/hook?t=path-secret")
    assert "path-secret" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_https_is_refused_where_nobody_vouches_for_the_server() -> None:
    with speaking(b"plain words, no TLS") as url, pytest.raises(Busy, match="no answer"):
        post(url.replace("http://", "https://"))


def test_https_goes_through_the_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 407 Who are you\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("https_proxy", f"http://me:hunter2@127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        thread = threading.Thread(target=refuse, args=(listener,))
        thread.start()
        with pytest.raises(Busy, match="407") as caught:
            post("https://qa.example.com/hook?t=path-secret")
        thread.join()
    assert asked[0].startswith(b"CONNECT qa.example.com:443")
    assert b"Proxy-Authorization: Basic bWU6aHVudGVyMg==" in asked[0]
    assert TOKEN.encode() not in asked[0]
    assert "hunter2" not in str(caught.value)


def test_the_fake_answers_and_keeps_what_it_was_asked() -> None:
    fake = FakeWebhooks()
    webhooks: Webhooks = fake
    assert webhooks.post("https://x", headers={}, body=b"{}", timeout=1.0).status == 204
    assert [one.url for one in fake.posted] == ["https://x"]
