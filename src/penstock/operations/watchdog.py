"""Handing a rollout to the controller function in the account: all of it (`--detach`), or as a watchdog.

Terraform makes the function, its role and a group for schedules. Here the function gets the code that goes with this
version of Penstock and the brief that it works from, and EventBridge Scheduler is told to call it every minute until
the rollout has ended. What it does then is `tick`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.model.errors import RemoteFault, UsageError
from penstock.model.plain import from_plain, to_plain
from penstock.model.workspace import Workspace
from penstock.operations.rollout_store import BRIEF
from penstock.operations.steps import step, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.ports import ObjectStore
    from penstock.rollout.state import Rollout

CODE = "controller/"
"""Where the controller's code lies in the bucket, by its digest."""
AFTER_DEADLINE = 86_400.0
"""Seconds that the schedule outlives the deadline: an AWS that refuses for hours must find somebody afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What the controller has to know besides the rollout: it has no checkout.

    `events` are the verification events, by their paths below the workspace's root.
    """

    workspace: Workspace
    events: Mapping[str, str]

    def to_text(self) -> str:
        """JSON, as it lies in the bucket."""
        return json.dumps(to_plain(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Brief:
        """The inverse of `to_text`. Raises TypeError or ValueError on anything else."""
        data = json.loads(text)
        return cls(workspace=from_plain(Workspace, data["workspace"]), events=dict(data["events"]))


def require_controller(world: World) -> None:
    """Raise UsageError where there is nobody to hand a rollout to."""
    environment = world.workspace.environment
    if environment.rollout.has_controller:
        return
    section = f"[environments.{environment.name}.rollout]"
    hint = (
        f"leave controller = false out of {section}, and deploy"
        if not environment.rollout.controller
        else f'write strategy = "canary" (or linear, or custom with a bake) in {section}, and deploy'
    )
    raise UsageError(f"{environment.name} has no controller function that could drive a rollout", hint=hint)


def hand_over(world: World, session: Session, rollout: Rollout) -> None:
    """Let the controller be called every minute until the rollout has ended.

    Raises RemoteFault, and Locked when the environment is not ours any more.
    """
    workspace = world.workspace
    with step(world, "tell the controller", inner=True):
        _update_code(world, session)
        text = brief(world).to_text().encode()
        session.rewrite(BRIEF, lambda _before: text)
        session.hold()
        world.schedules.start(
            rollout.id,
            group=workspace.controller_name,
            function=workspace.controller_name,
            role=workspace.ticks_role,
            payload=json.dumps({"rollout": rollout.id, **where(world)}),
            until=world.clock.now() + rollout.rules.deadline + AFTER_DEADLINE,
        )


def watch_over(world: World, session: Session, rollout: Rollout) -> None:
    """The same for a rollout that this process drives: should it die, somebody is there. A fault is only told."""
    if not world.workspace.environment.rollout.has_controller:
        return
    try:
        hand_over(world, session, rollout)
    except RemoteFault as fault:
        warn(world, f"nobody watches over this rollout, should this command die: {fault.what}")


def call_off(world: World, rollout: str, session: Session) -> None:
    """The rollout of this id has ended: nobody needs to look any more. A fault is only told: it ends by itself.

    Raises Locked when the lease is lost: somebody else may drive the same rollout by now.
    """
    if not world.workspace.environment.rollout.has_controller:
        return
    try:
        session.hold()
        world.schedules.stop(rollout, group=world.workspace.controller_name)
    except RemoteFault as fault:
        warn(world, f"the controller's schedule is still there: {fault.what}")


def brief(world: World) -> Brief:
    """What the controller is told. Functions' own variables stay here: it has no use for them."""
    workspace = world.workspace
    services = tuple(
        replace(service, functions=tuple(replace(function, env={}) for function in service.functions))
        for service in workspace.services
    )
    # Smoke tests are programs of the workspace, which is not there.
    environment = replace(workspace.environment, after=replace(workspace.environment.after, smoke=()))
    events: dict[str, str] = {}
    for function in workspace.functions:
        path = f"{workspace.service(function.service).path}/{function.verify}"
        event = world.files.read(world.root / path) if function.verify else None
        if event is not None:
            events[path] = event.decode()
    return Brief(workspace=replace(workspace, services=services, environment=environment), events=events)


def read_brief(objects: ObjectStore) -> Brief | None:
    """What was told last, or None."""
    stored = objects.get(BRIEF)
    return Brief.from_text(stored.body.decode()) if stored else None


def where(world: World) -> dict[str, str]:
    """What leads from the event of a tick to the brief: the account's side of an environment."""
    environment = world.workspace.environment
    found = {"bucket": world.workspace.store_bucket, "account": environment.account, "region": environment.region}
    return {**found, **({"endpoint": environment.endpoint} if environment.endpoint else {})}


def _update_code(world: World, session: Session) -> None:
    name = world.workspace.controller_name
    code = world.controller()
    digest = hashlib.sha256(code).hexdigest()
    found = world.functions.get(name)
    if found is None:
        raise RemoteFault("the controller function is not there", where=name, hint="terraform has not made it: deploy")
    if found.code_sha256 == digest:
        return
    key = f"{CODE}{digest}.zip"
    session.hold()
    if not world.objects.has(key):
        world.objects.put(key, code)
    session.hold()
    world.functions.update_code(
        name, bucket=world.workspace.store_bucket, key=key, architecture=found.architecture, revision=found.revision
    )
    for other in world.objects.list(CODE):
        if other != key:  # of another version of Penstock, which puts its own there again when it comes back
            world.objects.delete(other)
