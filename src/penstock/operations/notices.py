"""`after.notify`: the topics that learn what became of a release. Whoever has subscribed needs no terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from penstock.model.errors import RemoteFault
from penstock.operations.steps import timestamp, warn

if TYPE_CHECKING:
    from penstock.operations.world import World

Kind = Literal["live", "rolled-back", "came-back", "not-well"]
SNS = "sns:"


def tell_topics(world: World, kind: Kind, *, release: str, previous: str | None, what: str) -> None:
    """Tell every topic of `after.notify`. One that cannot be told is named in a warning: traffic is where it belongs.

    Args:
        world: the environment.
        kind: for machines.
        release: which release this is about.
        previous: which one had, or has again, the traffic.
        what: one sentence for people.
    """
    targets = world.workspace.environment.after.notify
    if not targets:
        return
    name, environment = world.workspace.name, world.workspace.environment.name
    topics = {topic.name: topic.physical for topic in world.workspace.topics}
    body = {
        "workspace": name,
        "environment": environment,
        "kind": kind,
        "release": release,
        "previous": previous,
        "what": what,
        "by": world.identity.caller(),
        "at": timestamp(world),
        "run": world.run,
    }
    for target in targets:
        topic = target.removeprefix(SNS)
        try:
            world.notices.publish(
                topics.get(topic, topic), subject=f"{name} {environment}: {what}", message=json.dumps(body, indent=1)
            )
        except RemoteFault as fault:
            warn(world, f"topic {topic} was not told: {fault.what}")
