"""Terraform's own lock on the state, left behind by a Terraform that is gone: `penstock unlock` explains and frees it.

With `use_lockfile` the lock is an object beside the state, with the words of who took it and no process id. Whether
that Terraform lives is told by the processes of this machine that work in the root's folder.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from penstock.infra.render import STATE_KEY
from penstock.model.errors import Locked
from penstock.model.ledger import host_name

if TYPE_CHECKING:
    from penstock.operations.world import World

LOCK_KEY = f"{STATE_KEY}.tflock"
"""Source: https://developer.hashicorp.com/terraform/language/backend/s3#state-locking"""


def free_state_lock(world: World, *, force: bool = False) -> str | None:
    """Free the lock of a Terraform that is gone; what was done, in words, or None when there is no lock.

    Args:
        world: the environment.
        force: also when the holder cannot be seen from this machine. One that works here is never robbed.

    Raises:
        Locked: the holder lives, or may live.
    """
    stored = world.objects.get(LOCK_KEY)
    if stored is None:
        return None
    holder, who = _told(stored.body)
    working = world.terraform.running(world.infra)
    if working:
        processes = ", ".join(map(str, working))
        raise Locked(
            f"{who}; a Terraform works in that folder (process {processes})",
            where=str(world.infra),
            hint="wait for it, or stop it with one Ctrl-C",
        )
    if holder.rpartition("@")[2] != host_name(world.host) and not force:
        raise Locked(
            f"{who}; whether it lives cannot be seen from here",
            where=LOCK_KEY,
            hint="look on that machine; if it is gone: penstock unlock --force",
        )
    world.objects.delete(LOCK_KEY)
    return f"freed: {who}"


def _told(body: bytes) -> tuple[str, str]:
    """The holder as Terraform names it (`ann@laptop`), and the whole lock in words."""
    try:
        info = json.loads(body)
        holder = str(info["Who"])
        doing = str(info["Operation"]).removeprefix("OperationType").lower()
        since = str(info["Created"]).partition(".")[0]
    except (ValueError, KeyError, TypeError):
        return "", "Terraform's state is locked by somebody who left no name"
    return holder, f"Terraform's state is locked by {holder} since {since} for {doing}"
