"""A driver that stands still past its lease while somebody else takes over, and wakes up at any point: it does no more
than the call that it had begun, and whoever comes next puts that right."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import TARGETS, no
from unit.operations.test_killed_rollouts import is_settled, shop

from penstock.model.errors import PenstockError
from penstock.operations.abort import abort
from penstock.operations.audit import audit
from penstock.operations.deploy import deploy
from penstock.operations.wanted import DeployRequest
from penstock.release.lease import CALL_TIMEOUT, MARGIN, TTL
from penstock.testing import FakeClock, Fault, Faults

if TYPE_CHECKING:
    from pathlib import Path

    from unit.operations.harness import Verbs

LONG = TTL + CALL_TIMEOUT + MARGIN + 1
TRAFFIC = {"Functions", "Gateway"}


def ship(verbs: Verbs, faults: Faults) -> None:
    deploy(faults.wrap_fields(verbs.world()), DeployRequest(), TARGETS, no)


def test_a_driver_that_wakes_up_past_its_lease_does_no_more_than_the_call_it_had_begun(tmp_path: Path) -> None:
    verbs, recorded = shop(tmp_path / "recorded"), Faults()
    ship(verbs, recorded)
    for point in recorded.points()[1:]:  # before the first effect it holds no lease, and may wait and take it
        verbs = shop(tmp_path / "paused")
        driver, before = paused(verbs, point)
        if before is None:
            continue  # refused, so that there was no "after"
        where = f"paused at {point}: {driver.calls[before - 1]}"
        late = [call for call in driver.calls[before:] if call.effect is not None and call.port in TRAFFIC]
        assert late == [], where
        abort(verbs.world())
        assert is_settled(verbs), where
        assert audit(verbs.world()).breaks == ()


def paused(verbs: Verbs, point: Fault) -> tuple[Faults, int | None]:
    """The driver that was paused there, and how many calls it had made before; None when it never came there."""
    woken: list[int] = []

    def taken_over() -> None:
        FakeClock.sleep(verbs.shop.clock, LONG)
        abort(replace(verbs.world(), host="another machine"), why="the driver is gone")
        woken.append(len(driver.calls))

    driver = Faults(point, meanwhile=taken_over)
    with suppress(PenstockError):
        ship(verbs, driver)
    return driver, next(iter(woken), None)


def test_the_one_who_was_paused_is_told_who_has_it_now(tmp_path: Path) -> None:
    verbs = shop(tmp_path)
    recorded = Faults()
    ship(verbs, recorded)
    (first, *_) = [call.effect for call in recorded.effects() if call.method == "set_canary"]
    assert first is not None
    point = next(one for one in recorded.points() if one.effect == first and one.when == "after")
    verbs = shop(tmp_path / "paused")

    def taken_over() -> None:
        FakeClock.sleep(verbs.shop.clock, LONG)
        abort(replace(verbs.world(), host="another machine"), why="the driver is gone")

    with pytest.raises(PenstockError) as told:
        ship(verbs, Faults(point, meanwhile=taken_over))
    assert told.value.exit_code == 4, told.value
