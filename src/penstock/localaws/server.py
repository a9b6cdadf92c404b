"""The ASGI application around ministack's and the process around it: control, short URLs, saving, stopping.

Extensions, in the order in which they are installed; a later one stands around an earlier one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from typing import TYPE_CHECKING, Any

from penstock.localaws import (
    alarm_actions,
    alarms,
    aliases,
    apigateway_answers,
    apigateway_put,
    apigateway_serving,
    apigateway_stages,
    autoscaling,
    blobs,
    clock,
    concurrency,
    execution,
    execution_roles,
    full_disk,
    iam,
    log_events,
    log_patterns,
    logs_queries,
    metric_reads,
    metrics,
    objects,
    policies,
    queues,
    rehearsal,
    scheduler,
    secrets,
    service_models,
    statistics,
    streams,
    unlocked,
    versions,
)
from penstock.localaws.api_faults import Answer
from penstock.localaws.control import PREFIX, Control, encode
from penstock.localaws.ministack_api import PINNED, load
from penstock.localaws.objects import finish_interrupted_writes
from penstock.localaws.persistence import Keeper
from penstock.localaws.replay import Replays
from penstock.localaws.settings import HOST
from penstock.localaws.shorturl import rewrite

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

EXTENSIONS: dict[str, Callable[[Ministack, Settings], None]] = {
    "CloudWatch's clock, faster on request": clock.install,
    "dicts that are gone through while functions' threads change them": unlocked.install,
    "S3 objects on disk before they are acknowledged": objects.install,
    "code of functions kept as long as the saved state needs it": blobs.install,
    "DynamoDB streams that survive, retry, split and give up": streams.install,
    "queues of a state that was saved on another port": queues.install,
    "metrics of every invocation, by alias and version": metrics.install,
    "trimmed counts, means and sums, percentile ranks": statistics.install,
    "metrics read by series and minute, late on request": metric_reads.install,
    "alarms in full, evaluated by dimensions, periods and missing data": alarms.install,
    "functions as actions of alarms": alarm_actions.install,
    "a resource policy for each qualifier of a function": policies.install,
    "PutRestApi and ImportRestApi": apigateway_put.install,
    "every signature checked, qualifiers in the ARNs that policies are asked about": iam.install,
    "functions in processes of their own, errors and logs as on AWS": execution.install,
    "the account's limit of executions at once": concurrency.install,
    "event sources read only where the function's role may": execution_roles.install,
    "PublishVersion's preconditions, updates that settle at once": versions.install,
    "alias weights, the alias in the invoked ARN": aliases.install,
    "failing and malformed proxy answers are 502": apigateway_answers.install,
    "models of services are read through one session": service_models.install,
    "stages with typed canary settings and checked deployments": apigateway_stages.install,
    "deployments served as snapshots, stage variables, canaries, permissions": apigateway_serving.install,
    "Application Auto Scaling": autoscaling.install,
    "saved Logs Insights queries": logs_queries.install,
    "secrets without a value have none": secrets.install,
    "schedules and rules called by CloudWatch's clock": scheduler.install,
    "log events packed, expired by retention": log_events.install,
    "JSON log patterns, metric filters that publish": log_patterns.install,
}

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
log = logging.getLogger("penstock.localaws")


class Application:
    """ASGI: control endpoints, short URLs and the check for room; everything else is ministack's."""

    def __init__(
        self, ministack: Ministack, settings: Settings, keeper: Keeper, rehearsing: rehearsal.Rehearsal | None
    ) -> None:
        self._rehearsal = rehearsing
        self._ministack = ministack
        self._keeper = keeper
        self._replays = Replays(ministack.app.app)
        self._control = Control(
            ministack,
            settings,
            keeper,
            lambda: {
                "version": PINNED,
                "interpreters": dict(settings.interpreters),
                "clock": {
                    "scale": settings.clock.scale,
                    "origin": settings.clock.origin,
                    "metrics_delay": settings.metrics_delay,
                },
            },
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One connection's request, or the lifespan of the server."""
        if scope["type"] != "http":
            await self._ministack.app.app(scope, receive, send)
            return
        path = str(scope["path"])
        if path == rehearsal.PATH and self._rehearsal is not None:
            status, body = self._rehearsal.answer(str(scope["method"]), await _received(receive))
            await _send(send, status, encode(body))
            return
        if path.startswith(PREFIX):
            status, body = self._control.answer(str(scope["method"]), path)
            await _send(send, status, encode(body))
            return
        if path.startswith("/@"):
            target = rewrite(self._ministack, path)
            if target is None:
                name = path[2:].partition("/")[0]
                await _send(send, 404, encode({"message": f"no API is named {name.partition(':')[0]!r}"}))
                return
            # The raw path stays as sent: it is what the caller signed.
            scope = {**scope, "raw_path": scope.get("raw_path") or path.encode(), "path": target}
        refused = await self._refusal(scope, receive)
        if refused is not None:
            await _send(send, refused.status, refused.body, refused.content_type)
            return
        if scope["method"] in _READING:
            await self._ministack.app.app(scope, receive, send)
            return
        self._keeper.touch()
        await self._replays(scope, receive, send)
        self._keeper.touch()

    async def _refusal(self, scope: Message, receive: Receive) -> Answer | None:
        """What is answered instead of doing it: there is no room, or a rehearsal wants it so."""
        refused = self._rehearsal.refusal(scope) if self._rehearsal is not None else None
        if refused is not None:
            await _received(receive)  # whole, so that the connection can be used again
            return refused
        size = full_disk.needs_room(scope)
        if size is None or self._keeper.room_for(size):
            return None
        content_type, body = full_disk.refusal(scope)
        return Answer(full_disk.STATUS, content_type, body)


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    settings.objects.mkdir(parents=True, exist_ok=True)
    finish_interrupted_writes(settings.objects)
    ministack = load(settings)
    for install in EXTENSIONS.values():
        install(ministack, settings)
    rehearsing = rehearsal.Rehearsal() if settings.rehearsal else None
    if rehearsing is not None:
        rehearsing.install(ministack)
    keeper = Keeper(ministack, settings)
    schedules = scheduler.Scheduler(ministack, settings)
    keeper.load()
    try:
        asyncio.run(_serve(ministack, keeper, settings, rehearsing, schedules))
    finally:
        keeper.stop()
    return 0


async def _serve(
    ministack: Ministack,
    keeper: Keeper,
    settings: Settings,
    rehearsing: rehearsal.Rehearsal | None,
    schedules: scheduler.Scheduler,
) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve  # noqa: PLC0415 - after ministack set it up
    from hypercorn.asyncio.tcp_server import TCPServer  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415

    _close_at_once(TCPServer)
    config = Config()
    config.bind = [f"{HOST}:{settings.port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 2
    config.accesslog = None
    config.loglevel = "WARNING"
    if not settings.rehearsal:  # to gather the state makes the calls wait that are judged
        keeper.start()
    application = Application(ministack, settings, keeper, rehearsing)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(f"embedded AWS on {settings.url}, state in {settings.state}", file=sys.stderr, flush=True)  # noqa: T201
    for told in _unlike_aws(settings):
        print(told, file=sys.stderr, flush=True)  # noqa: T201
    watching = [
        asyncio.create_task(alarms.watch(ministack, settings)),
        asyncio.create_task(schedules.watch()),
    ]
    with contextlib.suppress(asyncio.CancelledError):
        await hypercorn_serve(application, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
    for task in watching:
        task.cancel()


def _unlike_aws(settings: Settings) -> Iterator[str]:
    """What was asked for and makes CloudWatch another than people expect: never silently."""
    if settings.clock.scale != 1.0:
        scale = settings.clock.scale
        what = "metrics, alarms, log events and schedules"
        yield f"CloudWatch's clock runs {scale:g} times as fast (--time-scale): {what}"
    if settings.metrics_delay:
        yield f"CloudWatch's metrics appear after {settings.metrics_delay:g} s (--metrics-delay)"
    if settings.rehearsal:
        yield "calls can be made to fail on request, and the state is saved at the end only (--rehearsal)"


def _close_at_once(connection: Any) -> None:
    """Let go of a connection when its client does; hypercorn 0.18 waits for its keep-alive timer, 75 s."""
    read_data = connection._read_data

    async def read_then_let_go(self: Any) -> None:
        await read_data(self)
        await self.idle_task.stop()

    connection._read_data = read_then_let_go


async def _received(receive: Receive) -> bytes:
    """The whole body of a small request."""
    parts = []
    while True:
        message = await receive()
        parts.append(bytes(message.get("body", b"")))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, status: int, body: bytes, content_type: str = "application/json") -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
