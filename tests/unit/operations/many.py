"""An environment of so many functions that Lambda's rate counts: one release is live, another one waits beside it.

Every fifth function is called by events through the alias `live`, and every tenth has new code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from unit.release.shop import POINTER, Shop, a_workspace

from penstock.model.release import FunctionRelease, Pointer, Release, SlotState
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import EventSource, Function, Route, Service
from penstock.operations.history import KEY as HISTORY
from penstock.operations.history import History, to_body
from penstock.operations.rollout_store import KEY as ROLLOUT
from penstock.operations.store import ReleaseStore
from penstock.release.observed import deployment_description, version_description
from penstock.rollout.judge import JudgePolicy
from penstock.rollout.state import Rollout, Rules
from penstock.rollout.strategies import Bake, SetWeight, Verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.workspace import Workspace
    from penstock.operations.world import World
    from penstock.ports import FunctionState
    from penstock.testing import Faults

CONSUMERS, CHANGED = 5, 10
"""One function in so many."""
AT = "2026-01-01T00:00:00Z"


@dataclass
class Many:
    """The fakes, with release `one` in slot blue, which is live, and `two` in slot green."""

    count: int
    changed: int = CHANGED
    consumers: int = CONSUMERS
    shop: Shop = field(default_factory=Shop)
    one: Release = field(init=False)
    two: Release = field(init=False)

    def __post_init__(self) -> None:
        self.names = [f"s{number:04}" for number in range(self.count)]
        self.callers = {f"shop-dev-{name}" for name in self.names[:: self.consumers]}
        self.new = set(self.names[:: self.changed])
        self.one, self.two = self._release("one"), self._release("two")
        for release in (self.one, self.two):
            ReleaseStore(self.shop.objects).save(release)
        ids = self.one.id, self.two.id
        for name in self.names:
            self._publish(name, *ids)
        gateway, slots = self.shop.gateway, dict[str, SlotState]()
        for slot, release in (("blue", self.one), ("green", self.two)):
            deployment = gateway.deploy(self.shop.api, deployment_description(release.api))
            slots[slot] = SlotState(release=release.id, deployment=deployment)
            shown = gateway.deploy(self.shop.preview, deployment_description(release.api))
        gateway.set_stage(self.shop.api, "live", deployment=slots["blue"].deployment or "", variables={"slot": "blue"})
        gateway.set_stage(self.shop.preview, "preview", deployment=shown, variables={"slot": "green"})
        self.point(Pointer(live="blue", candidate="green", blue=slots["blue"], green=slots["green"]))
        self.book(History().arrived(self.one.id, at=AT, by="alice"))

    def point(self, pointer: Pointer) -> None:
        self.shop.parameters.put(POINTER, pointer.to_text())

    def pointer(self) -> Pointer:
        return Pointer.from_text(str(self.shop.parameters.get(POINTER)))

    def book(self, history: History) -> None:
        self.shop.objects.put(HISTORY, to_body(history))

    def world(self, faults: Faults | None = None) -> World:
        """A fresh run of a command."""
        return replace(self.shop.world(faults), workspace=self.workspace())

    def workspace(self) -> Workspace:
        plain = a_workspace()
        policy = RolloutPolicy(strategy="canary", weights=(10,), bake=300.0, alarms=("mine",))
        environment = replace(plain.environment, rollout=policy)
        return replace(plain, environment=environment, services=tuple(map(self._service, self.names)))

    def promoted(self) -> None:
        """Release two has all traffic, and is well there."""
        pointer = replace(self.pointer(), live="green", candidate=None)
        deployment = pointer.green.deployment or ""
        self.point(pointer)
        self.shop.gateway.set_stage(self.shop.api, "live", deployment=deployment, variables={"slot": "green"})
        for name in self.names:
            self.shop.functions.set_alias(f"shop-dev-{name}", "live", self.at(name, "green"))
        history = History().arrived(self.one.id, at=AT, by="alice").arrived(self.two.id, at=AT, by="alice")
        self.book(history)

    def rollout(self) -> Rollout:
        """One of release two that is left to the controller, without any traffic yet."""
        now = self.shop.clock.now()
        rollout = Rollout(
            id=f"{self.two.id}-run0",
            environment="dev",
            release=self.two.id,
            stable=self.one.id,
            steps=(Verify(), SetWeight(10), Bake(300.0), SetWeight(100)),
            rules=Rules(),
            policy=JudgePolicy(),
            changed=tuple(sorted(self.new)),
            began=now,
            entered=now,
            moved=now,
            detached=True,
            slow={},
        )
        self.write(rollout)
        return rollout

    def write(self, rollout: Rollout) -> None:
        self.shop.objects.put(ROLLOUT, json.dumps(rollout.to_json()).encode())

    def at(self, name: str, alias: str) -> str:
        """The version that all calls of the alias go to."""
        found = self.shop.functions.aliases(f"shop-dev-{name}")[alias]
        assert not found.weights
        return found.version

    def is_on(self, slot: str) -> bool:
        """Whether all callers are there, HTTP and others, and nobody has a share."""
        stage = self.shop.gateway.stage(self.shop.api, "live")
        assert stage is not None
        http = stage.variables["slot"] == slot and stage.canary is None
        return http and all(self._versions(name)["live"] == self._versions(name)[slot] for name in self.names)

    def is_behind(self, physical: str, slot: str) -> bool:
        """Whether all who call the function by `live` meet what that slot has."""
        aliases = self.shop.functions.aliases(physical)
        return (aliases["live"].version, aliases["live"].weights) == (aliases[slot].version, {})

    def _versions(self, name: str) -> Mapping[str, object]:
        aliases = self.shop.functions.aliases(f"shop-dev-{name}")
        return {alias: (found.version, dict(found.weights)) for alias, found in aliases.items()}

    def _code(self, name: str, release: str) -> bytes:
        return f"{name} {release if name in self.new else 'old'}".encode()

    def _release(self, which: str) -> Release:
        functions = {
            name: FunctionRelease(
                physical=f"shop-dev-{name}",
                service=name,
                artifact=hashlib.sha256(self._code(name, which)).hexdigest(),
                config="c" * 64,
                architecture="arm64",
                runtime="python3.13",
                timeout=10,
                target="python3.13/arm64",
            )
            for name in self.names
        }
        api = hashlib.sha256(which.encode()).hexdigest()
        return Release(environment="dev", functions=functions, api=api, grants={}, commit="", author="", created="")

    def _publish(self, name: str, one: str, two: str) -> None:
        functions, physical = self.shop.functions, f"shop-dev-{name}"
        functions.configure(physical)
        first = self._version(name, self._code(name, "one"), one)
        second = self._version(name, self._code(name, "two"), two) if name in self.new else first
        for alias, version in (("blue", first), ("live", first), ("green", second)):
            functions.set_alias(physical, alias, version.version)

    def _version(self, name: str, code: bytes, release: str) -> FunctionState:
        functions, physical = self.shop.functions, f"shop-dev-{name}"
        self.shop.objects.put("code", code)
        latest = functions.get(physical)
        assert latest is not None
        new = functions.update_code(physical, bucket="b", key="code", architecture="arm64", revision=latest.revision)
        description = version_description(release, "c" * 64)
        return functions.publish(physical, code_sha256=new.code_sha256, revision=new.revision, description=description)

    def _service(self, name: str) -> Service:
        is_called = f"shop-dev-{name}" in self.callers
        function = Function(
            name=name,
            service=name,
            physical=f"shop-dev-{name}",
            handler="app.handler",
            runtime="python3.13",
            architecture="arm64",
            memory=128,
            timeout=10,
            on=(EventSource(kind="schedule", source="rate(5 minutes)"),) if is_called else (),
            routes=() if is_called else (Route("GET", f"/{name}"),),
        )
        return Service(name=name, path=f"services/{name}", language="python", functions=(function,))
