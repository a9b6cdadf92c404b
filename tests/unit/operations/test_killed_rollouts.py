"""A canary whose driver is killed at every effect that the ports recorded: the next command brings traffic to one named
release, and goes no step too far."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from samples import one_in
from unit.operations.harness import TARGETS, Verbs, no
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import CameBack, Inconclusive, Refused
from penstock.model.rollouts import RolloutPolicy
from penstock.operations.abort import abort
from penstock.operations.audit import audit
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.switch import rollback
from penstock.operations.wanted import DeployRequest
from penstock.testing import Fault, Faults, Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def shop(folder: Path) -> Verbs:
    """Release one is live, two is to come by a canary, and there are many callers."""
    folder.mkdir(exist_ok=True)
    clock = Busy()
    verbs = Verbs(root=folder)
    verbs.shop.clock = clock
    verbs.deploy()
    policy = RolloutPolicy(strategy="canary", weights=(50,), bake=60.0, delay=0.0, margin=0.05)
    verbs.workspace = with_rollout(verbs, policy)
    clock.traffic = Traffic(verbs, per_minute=1000)
    verbs.code["users"] = 2
    return verbs


def ship(verbs: Verbs, faults: Faults) -> None:
    deploy(faults.wrap_fields(verbs.world()), DeployRequest(), TARGETS, no)


def is_settled(verbs: Verbs) -> bool:
    """Whether all callers get one release, and nothing says that a rollout is under way."""
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    assert stage is not None
    return (
        stage.canary is None
        and RolloutStore(verbs.shop.objects).under_way() is None
        and verbs.shop.parameters.get("/penstock/shop/dev/rollout") is None
    )


@pytest.mark.parametrize("again", ["the same command", "an abort", "a rollback", "another release"])
def test_a_canary_killed_anywhere_ends_with_the_next_command(tmp_path: Path, again: str) -> None:
    verbs, faults = shop(tmp_path / "recorded"), Faults()
    ship(verbs, faults)
    assert is_settled(verbs)
    done = verbs.shop.observe().pointer.live_release
    points = faults.points()
    assert len(points) > 40
    for point in one_in(6 if again in ("the same command", "an abort") else 8, points):
        verbs = shop(tmp_path / "killed")
        with suppress(Killed):  # else that effect was refused, and there is no "after" it to die at
            ship(verbs, Faults(point))
        if again == "an abort":
            is_live = verbs.shop.observe().pointer.live_release == done
            was_promoted = is_live and read_history(verbs.shop.objects).move is None  # and found well
            aborted = abort(verbs.world())
            assert verbs.live_code()["users"] == (2 if was_promoted else 1), f"killed at {point}"
            assert not (aborted.changed and was_promoted)
        elif again == "a rollback":
            with suppress(Refused):  # where there is no other release yet
                rollback(verbs.world())
            assert verbs.live_code()["users"] == 1, f"killed at {point}"
        elif again == "another release":
            verbs.code["users"] = 3
            assert verbs.deploy(strategy="all-at-once").live
            assert verbs.live_code()["users"] == 3, f"killed at {point}"
        else:
            verbs.deploy()
            assert verbs.live_code()["users"] == 2, f"killed at {point}"
        assert is_settled(verbs), f"killed at {point}"
        # A rollback is refused where there is no release before: what waits goes on waiting.
        assert again == "a rollback" or verbs.shop.observe().pointer.candidate is None, f"killed at {point}"


def bad(folder: Path) -> Verbs:
    """The same, with a release two of which every fifth call fails."""
    verbs = shop(folder)
    assert isinstance(verbs.shop.clock, Busy)
    assert verbs.shop.clock.traffic is not None
    verbs.shop.clock.traffic.bad = {"users": 0.2}
    return verbs


def test_a_bad_canary_killed_anywhere_comes_back_all_the_same(tmp_path: Path) -> None:
    verbs, faults = bad(tmp_path / "recorded"), Faults()
    with pytest.raises(CameBack):
        ship(verbs, faults)
    for point in one_in(6, faults.points()):
        verbs = bad(tmp_path / "killed")
        with suppress(Killed, CameBack, Inconclusive):
            ship(verbs, Faults(point))
        with suppress(CameBack):
            verbs.deploy()
        assert verbs.live_code()["users"] == 1, f"killed at {point}"
        assert is_settled(verbs), f"killed at {point}"
        assert verbs.shop.observe().pointer.candidate is None, f"killed at {point}"


def test_a_canary_killed_several_times_in_a_row_ends_with_the_next_command(tmp_path: Path) -> None:
    recorded = Faults()
    ship(shop(tmp_path / "recorded"), recorded)
    points = recorded.points()
    for at, first in enumerate(points[::6]):
        verbs = shop(tmp_path / "killed")
        deaths = (first, points[(7 * at) % 40], points[(11 * at + 5) % 40])
        for point in deaths:
            with suppress(Killed):
                ship(verbs, Faults(point))
        verbs.deploy()
        where = f"killed at {', '.join(map(str, deaths))}"
        assert verbs.live_code()["users"] == 2, where
        assert is_settled(verbs), where
        assert audit(verbs.world()).breaks == (), where


@pytest.mark.parametrize("make", [shop, bad])
def test_the_ledger_tells_the_same_of_a_canary_whose_driver_died_around_what_it_wrote_down(
    tmp_path: Path, make: Callable[[Path], Verbs]
) -> None:
    def told(verbs: Verbs) -> list[str]:
        """What was said of the rollout; twice, where a driver died before it had written down that it has said it."""
        ledger = LedgerStore(verbs.shop.objects, clock=verbs.shop.clock, actor="", run="")
        said = (str(one.data["what"]).partition(":")[0] for one in ledger.entries() if one.kind == "rollout")
        return list(dict.fromkeys(said))

    recorded, faults = make(tmp_path / "recorded"), Faults()
    with suppress(CameBack):
        ship(recorded, faults)
    whole = told(recorded)
    assert "50 % of the traffic goes to it" in whole
    assert ("goes back" in whole) is (make is bad)
    written = [call.effect for call in faults.effects() if call.subject.startswith("rollout.json")]
    assert len(written) > 3
    for effect in written:
        assert effect is not None
        for when in ("before", "after"):
            verbs = make(tmp_path / f"{effect} {when}")
            with suppress(Killed):
                ship(verbs, Faults(Fault(effect=effect, when=when)))
            found = RolloutStore(verbs.shop.objects).read()
            if found is None or found.outcome is None:  # else the same command would try it once more
                with suppress(CameBack):
                    verbs.deploy()
            where = f"killed {when} {effect}"
            assert told(verbs) == whole, where
            history = audit(verbs.world())
            assert history.figures.failed_share == (0.5 if make is bad else 0.0), where
            assert any(run.back is not None for run in history.runs) is (make is bad), where
