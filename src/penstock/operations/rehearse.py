"""`penstock rehearse`: ship the candidate where nothing can be lost, with callers and faults, and see what happens.

    stable release up → callers → candidate, faults from its first traffic on → how it ended

The release engine, the judge and Terraform are the real ones; only what stands for AWS is on this machine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from penstock.model.errors import Interrupted, PenstockError, UsageError
from penstock.rehearsal.faults import ALARM_RINGING, DRIVER_KILLED, hits, to_server
from penstock.rehearsal.report import MINUTE, Judged, Moved, Seen
from penstock.rollout.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from penstock.model.rollouts import Request
    from penstock.model.workspace import Workspace
    from penstock.rehearsal.faults import Fault
    from penstock.rehearsal.report import Asked, Call

PATIENCE = 300.0
"""Seconds of CloudWatch's in which an alarm must ring that is to ring before the candidate comes."""
LOOK = 0.5
SETTLED = 2.0
"""Seconds that callers go on after the deploy has ended, to see who answers."""


class Place(Protocol):
    """Where it takes place; `adapters.rehearsal` is one."""

    def bring(self, ref: str | None) -> None:
        """Put the workspace's files there, as they are or as they were at a commit."""

    def start(self) -> None:
        """Start the embedded AWS."""

    def deploy(self, side: str, environment: str, strategy: str | None) -> Iterator[Mapping[str, Any]]:
        """Deploy what is there; events with `at`, the last of which is `ended` with a status."""

    def kill(self) -> None:
        """End the process that deploys."""

    def fail(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """These faults hold from now on."""

    def calls(self) -> tuple[Call, ...]:
        """The invocations since the last time they were asked for."""

    def hits(self) -> Mapping[str, int]:
        """How often each kind of fault has struck each side."""

    def ringing(self) -> tuple[str, ...]:
        """The names of the alarms that ring."""


class Callers(Protocol):
    """Who asks meanwhile; `adapters.load` is one."""

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every request that has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsing:
    """What was asked for. `before` is minutes of CloudWatch's with callers and without the candidate."""

    faults: tuple[Fault, ...]
    requests: tuple[Request, ...]
    rate: float
    scale: float
    before: float
    strategy: str
    stable: str | None = None


def rehearse(
    workspace: Workspace,
    place: Place,
    wanted: Rehearsing,
    *,
    load: Callable[[str, Sequence[Request], float], AbstractContextManager[Callers]],
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Seen:
    """Run one rehearsal.

    Args:
        workspace: the environment's, for its name.
        place: where.
        wanted: what.
        load: callers of a URL, who ask while the block runs.
        tell: says a line about how far it is.
        sleep: waits for so many seconds.

    Raises PenstockError when the stable release does not come up: then nothing was rehearsed.
    """
    environment = workspace.environment.name
    place.start()
    place.bring(wanted.stable)
    tell(f"the stable release goes up ({wanted.stable or 'the files as they are'}) …")
    began = time.time()
    up = list(place.deploy("stable", environment, "all-at-once"))
    url = _url(up)
    tell(f"it is live after {time.time() - began:.0f} s; {wanted.rate:g} requests a second from now on")
    if wanted.stable is not None:
        place.bring(None)
    with load(url, wanted.requests, wanted.rate) as callers:
        incident = [fault for fault in wanted.faults if fault.is_before]
        if incident:
            place.fail(to_server(incident))
        alone = wanted.before * MINUTE / wanted.scale
        tell(f"the candidate's deploy begins in {alone:.0f} s, when enough is known of the stable release …")
        sleep(alone)
        if incident:
            tell(f"before the candidate comes there rings: {', '.join(_ringing(place, wanted, sleep))}")
        place.calls()  # of before: nobody judges them
        began = time.time()
        place.fail(to_server(fault for fault in wanted.faults if fault.is_at_start))
        events = _Candidate(place, wanted, tell)
        events.run(environment)
        sleep(SETTLED)
    # Where the machine cannot keep up, what was due before is asked only now, and is a call of now.
    asked = tuple(one for one in callers.asked if one.at + one.seconds >= began)
    struck = hits(wanted.faults, place.hits(), events.killed)
    return Seen(
        environment=environment,
        strategy=wanted.strategy,
        faults=tuple(fault.describe() for fault in wanted.faults),
        rate=wanted.rate,
        scale=wanted.scale,
        began=began,
        ended=events.ended,
        status=events.status,
        words=events.words,
        moves=tuple(events.moves),
        judged=tuple(events.judged),
        calls=place.calls(),
        asked=asked,
        hits=struck,
    )


def _ringing(place: Place, wanted: Rehearsing, sleep: Callable[[float], None]) -> tuple[str, ...]:
    """The alarms that ring, as soon as one does. Raises PenstockError when none does."""
    for _ in range(max(int(PATIENCE / wanted.scale / LOOK), 1)):
        names = place.ringing()
        if names:
            return names
        sleep(LOOK)
    raise PenstockError(
        f"no alarm rings after {wanted.before + PATIENCE / MINUTE:g} min in which the stable release failed",
        where=f"--fault {ALARM_RINGING}",
        hint="alarms need 20 calls in a minute of CloudWatch's: a higher --rate, or a lower --time-scale",
    )


class _Candidate:
    """Its deploy, event by event, and the faults that begin with its first traffic."""

    def __init__(self, place: Place, wanted: Rehearsing, tell: Callable[[str], None]) -> None:
        self._place = place
        self._wanted = wanted
        self._tell = tell
        self._kills = sum(fault.kind == DRIVER_KILLED for fault in wanted.faults)
        self.killed = 0
        self.moves: list[Moved] = []
        self.judged: list[Judged] = []
        self.words = ""
        self.status = 1
        self.ended = 0.0

    def run(self, environment: str) -> None:
        """Until a driver has ended by itself."""
        killed = True
        while killed:
            killed = False
            for event in self._place.deploy("candidate", environment, self._wanted.strategy):
                self._note(event)
                if self._kills and event["event"] == "rollout-moved" and event["weight"] > 0:
                    self._kills -= 1
                    killed = True
                    self._tell("the driver is killed, and the same command is given again")
                    self._place.kill()
            self.killed += killed and self.status < 0

    def _note(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "rollout-moved":
                first = event["weight"] > 0 and not any(move.weight for move in self.moves)
                self.moves.append(Moved(event["at"], int(event["weight"]), event["what"]))
                self._tell(event["what"])
                if first and self._wanted.faults:
                    self._place.fail(to_server(self._wanted.faults))
            case "rollout-judged":
                log10_e = float(event["evidence"].get("log10_e") or 0.0)
                self.judged.append(Judged(event["at"], event["verdict"], event["sentence"], log10_e))
                if event["verdict"] != Verdict.FAIL.name:  # of one that fails, the move back says why
                    self._tell(event["sentence"])
            case "error":
                self.words = str(event["what"])
            case "ended":
                self.status, self.ended = int(event["status"]), event["at"]


def _url(events: Sequence[Mapping[str, Any]]) -> str:
    """Where the stable release answers. Raises PenstockError when it does not."""
    if events[-1]["status"] == Interrupted.exit_code:
        raise Interrupted("interrupted: the stable release was not up yet, and nothing was rehearsed")
    if events[-1]["status"] != 0:
        told = next((event for event in reversed(events) if event["event"] == "error"), None)
        what = f"{told['what']}\n  at {told['where']}" if told else f"exit code {events[-1]['status']}"
        raise PenstockError(
            f"the stable release did not come up, so there is nothing to rehearse against\n{what}",
            where="penstock rehearse",
            hint="penstock deploy -e dev   shows the same fault in the embedded AWS, step by step",
        )
    url = next((event["url"] for event in reversed(events) if event["event"] == "result" and event.get("url")), None)
    if not url:
        raise UsageError("the environment has no API: a rehearsal asks over HTTP", hint="a service needs a `path`")
    return str(url).rstrip("/")
