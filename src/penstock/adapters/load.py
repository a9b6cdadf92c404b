"""Callers that ask at a steady rate, whatever the answers: an open loop, as a crowd of strangers is one.

A request is late from the moment at which it was due, not from the one at which a thread got round to it. Otherwise a
slow server would be asked less, and would look better than it is ("coordinated omission").
"""

from __future__ import annotations

import http.client
import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from penstock.rehearsal.report import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.model.rollouts import Request

CALLERS = 16
"""Requests under way at a time, at most."""
PATIENCE = 30.0
"""Seconds that API Gateway gives an integration, and a caller its answer."""


class Load:
    """Asks in turn while its `with` block runs.

    Args:
        url: of the stage, without a slash at its end.
        requests: what is asked, over and over.
        rate: requests per second.
    """

    def __init__(self, url: str, requests: Sequence[Request], rate: float) -> None:
        parts = urlsplit(url)
        self._host, self._prefix = parts.netloc, parts.path.rstrip("/")
        self._requests = requests
        self._rate = rate
        self._ended = threading.Event()
        self._turns = count()
        self._lock = threading.Lock()
        self._asked: list[Asked] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every request that has ended, by the time at which it was due."""
        with self._lock:
            return tuple(sorted(self._asked, key=lambda one: one.at))

    def _call(self) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=PATIENCE)
        while True:
            turn = next(self._turns)
            due = self._began + turn / self._rate
            if self._ended.wait(max(due - time.monotonic(), 0)):
                break
            status = self._status(connection, self._requests[turn % len(self._requests)])
            late = time.monotonic() - due
            with self._lock:
                self._asked.append(Asked(at=time.time() - late, seconds=late, status=status))
        connection.close()

    def _status(self, connection: http.client.HTTPConnection, request: Request) -> int:
        try:
            body = request.body.encode() or None
            connection.request(
                request.method, f"{self._prefix}{request.path}", body=body, headers=dict(request.headers)
            )
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request opens it again
            return 0
        return answer.status
