"""A driver that stands still past its lease while somebody else takes over, and wakes up at any point: it does no more
than the call that it had begun, and whoever comes next puts that right."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from samples import one_in
from unit.operations.harness import TARGETS, Verbs, no, yes
from unit.operations.test_controller import CONTROLLER, minutes
from unit.operations.test_killed_rollouts import is_settled, shop
from unit.operations.test_removals import INDEXED, drops_grant_and_index, uses
from unit.operations.test_warmth import kept_warm, warm
from unit.operations.traffic import Busy, Traffic, with_rollout
from unit.release.shop import NAMES

from penstock.model.errors import Locked, PenstockError
from penstock.model.rollouts import RolloutPolicy
from penstock.operations.abort import abort
from penstock.operations.audit import audit
from penstock.operations.deploy import deploy
from penstock.operations.history import read_history
from penstock.operations.prune import prune
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.status import status
from penstock.operations.switch import rollback
from penstock.operations.wanted import DeployRequest
from penstock.release.lease import CALL_TIMEOUT, MARGIN, TTL
from penstock.testing import FakeClock, Fault, Faults, Killed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LONG = TTL + CALL_TIMEOUT + MARGIN + 1
BY_NAME = ("ledger", "lease.json", "rollout/late.json")
"""What S3 itself keeps apart: entries are written where none is, and the lease over the one that was read. And the word
of who was late, which is there to be written then."""
IMMUTABLE = re.compile(r"(artifacts|builds|plans)/|releases/[0-9a-f]{12}\.json")
"""Named by what they hold, so that it is no matter who writes them when."""


def dropping_shop(folder: Path) -> Verbs:
    """As `shop`; release two drops a grant and an index besides, and keeps another number of environments warm."""
    verbs = shop(folder)
    canary = verbs.workspace.environment.rollout
    verbs.workspace = kept_warm(with_rollout(verbs, RolloutPolicy()), "users", 3)
    uses(verbs, INDEXED.name)
    verbs.code["users"] = 1
    verbs.deploy()
    verbs.workspace = kept_warm(with_rollout(verbs, canary), "users", 4)
    drops_grant_and_index(verbs)
    return verbs


def ship(verbs: Verbs, faults: Faults) -> None:
    deploy(faults.wrap_fields(verbs.world()), DeployRequest(), TARGETS, yes)


def another_machine_goes_back(verbs: Verbs) -> None:
    """To the release before, if the other one is live; else that gets no traffic."""
    world = replace(verbs.world(), host="another machine")
    first, *later = [promotion.release for promotion in read_history(world.objects).promotions]
    if later:
        rollback(world, to=first)
    else:
        abort(world)


def another_machine_aborts(verbs: Verbs) -> None:
    abort(replace(verbs.world(), host="another machine"), why="the driver is gone")


def another_machine_ships(verbs: Verbs) -> None:
    """Another release, which nobody but the controller in the account drives."""
    verbs.code["users"] = 3
    deploy(replace(verbs.world(), host="another machine"), DeployRequest(detach=True), TARGETS, no)


def another_machine_goes_on(verbs: Verbs) -> None:
    deploy(replace(verbs.world(), host="another machine"), DeployRequest(), TARGETS, no)


@pytest.mark.parametrize(
    ("make", "taken_over", "since"),
    [
        (shop, another_machine_aborts, "update_code"),
        (shop, another_machine_ships, "put_if_absent(rollout.json"),
        (shop, another_machine_goes_on, "put_if_absent(rollout.json"),
        (dropping_shop, another_machine_goes_back, ""),
    ],
)
def test_a_driver_that_wakes_up_past_its_lease_does_no_more_than_the_call_it_had_begun(
    tmp_path: Path, make: Callable[[Path], Verbs], taken_over: Callable[[Verbs], None], since: str
) -> None:
    verbs, recorded = make(tmp_path / "recorded"), Faults()
    ship(verbs, recorded)
    effects = [call for call in recorded.effects() if not call.subject.startswith(BY_NAME)]
    first = next(at for at, call in enumerate(effects) if since in str(call))
    for call in one_in(6, effects[first:]):
        for when in ("before", "after"):
            verbs = make(tmp_path / "paused")
            assert call.effect is not None
            woken = paused(verbs, Fault(effect=call.effect, when=when), taken_over)
            if woken is None:
                continue  # refused, so that there was no "after"
            where = f"paused {when} {call}"
            if when == "after":
                now = state(verbs)
                assert {name for name in woken.keys() | now.keys() if woken.get(name) != now.get(name)} == set(), where
            ends_well(verbs, where)


def paused(verbs: Verbs, point: Fault, taken_over: Callable[[Verbs], None]) -> Mapping[object, object] | None:
    """What was there when the driver that was paused there woke up, and ended; None when it never came there."""
    woken: list[Mapping[object, object]] = []

    def meanwhile() -> None:
        FakeClock.sleep(verbs.shop.clock, LONG)
        taken_over(verbs)
        woken.append(state(verbs))

    with suppress(PenstockError):
        ship(verbs, Faults(point, meanwhile=meanwhile))
    return next(iter(woken), None)


def state(verbs: Verbs) -> Mapping[object, object]:
    """Everything that a late call could change."""
    objects = verbs.shop.objects
    mutable = [key for key in objects.list("") if not key.startswith(BY_NAME) and not IMMUTABLE.match(key)]
    found: dict[object, object] = {key: objects.get(key) for key in mutable}
    found.update(verbs.shop.parameters.values)
    found["applies"] = verbs.applies
    found["warm"] = warm(verbs)
    found |= {name: verbs.shop.functions.aliases(f"shop-dev-{name}") for name in NAMES}
    found |= {"live": verbs.shop.gateway.stage(verbs.shop.api, "live")}
    found |= {"preview": verbs.shop.gateway.stage(verbs.shop.preview, "preview")}
    return found | verbs.shop.schedules.scheduled(CONTROLLER)


def ends_well(verbs: Verbs, where: str) -> None:
    """Whoever drives now comes to the end of it, and the next command finds whatever is left."""
    on_its_way = RolloutStore(verbs.shop.objects).under_way()
    if verbs.shop.schedules.scheduled(CONTROLLER):
        said = minutes(verbs)
        assert on_its_way is None or said[-1].endswith("is promoted"), f"{where}: {said}"
    now = status(verbs.world())
    assert is_settled(verbs) or not now.agrees or now.rollout or marked(verbs), where
    verbs.deploy(strategy="all-at-once")  # unless that release is on its way already
    assert is_settled(verbs), where
    assert verbs.live_code() == verbs.code, where
    assert set(warm(verbs)) <= {verbs.live_slot()}, where
    assert status(verbs.world()).agrees, where
    assert verbs.shop.schedules.scheduled(CONTROLLER) == {}, where
    assert audit(verbs.world()).breaks == (), where


def late_and_dies(verbs: Verbs, effect: int, taken_over: Callable[[Verbs], None]) -> None:
    """The driver that was paused there does the one call that it had begun when it wakes, and dies of it."""

    def meanwhile() -> None:
        FakeClock.sleep(verbs.shop.clock, LONG)
        taken_over(verbs)

    late = Faults(Fault(effect=effect, when="before"), meanwhile=meanwhile)
    world = Faults(Fault(effect=effect, when="after")).wrap_fields(late.wrap_fields(verbs.world()))
    with pytest.raises(Killed):
        deploy(world, DeployRequest(), TARGETS, yes)


@pytest.mark.parametrize("mended_by", ["itself", "the controller's last visit", "the next deploy"])
def test_a_share_that_lands_late_is_told_and_taken_back(tmp_path: Path, mended_by: str) -> None:
    verbs, recorded = shop(tmp_path / "recorded"), Faults()
    ship(verbs, recorded)
    (shift, *_) = [call.effect for call in recorded.effects() if call.method == "set_canary"]
    assert shift is not None
    verbs = shop(tmp_path / "paused")
    if mended_by == "itself":
        paused(verbs, Fault(effect=shift, when="before"), another_machine_aborts)
    else:
        late_and_dies(verbs, shift, another_machine_aborts)
        assert not is_settled(verbs), "the withdrawn release has its share again"
        assert not status(verbs.world()).ok
    if mended_by == "the next deploy":
        verbs.code["users"] = 1
        verbs.deploy()
    elif mended_by == "the controller's last visit":
        assert minutes(verbs) == ["it has ended"]
    assert is_settled(verbs)
    assert status(verbs.world()).ok
    assert verbs.live_code()["users"] == 1


def consuming_shop(folder: Path) -> Verbs:
    """As `shop`, and something calls orders by its alias, which has a share as well."""
    folder.mkdir()
    verbs = Verbs(root=folder)
    verbs.shop.clock = Busy()
    verbs.workspace = kept_warm(verbs.workspace, "orders", None, on=True)
    verbs.deploy()
    verbs.code |= {"users": 2, "orders": 2}
    verbs.workspace = with_rollout(verbs, RolloutPolicy(strategy="canary", weights=(10, 50), bake=120.0))
    verbs.shop.clock.traffic = Traffic(verbs, per_minute=2000)
    return verbs


@pytest.mark.parametrize("beside", ["nobody", "another rollout"])
def test_who_gives_a_consumer_its_share_too_late_takes_it_back_or_says_so(tmp_path: Path, beside: str) -> None:
    def share(verbs: Verbs) -> Mapping[str, float]:
        return verbs.shop.functions.aliases("shop-dev-orders")["live"].weights

    verbs, recorded = consuming_shop(tmp_path / "recorded"), Faults()
    with suppress(PenstockError):  # nothing measures who calls it here
        ship(verbs, recorded)
    first = next(call for call in recorded.effects() if call.method == "set_alias" and "orders, live" in call.subject)
    assert first.effect is not None
    verbs = consuming_shop(tmp_path / "paused")

    def taken_over(verbs: Verbs) -> None:
        another_machine_aborts(verbs)
        if beside == "another rollout":
            another_machine_ships(verbs)

    paused(verbs, Fault(effect=first.effect, when="before"), taken_over)
    if beside == "another rollout":
        assert not status(verbs.world()).agrees
        minutes(verbs)
    assert share(verbs) == {}
    assert status(verbs.world()).agrees


def marked(verbs: Verbs) -> bool:
    return verbs.shop.parameters.get("/penstock/shop/dev/rollout") is not None


def test_the_one_who_was_paused_is_told_who_has_it_now(tmp_path: Path) -> None:
    verbs = shop(tmp_path)
    recorded = Faults()
    ship(verbs, recorded)
    (first, *_) = [call.effect for call in recorded.effects() if call.method == "set_canary"]
    assert first is not None
    verbs = shop(tmp_path / "paused")

    def taken_over() -> None:
        FakeClock.sleep(verbs.shop.clock, LONG)
        another_machine_aborts(verbs)

    with pytest.raises(PenstockError) as told:
        ship(verbs, Faults(Fault(effect=first, when="after"), meanwhile=taken_over))
    assert told.value.exit_code == 4, told.value


def spare(folder: Path, releases: int = 5) -> Verbs:
    """Releases of which nearly all can go."""
    verbs = Verbs(root=folder)
    folder.mkdir()
    for number in range(1, releases + 1):
        verbs.code["users"] = number
        verbs.deploy()
    return verbs


def test_a_prune_that_wakes_up_past_its_lease_deletes_no_more(tmp_path: Path) -> None:
    """What was spare when its list was made may be in use by now."""
    verbs, recorded = spare(tmp_path / "recorded"), Faults()
    prune(recorded.wrap_fields(verbs.world()), keep=1)
    deletes = [call for call in recorded.effects() if call.method in ("delete_version", "delete", "erase")]
    assert len(deletes) > 3
    for at, call in enumerate(deletes):
        verbs = spare(tmp_path / f"paused {at}")
        assert call.effect is not None

        def taken_over(verbs: Verbs = verbs) -> None:
            FakeClock.sleep(verbs.shop.clock, LONG)
            another_machine_goes_on(verbs)

        paused = Faults(Fault(effect=call.effect, when="before"), meanwhile=taken_over)
        with suppress(Locked):
            prune(paused.wrap_fields(verbs.world()), keep=1)
        done = [call for call in paused.effects() if call.method in ("delete_version", "delete", "erase")]
        assert [str(one) for one in done] == [str(one) for one in deletes[: at + 1]]


def test_a_prune_does_not_ask_whose_the_lease_is_before_each_of_its_deletions(tmp_path: Path) -> None:
    def asked(releases: int) -> int:
        verbs, recorded = spare(tmp_path / str(releases), releases), Faults()
        assert len(prune(recorded.wrap_fields(verbs.world()), keep=1).releases) >= releases - 2
        return sum(call.method == "get" and call.subject.startswith("lease.json") for call in recorded.calls)

    assert asked(7) == asked(4)


@pytest.mark.parametrize("mended_by", ["the controller's last visit", "prune", "a deploy of something else"])
def test_a_promotion_that_lands_late_moves_nothing_by_whoever_comes_next(tmp_path: Path, mended_by: str) -> None:
    """The pointer is a parameter, which knows no conditional writes: what it says must have been decided."""
    verbs, recorded = shop(tmp_path / "recorded"), Faults()
    ship(verbs, recorded)
    written = [call.effect for call in recorded.effects() if call.method == "put" and "pointer" in call.subject]
    assert written[-1] is not None
    verbs = shop(tmp_path / "paused")
    late_and_dies(verbs, written[-1], another_machine_aborts)
    assert verbs.shop.observe().pointer.live != verbs.live_slot(), "the late call has landed"
    assert not status(verbs.world()).ok
    if mended_by == "prune":
        prune(verbs.world())
    elif mended_by == "a deploy of something else":
        verbs.code["users"] = 3
        verbs.deploy(strategy="all-at-once")
        rollback(verbs.world())
    else:
        assert minutes(verbs) == ["it has ended"]
    assert verbs.live_code()["users"] == 1
    assert verbs.shop.observe().pointer.live == verbs.live_slot()
    assert status(verbs.world()).ok
    ledger = [json.loads(verbs.shop.objects.get(key).body) for key in verbs.shop.objects.list("ledger/")]  # type: ignore[union-attr]
    assert any("somebody without the lease" in str(entry["data"].get("what")) for entry in ledger)
