"""What was removed with which release, so that nobody goes back to one whose functions would miss it.

Grants are kept for the release to go back to (`retained`). A table's index, a queue or a function is gone when the
release that dropped it has all traffic, and a rollback, which does not run Terraform, cannot bring it back.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.model.errors import Refused
from penstock.operations.history import read_history
from penstock.operations.pointer import read_pointer
from penstock.operations.retained import lacking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.model.release import Release
    from penstock.operations.history import History
    from penstock.operations.session import Session
    from penstock.operations.world import World

KEY = "terraform/removals.json"
REMEMBERED = 50
"""Removals; more than releases are kept."""


def note_removal(world: World, session: Session, what: Sequence[str]) -> None:
    """Write down that the live release has taken this away, for releases before it. Raises Locked."""
    pointer = read_pointer(world)
    if not what or pointer is None or pointer.live_release is None:
        return
    removal = (pointer.live_release, list(what))
    session.rewrite(KEY, lambda body: json.dumps([*_removals(body), removal][-REMEMBERED:]).encode())


def kept_until(world: World) -> float | None:
    """Until when, in seconds since the epoch, the release before may come back; None when that is over."""
    window = world.workspace.environment.rollout.window
    latest = read_history(world.objects).latest
    if not window or latest is None or latest.by_rollback:
        return None
    until = datetime.fromisoformat(latest.at).timestamp() + window
    return until if world.clock.now() < until else None


def told(until: float, what: Sequence[str]) -> str:
    """What is kept until then, in words."""
    at = datetime.fromtimestamp(until, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"kept until {at} for a rollback: {', '.join(what)}"


def refuse_what_is_missing(world: World, target: Release, live: Release, history: History) -> None:
    """Raise Refused when something that the target could use was removed after it had traffic, or a grant of its."""
    order = {promotion.release: at for at, promotion in enumerate(history.promotions)}
    had_traffic = order.get(target.id, -1)
    stored = world.objects.get(KEY)
    removals = _removals(stored.body if stored else None)
    missing = sorted({one for release, what in removals if order.get(release, -1) > had_traffic for one in what})
    missing += lacking(world, target, live)
    if missing:
        name = world.workspace.environment.name
        raise Refused(
            f"release {target.id} may need what was removed after it: {', '.join(missing)}",
            where=name,
            hint=f"{made_again(target, name)}, which makes that again; "
            f"if it does not need it: penstock rollback -e {name} --to {target.id}",
        )


def made_again(target: Release, environment: str) -> str:
    """What brings a release back by a deploy, in words: files that no commit has cannot be checked out."""
    commit, is_changed = target.source
    if commit and not is_changed:
        return f"git checkout {commit}, then penstock deploy -e {environment}"
    files = f" (commit {commit} and changes that were never committed)" if commit else ""
    return f"bring its files back{files}, then penstock deploy -e {environment}"


def _removals(body: bytes | None) -> list[tuple[str, list[str]]]:
    return [(release, what) for release, what in json.loads(body)] if body else []
