"""An SDK that repeats a call because the answer was lost gets that answer, and the call is not made again.

Seen with Terraform under load: CreateFunction or AddPermission was carried out, its answer never arrived, the SDK tried
again, and the provider then waited five minutes for the 409 to go away. SDKs name a call by `amz-sdk-invocation-id`
and count its attempts in `amz-sdk-request`, so that a repetition can be told from a second call.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Asgi = Callable[[Message, Receive, Send], Awaitable[None]]

KEPT = 512
"""Answers that are remembered; a repetition follows within seconds."""
LARGEST = 256 * 1024
"""Bytes of an answer that is remembered; what changes something answers briefly."""
_ATTEMPT = re.compile(r"attempt=(\d+)")
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)")
_FAULT = 500


@dataclass(slots=True)
class _Answer:
    """What one call was answered, while it is being answered."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    messages: list[Message] = field(default_factory=list)
    size: int = 0

    @property
    def is_good(self) -> bool:
        """Whether it may be given again: whole, small, and no fault of the server."""
        status = self.messages[0].get("status", _FAULT) if self.messages else _FAULT
        return bool(status < _FAULT and self.size <= LARGEST)


class Replays:
    """Stands around an ASGI application; for requests that change something."""

    def __init__(self, application: Asgi) -> None:
        self._application = application
        self._answers: OrderedDict[tuple[str, ...], _Answer] = OrderedDict()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, from memory if it is a repetition of one that was answered."""
        key, attempt = _call(scope)
        if key is None:
            await self._application(scope, receive, send)
            return
        known = self._answers.get(key)
        if attempt > 1 and known is not None:
            await known.ended.wait()
            if known.is_good:
                await _drain(receive)
                for message in known.messages:
                    await send(message)
                return
        await self._remember(key, scope, receive, send)

    async def _remember(self, key: tuple[str, ...], scope: Message, receive: Receive, send: Send) -> None:
        answer = self._answers[key] = _Answer()
        if len(self._answers) > KEPT:
            self._answers.popitem(last=False)

        async def recording(message: Message) -> None:
            answer.size += len(message.get("body", b""))
            if answer.size <= LARGEST:
                answer.messages.append(dict(message))
            await send(message)

        try:
            await self._application(scope, receive, recording)
        finally:
            answer.ended.set()


def _call(scope: Message) -> tuple[tuple[str, ...] | None, int]:
    """What names the call, and which attempt of it this is."""
    headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope.get("headers", ())}
    invocation = headers.get("amz-sdk-invocation-id")
    attempt = _ATTEMPT.search(headers.get("amz-sdk-request", ""))
    caller = _CREDENTIAL.search(headers.get("authorization", ""))
    if not (invocation and attempt and caller):
        return None, 1
    return (caller[1], invocation, str(scope["method"]), str(scope["path"])), int(attempt[1])


async def _drain(receive: Receive) -> None:
    """Read the repeated request to its end, so that the connection can go on."""
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
