"""One plain HTTP request to a port of this machine, without a client library: `http.client` is the quickest to load."""

from __future__ import annotations

import http.client
from dataclasses import dataclass


class Silent(Exception):
    """Nothing listens at the port."""


class Stranger(Exception):
    """Something listens, but does not answer as it should."""


class Dropped(Stranger):
    """Something listened, and hung up without a word, as a process does that is just being ended."""


class Late(Stranger):
    """Something listens, and has not answered in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status and body of a response."""

    status: int
    body: str


def ask(method: str, port: int, path: str, *, timeout: float, body: str | None = None) -> Answer:
    """Send one request to 127.0.0.1; `timeout` in seconds. Raises Silent, Stranger, Dropped, Late."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return Answer(status=response.status, body=response.read().decode(errors="replace"))
    except ConnectionRefusedError:
        raise Silent from None
    except (ConnectionError, http.client.RemoteDisconnected):
        raise Dropped from None
    except TimeoutError:
        raise Late from None
    except (OSError, http.client.HTTPException):
        raise Stranger from None
    finally:
        connection.close()
