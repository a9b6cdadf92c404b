"""A rollout that another version of Penstock has begun: nobody goes on by guessing, everybody can go back."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from unit.operations.test_killed_rollouts import is_settled, ship, shop

from penstock.model.errors import UsageError
from penstock.operations.abort import abort
from penstock.operations.orders import tell
from penstock.operations.rollout_store import KEY
from penstock.operations.status import status
from penstock.operations.switch import rollback
from penstock.testing import Faults, Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unit.operations.harness import Verbs


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    """Half of the traffic goes to a candidate whose driver is gone; what it wrote has words of a version to come."""
    recorded = Faults()
    ship(shop(tmp_path / "recorded"), recorded)
    (shared, *_) = [call.effect for call in recorded.effects() if call.method == "set_canary"]
    point = next(point for point in recorded.points() if point.effect == shared and point.when == "after")
    found = shop(tmp_path / "killed")
    with suppress(Killed):
        ship(found, Faults(point))
    stored = found.shop.objects.get(KEY)
    assert stored is not None
    newer = {**json.loads(stored.body), "mood": "hopeful", "steps": [{"step": "consider"}]}
    found.shop.objects.put(KEY, json.dumps(newer).encode())
    return found


@pytest.mark.parametrize("verb", ["resume", "promote", "pause"])
def test_nobody_goes_on_with_it_and_is_told_what_to_do(verbs: Verbs, verb: str) -> None:
    with pytest.raises(UsageError, match="another version of Penstock") as told:
        tell(verbs.world(), verb)  # type: ignore[arg-type]
    assert "penstock abort -e dev" in told.value.hint


def test_the_same_deploy_does_not_go_on_with_it_either(verbs: Verbs) -> None:
    with pytest.raises(UsageError, match="another version of Penstock"):
        verbs.deploy()
    assert verbs.live_code()["users"] == 1


def test_status_tells_what_it_can(verbs: Verbs) -> None:
    found = status(verbs.world()).rollout
    assert found is not None
    assert (found.weight, found.held) == (50, "another version of Penstock has begun it")


@pytest.mark.parametrize("back", [abort, rollback])
def test_it_can_be_ended_all_the_same(verbs: Verbs, back: Callable[..., object]) -> None:
    back(verbs.world(), why="it is not ours")
    assert is_settled(verbs)
    assert verbs.live_code()["users"] == 1
    assert verbs.deploy(strategy="all-at-once").live


def test_another_release_takes_it_back_first(verbs: Verbs) -> None:
    verbs.code["users"] = 3
    assert verbs.deploy(strategy="all-at-once").live
    assert is_settled(verbs)
    assert verbs.live_code()["users"] == 3
