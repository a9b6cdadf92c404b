"""Doing what `reconcile` decided: all intents into the ledger, act through the ports, each outcome into the ledger.

Effects of one kind on different functions do not depend on each other and run side by side, within Lambda's
control-plane rate; everything else runs one after another in the order given.
"""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING, Any

from penstock.model.errors import Busy, Conflict, NotFound, RemoteFault
from penstock.model.events import VersionPublished
from penstock.model.release import Pointer, SlotState
from penstock.operations.artifacts import artifact_key
from penstock.operations.decided import decide
from penstock.operations.pace import Pace
from penstock.operations.provenance import check_all
from penstock.operations.steps import step
from penstock.release.effects import (
    EnsureVersion,
    FreezeLatest,
    MakeDeployment,
    SetAlias,
    SetCanary,
    SetStage,
    ShareAlias,
    WritePointer,
    to_json,
)
from penstock.release.observed import deployment_description, version_description

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from penstock.operations.ledger_store import LedgerStore
    from penstock.operations.store import HeldLease
    from penstock.operations.world import World
    from penstock.ports import Clock, FunctionState
    from penstock.release.effects import Effect

PARALLEL = 8
PATIENCE, FIRST_PAUSE, LONGEST_PAUSE = 60.0, 0.5, 10.0
"""Seconds that AWS may be busy during one move, in all; and of the pauses. The SDK has retried each call before."""
CONFLICTS = 3
"""Attempts to publish while somebody else changes the function."""
SETTLE_PAUSE = 0.2
SETTLE_TIMEOUT = 120.0
"""Seconds to wait for an update of the function that is under way, Terraform's for example."""


def execute(
    world: World, effects: Sequence[Effect], *, ledger: LedgerStore, lease: HeldLease, pace: Pace | None = None
) -> Mapping[str, str]:
    """Do the effects in their order; what their symbols turned out to be.

    Raises Locked when the lease is lost; nothing is done from then on. Any other error leaves the effects behind it
    undone; running the same command again goes on from what is there.
    """
    if not effects:
        return {}
    doing = _Doing(world, lease, pace or Pace(world.clock))
    lease.keep()
    intent = ledger.append("intent", {"effects": [to_json(effect) for effect in effects]}).number
    done = 0
    for group in _groups(effects):
        lease.check()
        try:
            with step(world, _title(group), inner=True):
                outcomes = doing.all(group)
        except RemoteFault as fault:
            ledger.append("fault", {"intent": intent, "what": fault.what, "where": fault.where})
            raise
        done += len(group)
        ledger.append("effect", {"intent": intent, "done": done, "outcomes": outcomes})
    return dict(doing.names)


class _Doing:
    """One run of effects: remembers the ids that AWS gave out for their symbols."""

    def __init__(self, world: World, lease: HeldLease, pace: Pace) -> None:
        self._world = world
        self._lease = lease
        self._keeping = threading.Lock()
        self._pace = pace
        self._patience = _Patience(world.clock)
        self.names: dict[str, str] = {}

    def all(self, group: Sequence[Effect]) -> list[dict[str, Any]]:
        """Do effects that do not depend on each other. Raises the first error when all have ended.

        Code is published only when all of it is known to be ours; Refused otherwise.
        """
        unpublished = {effect.artifact for effect in group if isinstance(effect, EnsureVersion)}
        if unpublished:
            check_all(self._world, unpublished)
        if len(group) == 1:
            return [self._patiently(group[0])]
        with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
            futures = [pool.submit(self._patiently, effect) for effect in group]
        return [future.result() for future in futures]

    def _patiently(self, effect: Effect) -> dict[str, Any]:
        """Do it, again where AWS is only busy: an effect sets absolute state. Raises Busy when patience has ended."""
        attempt = 0
        while True:
            try:
                return self._one(effect)
            except Busy:
                attempt += 1
                if not self._patience.waits(attempt):
                    raise

    def _one(self, effect: Effect) -> dict[str, Any]:  # noqa: PLR0911 - one arm per effect
        with self._keeping:
            self._lease.keep()
        match effect:
            case EnsureVersion():
                return self._ensure_version(effect)
            case FreezeLatest():
                return self._freeze_latest(effect)
            case SetAlias():
                return self._set_alias(effect)
            case ShareAlias():
                return self._share_alias(effect)
            case MakeDeployment():
                return self._make_deployment(effect)
            case SetStage():
                return self._set_stage(effect)
            case SetCanary():
                return self._set_canary(effect)
            case WritePointer():
                return self._write_pointer(effect)

    def _ensure_version(self, effect: EnsureVersion) -> dict[str, Any]:
        for attempt in range(1, CONFLICTS + 1):
            try:
                version = self._publish(effect)
                break
            except Conflict:
                if attempt == CONFLICTS:
                    raise
        _check(version, effect)
        self.names[effect.symbol] = version.version
        self._world.events.emit(
            VersionPublished(function=effect.function, version=version.version, artifact=effect.artifact, reused=False)
        )
        return {"function": effect.function, "version": version.version, "artifact": version.code_sha256}

    def _freeze_latest(self, effect: FreezeLatest) -> dict[str, Any]:
        latest = self._settled(effect.function)
        self._pace.wait(1)
        self._lease.keep()
        version = self._world.functions.publish(
            effect.function,
            code_sha256=latest.code_sha256,
            revision=latest.revision,
            description="penstock: what was there before the first release",
        )
        self.names[effect.symbol] = version.version
        return {"function": effect.function, "version": version.version}

    def _publish(self, effect: EnsureVersion) -> FunctionState:
        latest = self._settled(effect.function)
        self._pace.wait(2)
        self._lease.keep()  # an update of Terraform's may have taken its time to settle
        updated = self._world.functions.update_code(
            effect.function,
            bucket=self._world.workspace.store_bucket,
            key=artifact_key(effect.artifact),
            architecture=effect.architecture,
            revision=latest.revision,
        )
        self._lease.keep()
        return self._world.functions.publish(
            effect.function,
            code_sha256=effect.artifact,
            revision=updated.revision,
            description=version_description(effect.release, effect.config),
        )

    def _settled(self, function: str) -> FunctionState:
        deadline = self._world.clock.monotonic() + SETTLE_TIMEOUT
        while True:
            latest = self._world.functions.get(function)
            if latest is None:
                raise NotFound("the function is not there", where=function, hint="terraform has not made it")
            if latest.last_update != "InProgress" and latest.state != "Pending":
                return latest
            if self._world.clock.monotonic() > deadline:
                raise RemoteFault("an update of it does not end", where=function, hint="look at it in the console")
            self._world.clock.sleep(SETTLE_PAUSE)

    def _set_alias(self, effect: SetAlias) -> dict[str, Any]:
        version = self._resolve(effect.version)
        self._pace.wait(1)
        state = self._world.functions.set_alias(effect.function, effect.alias, version, revision=effect.revision)
        return {"function": effect.function, "alias": effect.alias, "version": state.version}

    def _share_alias(self, effect: ShareAlias) -> dict[str, Any]:
        self._pace.wait(1)
        state = self._world.functions.set_alias(
            effect.function,
            effect.alias,
            effect.version,
            revision=effect.revision,
            weights={effect.candidate: effect.percent / 100},
        )
        return {"function": effect.function, "alias": effect.alias, "shares": dict(state.weights)}

    def _make_deployment(self, effect: MakeDeployment) -> dict[str, Any]:
        made = self._world.gateway.deploy(effect.api, deployment_description(effect.digest))
        self.names[effect.symbol] = made
        return {"api": effect.api, "deployment": made}

    def _set_stage(self, effect: SetStage) -> dict[str, Any]:
        deployment = self._resolve(effect.deployment)
        serving = self._world.gateway.set_stage(
            effect.api, effect.stage, deployment=deployment, variables={"slot": effect.slot}
        )
        if (serving.deployment, serving.variables.get("slot")) != (deployment, effect.slot):
            raise RemoteFault(
                f"the stage serves slot {serving.variables.get('slot')} with deployment {serving.deployment} "
                f"instead of slot {effect.slot} with {deployment}",
                where=f"{effect.api}/{effect.stage}",
                hint="somebody else changes it; run the command again",
            )
        return {"api": effect.api, "stage": effect.stage, "deployment": deployment, "slot": effect.slot}

    def _set_canary(self, effect: SetCanary) -> dict[str, Any]:
        serving = self._world.gateway.set_canary(
            effect.api,
            effect.stage,
            deployment=effect.deployment,
            variables={"slot": effect.slot},
            percent=effect.percent,
        )
        canary = serving.canary
        if canary is None or (canary.deployment, round(canary.percent)) != (effect.deployment, effect.percent):
            raise RemoteFault(
                f"the stage's canary is {canary}, not {effect.percent} % to deployment {effect.deployment}",
                where=f"{effect.api}/{effect.stage}",
                hint="somebody else changes it; run the command again",
            )
        return {"api": effect.api, "stage": effect.stage, "slot": effect.slot, "percent": effect.percent}

    def _write_pointer(self, effect: WritePointer) -> dict[str, Any]:
        pointer = effect.pointer
        resolved = Pointer(
            live=pointer.live,
            candidate=pointer.candidate,
            blue=self._resolved(pointer.blue),
            green=self._resolved(pointer.green),
        )
        decide(self._world, self._lease, resolved)
        self._lease.check()
        text = resolved.to_text()
        self._world.parameters.put(effect.name, text)
        return {"name": effect.name, "pointer": text}

    def _resolved(self, state: SlotState) -> SlotState:
        deployment = None if state.deployment is None else self._resolve(state.deployment)
        return SlotState(release=state.release, deployment=deployment)

    def _resolve(self, name: str) -> str:
        return self.names[name] if name.startswith("@") else name


class _Patience:
    """Pauses between attempts, with full jitter so that neighbours do not come back together; so much in all.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends = clock.monotonic() + PATIENCE

    def waits(self, attempt: int) -> bool:
        """Pause before the next attempt; False, at once, when patience has ended."""
        pause = random.uniform(0, min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE))  # noqa: S311 - jitter
        if self._clock.monotonic() + pause >= self._ends:
            return False
        self._clock.sleep(pause)
        return True


def _groups(effects: Iterable[Effect]) -> list[tuple[Effect, ...]]:
    """Neighbours of one kind that may run side by side, all others by themselves; the order is kept."""
    found: list[tuple[Effect, ...]] = []
    for key, group in groupby(effects, key=_kind):
        members = tuple(group)
        found += [members] if key else [(member,) for member in members]
    return found


def _kind(effect: Effect) -> str:
    """What neighbours must share to run side by side; empty when they must not."""
    match effect:
        case EnsureVersion():
            return "version"
        case FreezeLatest():
            return "freeze"
        case SetAlias() | ShareAlias():
            return f"alias {effect.alias}"
        case _:
            return ""


def _title(group: Sequence[Effect]) -> str:
    more = len(group) - 1
    return group[0].describe() + (f", and the same for {more} more" if more else "")


def _check(version: FunctionState, effect: EnsureVersion) -> None:
    """A version is what the release says, or nobody may use it."""
    wanted = {
        "code": effect.artifact,
        "architecture": effect.architecture,
        "runtime": effect.runtime,
        "timeout": effect.timeout,
    }
    found = {
        "code": version.code_sha256,
        "architecture": version.architecture,
        "runtime": version.runtime,
        "timeout": version.timeout,
    }
    wrong = [f"{name} is {found[name]}, not {value}" for name, value in wanted.items() if found[name] != value]
    if wrong:
        raise RemoteFault(
            f"version {version.version} is not what release {effect.release} says: {'; '.join(wrong)}",
            where=effect.function,
            hint="somebody changed the function; apply Terraform and deploy again",
        )
