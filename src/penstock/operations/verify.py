"""Is a release well? Checked in the idle slot before any traffic, and once more on the live one after the move.

Before traffic: every function with a `verify` event is called directly at the slot's alias; every health route is
called through the preview API, signed with the caller's credentials. A function that has neither is not called,
because an event nobody chose may have effects; it is named in a note.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from penstock.model.errors import RemoteFault, VerificationFailed
from penstock.model.events import VerificationChecked
from penstock.operations.function_error import explain
from penstock.operations.history import read_history
from penstock.operations.steps import note
from penstock.release.observed import LIVE_STAGE, PREVIEW_STAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from penstock.model.release import Slot
    from penstock.model.workspace import Function
    from penstock.operations.session import Session
    from penstock.operations.world import World

PARALLEL = 8
TRIES, PAUSE = 3, 0.5
"""How often a live route is asked before it counts as failing, and the seconds in between."""
TIMED_OUT = "Task timed out after"
"""Lambda's words for a function that had no time left to answer.

Source: https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
"""
EXCERPT = 300
"""Characters of a failed answer that are shown."""

OK_STATUS = range(200, 400)


def verify_slot(world: World, slot: Slot, functions: Sequence[Function]) -> None:
    """Check these functions in a slot that has no traffic.

    Raises VerificationFailed with every check that failed.
    """
    checks: list[tuple[str, Callable[[], str]]] = []
    preview = world.gateway.find(world.workspace.preview_api_name)
    for function in functions:
        if function.verify:
            checks.append((f"invoke {function.key}:{slot}", _direct(world, function, slot)))
        if function.health and preview:
            checks.append(
                (f"preview {function.health}", _previewed(world, preview, function, slot, function.health.path))
            )
        if not function.verify and not function.health:
            note(
                world, f"{function.key} has neither a health route nor a verify event: it is not called before traffic"
            )
    failures = _run(world, checks)
    if failures:
        raise VerificationFailed(
            f"{len(failures)} of {len(checks)} checks failed in slot {slot}; no traffic has moved\n"
            + "\n".join(failures),
            where=f"{world.workspace.environment.name}:{slot}",
            hint=f"{_advice(failures)}; the live release is untouched",
        )


def verify_release(world: World, session: Session, release: str, slot: Slot, functions: Sequence[Function]) -> None:
    """The same for a release, and write down when it failed: nobody is to take it for one that only waits."""
    try:
        verify_slot(world, slot, functions)
    except VerificationFailed:
        session.book(lambda history: history.refuted(release))
        raise
    if release in read_history(world.objects).failed:
        session.book(lambda history: history.verified(release))


def check_live(world: World, functions: Sequence[Function]) -> list[str]:
    """Call every health route through the live stage; the failures, one line each, empty when all is well.

    A move of traffic reaches all of API Gateway only after a moment, so that one bad answer is asked about again.
    """
    api = world.gateway.find(world.workspace.api_name)
    if api is None:
        return []
    return _run(
        world,
        [
            (f"live {function.health}", _again(world, _http(world, api, LIVE_STAGE, function.health.path)))
            for function in functions
            if function.health
        ],
    )


def _run(world: World, checks: Sequence[tuple[str, Callable[[], str]]]) -> list[str]:
    def one(check: tuple[str, Callable[[], str]]) -> str:
        name, call = check
        began = world.clock.monotonic()
        try:
            failure = call()
        except RemoteFault as fault:
            failure = str(fault)
        seconds = round(world.clock.monotonic() - began, 3)
        world.events.emit(VerificationChecked(check=name, ok=not failure, detail=failure, seconds=seconds))
        return f"  {name}: {failure}" if failure else ""

    if not checks:
        return []
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        return [failure for failure in pool.map(one, checks) if failure]


def _advice(failures: Sequence[str]) -> str:
    if all(TIMED_OUT in failure for failure in failures):
        return "mend what it waits for, or give it more time by `timeout` in its service.toml, and deploy again"
    return "mend the code and deploy again"


def _again(world: World, call: Callable[[], str]) -> Callable[[], str]:
    def patient() -> str:
        for _ in range(TRIES - 1):
            try:
                if not (failure := call()):
                    return failure
            except RemoteFault:
                pass
            world.clock.sleep(PAUSE)
        return call()

    return patient


def _direct(world: World, function: Function, slot: Slot) -> Callable[[], str]:
    def call() -> str:
        folder = world.workspace.service(function.service).path
        event = world.files.read(world.root / folder / str(function.verify))
        if event is None:
            return f"the event {function.verify} is not there"
        answer = world.functions.invoke(function.physical, slot, event.decode())
        if answer.error is None:
            return ""
        first, *more = explain(world, function, answer)
        return first + _indented(more)

    return call


def _previewed(world: World, preview: str, function: Function, slot: Slot, path: str) -> Callable[[], str]:
    """Through the preview stage; API Gateway never says why a function failed, so that one is asked once more."""
    call = _http(world, preview, PREVIEW_STAGE, path)

    def told() -> str:
        failure = call()
        if not failure:
            return ""
        try:
            answer = world.functions.invoke(function.physical, slot, _health_event(path, slot))
        except RemoteFault as fault:
            return f"{failure}\n      {fault}"
        return failure + _indented(explain(world, function, answer))

    return told


def _health_event(path: str, slot: Slot) -> str:
    """What a REST API sends to a Lambda proxy integration for `GET path`.

    Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """
    none = ("body", "multiValueQueryStringParameters", "pathParameters", "queryStringParameters")
    return json.dumps(
        {
            **dict.fromkeys(none),
            "headers": {},
            "httpMethod": "GET",
            "isBase64Encoded": False,
            "multiValueHeaders": {},
            "path": path,
            "requestContext": {
                "httpMethod": "GET",
                "identity": {"sourceIp": "127.0.0.1"},
                "path": f"/{PREVIEW_STAGE}{path}",
                "requestId": "penstock-verify",
                "resourcePath": path,
                "stage": PREVIEW_STAGE,
            },
            "resource": path,
            "stageVariables": {"slot": slot},
        },
        sort_keys=True,
    )


def _http(world: World, api: str, stage: str, path: str) -> Callable[[], str]:
    def call() -> str:
        answer = world.gateway.call(api, stage, "GET", path)
        if answer.status in OK_STATUS:
            return ""
        return f"HTTP {answer.status}: {answer.body[:EXCERPT]}"

    return call


def _indented(lines: Sequence[str]) -> str:
    return "".join(f"\n      {line}" for line in lines)
