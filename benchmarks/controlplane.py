"""How many calls of AWS a move of traffic takes, counted over the shipped fakes, and how long AWS lets them take.

The rates are AWS's documented ones and applied on paper: calls of a service divided by its rate, and the slowest
service decides, since the services are asked side by side. Burst allowances are left out, so that the times are upper
ones. Latencies are not in it: in the region a call takes 10 to 50 ms, and eight are under way at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from penstock.model.release import FunctionRelease, Pointer, Release, SlotState
from penstock.model.workspace import Environment, EventSource, Function, Route, Service, Workspace
from penstock.operations.engine import bring_back, move_all, settle_callers
from penstock.operations.history import KEY as HISTORY
from penstock.operations.history import History, to_body
from penstock.operations.looks import Looks
from penstock.operations.rollout_store import KEY as ROLLOUT
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.session import exclusive
from penstock.operations.store import ReleaseStore
from penstock.operations.switch import rollback
from penstock.operations.tick import tick
from penstock.operations.world import Origin, World
from penstock.release.observed import deployment_description, version_description
from penstock.release.reconcile import Applied, Live, Settled, reconcile
from penstock.release.share import Shared
from penstock.rollout.judge import JudgePolicy
from penstock.rollout.state import Rollout, Rules
from penstock.rollout.strategies import Bake, SetWeight, Verify
from penstock.testing import (
    FakeAlarms,
    FakeClock,
    FakeCommands,
    FakeFiles,
    FakeFunctions,
    FakeGateway,
    FakeHealth,
    FakeIdentity,
    FakeInterpreters,
    FakeMetrics,
    FakeNotices,
    FakeObjectStore,
    FakeParameters,
    FakeSchedules,
    FakeSecrets,
    FakeSigner,
    FakeTerraform,
    FakeWebhooks,
    Faults,
    RecordedEvents,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.operations.session import Session
    from penstock.testing.faults import Call

RATES: Mapping[str, float] = {"Lambda": 15.0, "API Gateway": 10.0, "Parameter Store": 3.0, "S3": 3500.0}
"""Calls a second: "API requests" of Lambda's quotas (all control-plane calls but GetFunction), API Gateway's "total
operations", PutParameter's default throughput, and PUT of one S3 prefix. Reads of parameters have 40 and count as 3."""
_SERVICES = {
    "Functions": "Lambda",
    "Gateway": "API Gateway",
    "Parameters": "Parameter Store",
    "ObjectStore": "S3",
}
_CALLS = {"set_stage": 3, "set_canary": 2, "url": 0}
"""AWS calls of one call of a port, where it is not one: the stage is read first, and a canary removed by itself."""
MINUTE = 60.0
CONSUMERS = 5
"""One function in so many is called by events as well, through the alias `live`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move: AWS calls by service, and the seconds for which the engine itself held calls back."""

    name: str
    calls: Counter[str]
    paced: float

    @property
    def seconds(self) -> float:
        """At AWS's rates."""
        return max((calls / RATES[service] for service, calls in self.calls.items()), default=0.0)


class Watched(Faults):
    """Counts calls, and notes when a method was called first."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock, self._method = clock, ""
        self.seen: tuple[int, float] | None = None
        """How many calls there were then, that one included, and the clock's `monotonic`."""

    def watch(self, method: str) -> None:
        """Note the next call of that method."""
        self._method, self.seen = method, None

    def around(self, name: str, method: str, act: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Do the call."""
        if method == self._method and self.seen is None:
            self.seen = len(self.calls) + 1, self._clock.monotonic()
        return super().around(name, method, act, args, kwargs)


class Place:
    """An environment of so many services over the fakes: release one is live, release two waits beside it."""

    def __init__(self, services: int) -> None:
        self.clock = FakeClock()
        self.faults = Watched(self.clock)
        self.objects, self.gateway, self.parameters = FakeObjectStore(), FakeGateway(), FakeParameters()
        self.functions = FakeFunctions(self.objects)
        self.names = [f"big-dev-s{number}" for number in range(services)]
        self.callers = frozenset(self.names[::CONSUMERS])
        self.one, self.two = (self._release(artifact, str(number) * 64) for number, artifact in enumerate("ab"))
        self._make()

    def counted(self, acts: Mapping[str, Callable[[World, Session], object]]) -> list[Move]:
        """What each act takes, one after the other."""
        world = self._world()
        found = []
        with exclusive(world, "benchmark") as session:
            for name, act in acts.items():
                session.forget()
                before, began = len(self.faults.calls), self.clock.monotonic()
                act(world, session)
                calls = _counted(self.faults.calls[before:])
                found.append(Move(name=name, calls=calls, paced=self.clock.monotonic() - began))
        return found

    def commands(self) -> list[Move]:
        """What a visit of the controller takes that finds nothing to do, and a rollback until HTTP callers are back."""
        store = ReleaseStore(self.objects)
        for release in (self.one, self.two):
            store.save(release)
        rollout = self._rollout()
        self.objects.put(ROLLOUT, json.dumps(rollout.to_json()).encode())
        self._book(self.one)
        tick(self._world(), rollout.id)  # gives the share
        self.clock.sleep(MINUTE)
        waits = self._until("", lambda: tick(self._world(), rollout.id))
        RolloutStore(self.objects).order(rollout, "promote", by="alice", why="", at=self.clock.now())
        self.clock.sleep(MINUTE)
        tick(self._world(), rollout.id)
        goes_back = self._until("set_stage", lambda: rollback(self._world()))
        return [
            replace(waits, name="a visit of the controller that waits"),
            replace(goes_back, name="a rollback until HTTP callers are back"),
        ]

    def _until(self, method: str, act: Callable[[], object]) -> Move:
        """The calls of what is done up to and with the first of that method, of all where there is none."""
        before, began = len(self.faults.calls), self.clock.monotonic()
        self.faults.watch(method)
        act()
        done = self.faults.seen or (len(self.faults.calls), self.clock.monotonic())
        return Move(name="", calls=_counted(self.faults.calls[before : done[0]]), paced=done[1] - began)

    def _book(self, *promoted: Release) -> None:
        history = History()
        for release in promoted:
            history = history.arrived(release.id, at="2026-01-01T00:00:00Z", by="alice")
        self.objects.put(HISTORY, to_body(history))

    def _rollout(self) -> Rollout:
        now = self.clock.now()
        return Rollout(
            id=f"{self.two.id}-run",
            environment="dev",
            release=self.two.id,
            stable=self.one.id,
            steps=(Verify(), SetWeight(10), Bake(300.0), SetWeight(100)),
            rules=Rules(),
            policy=JudgePolicy(),
            changed=tuple(self.names),
            began=now,
            entered=now,
            moved=now,
            detached=True,
            slow={},
        )

    def _services(self) -> tuple[Service, ...]:
        schedule, none = (EventSource(kind="schedule", source="rate(5 minutes)"),), ()
        return tuple(
            Service(
                name=name,
                path=f"services/{name}",
                language="python",
                functions=(
                    Function(
                        name=name,
                        service=name,
                        physical=name,
                        handler="app.handler",
                        runtime="python3.13",
                        architecture="arm64",
                        memory=128,
                        timeout=10,
                        on=schedule if name in self.callers else none,
                        routes=none if name in self.callers else (Route("GET", f"/{name}"),),
                    ),
                ),
            )
            for name in self.names
        )

    def _release(self, artifact: str, api: str) -> Release:
        functions = {
            name: FunctionRelease(
                physical=name,
                service=name,
                artifact=hashlib.sha256(_code(name, artifact)).hexdigest(),
                config="c" * 64,
                architecture="arm64",
                runtime="python3.13",
                timeout=10,
                target="python3.13/arm64",
            )
            for name in self.names
        }
        return Release(environment="dev", functions=functions, api=api, grants={}, commit="", author="", created="")

    def _make(self) -> None:
        api = self.gateway.configure("big-dev", "one")
        preview = self.gateway.configure("big-dev-preview", "one", stage="preview", slot="green")
        slots = {}
        for slot, release, letter in (("blue", self.one, "a"), ("green", self.two, "b")):
            deployment = self.gateway.deploy(api, deployment_description(release.api))
            slots[slot] = SlotState(release=release.id, deployment=deployment)
            shown = self.gateway.deploy(preview, deployment_description(release.api))
            self.gateway.set_stage(preview, "preview", deployment=shown, variables={"slot": "green"})
            for name, function in release.functions.items():
                self._publish(name, slot, _code(name, letter), version_description(release.id, function.config))
        self.gateway.set_stage(api, "live", deployment=slots["blue"].deployment or "", variables={"slot": "blue"})
        pointer = Pointer(live="blue", candidate="green", blue=slots["blue"], green=slots["green"])
        self.parameters.put("/penstock/big/dev/pointer", pointer.to_text())

    def _publish(self, name: str, slot: str, code: bytes, description: str) -> None:
        if self.functions.get(name) is None:
            self.functions.configure(name)
        self.objects.put("code", code)
        latest = self.functions.get(name)
        assert latest is not None
        updated = self.functions.update_code(
            name, bucket="b", key="code", architecture="arm64", revision=latest.revision
        )
        found = self.functions.publish(
            name,
            code_sha256=updated.code_sha256,
            revision=updated.revision,
            description=description,
        )
        for alias in (slot, *(("live",) if slot == "blue" else ())):
            self.functions.set_alias(name, alias, found.version)

    def _world(self) -> World:
        environment = Environment(name="dev", account="111111111111", region="eu-west-1", endpoint="local")
        world = World(
            root=Path("/big"),
            workspace=Workspace(name="big", environment=environment, services=self._services()),
            origin=Origin(commit="", branch="", dirty=False, ci=False),
            run="run",
            host="here",
            clock=self.clock,
            traffic_clock=self.clock,
            events=RecordedEvents(),
            files=FakeFiles(),
            commands=FakeCommands(),
            interpreters=FakeInterpreters(),
            identity=FakeIdentity(),
            objects=self.objects,
            functions=self.functions,
            gateway=self.gateway,
            schedules=FakeSchedules(),
            webhooks=FakeWebhooks(),
            controller=bytes,
            parameters=self.parameters,
            secrets=FakeSecrets(),
            signer=FakeSigner(),
            health=FakeHealth(),
            metrics=FakeMetrics(),
            alarms=FakeAlarms(),
            notices=FakeNotices(),
            terraform=FakeTerraform(),
            builds=_nothing,
            modules=dict,
            process_alive=lambda _pid: False,
        )
        return self.faults.wrap_fields(world)


def moves(services: int) -> list[Move]:
    """What each move of traffic takes in an environment of so many services."""
    place = Place(services)
    shared = Shared(release=place.two, percent=10, callers=place.callers)

    def share(_world: World, session: Session) -> None:
        session.execute(reconcile(session.glance(place.callers), shared))

    driver: list[Looks] = []

    def look(world: World, session: Session) -> int:
        driver[:] = driver or [Looks(world, session)]
        return driver[0].weight(place.two.id, place.callers)

    sharing = place.counted(
        {
            "a share of 10 %": share,
            "the look behind a move": look,
            "each look in between": look,
            "from verdict to all HTTP traffic back": lambda world, session: bring_back(world, session, ()),
            "then that of event sources": lambda world, session: bring_back(world, session, place.callers),
        }
    )
    fresh = Place(services)
    live = Live(release=fresh.two, applied=Applied.of(fresh.two))

    def promote(world: World, session: Session) -> None:
        left = move_all(world, session, live, fresh.names)
        settle_callers(world, session, left, Settled(withdrawn=True))

    promoting = fresh.counted({"all traffic to the candidate": promote})
    return [*sharing, *promoting, *Place(services).commands()]


def _counted(calls: Iterable[Call]) -> Counter[str]:
    """AWS calls by service."""
    found: Counter[str] = Counter()
    for call in calls:
        if call.port in _SERVICES:
            found[_SERVICES[call.port]] += _CALLS.get(call.method, 1)
    return found


def _code(name: str, letter: str) -> bytes:
    return f"{name} {letter}".encode()


def _nothing() -> NoReturn:
    raise AssertionError("nothing is built here")
