"""`penstock unlock` and the lock that Terraform itself left on the state."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import Verbs

from penstock.model.errors import Locked
from penstock.model.ledger import machine
from penstock.operations.state_lock import LOCK_KEY, free_state_lock
from penstock.testing import FakeTerraform

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.operations.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    verbs = Verbs(tmp_path)
    verbs.deploy()
    return replace(verbs.world(), host=machine("here", "one boot"))


def lock(world: World, who: str) -> None:
    """As Terraform writes it with `use_lockfile`."""
    body = {
        "ID": "8f3c",
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": who,
        "Version": "1.11.4",
        "Created": "2026-01-02T03:04:05.678Z",
        "Path": "bucket/terraform/terraform.tfstate",
    }
    world.objects.put(LOCK_KEY, json.dumps(body).encode())


def test_without_a_lock_nothing_is_done(world: World) -> None:
    assert free_state_lock(world) is None


def test_a_lock_of_this_machine_whose_terraform_is_gone_is_freed(world: World) -> None:
    lock(world, "ann@here")
    told = free_state_lock(world)
    assert told == "freed: Terraform's state is locked by ann@here since 2026-01-02T03:04:05 for apply"
    assert not world.objects.has(LOCK_KEY)


def test_a_lock_whose_terraform_is_at_work_stays_even_when_forced(world: World) -> None:
    lock(world, "ann@here")
    terraform = FakeTerraform()
    terraform.processes = {world.infra: (4711,)}
    with pytest.raises(Locked, match="process 4711"):
        free_state_lock(replace(world, terraform=terraform), force=True)
    assert world.objects.has(LOCK_KEY)


def test_a_lock_of_another_machine_goes_only_when_forced(world: World) -> None:
    lock(world, "ann@laptop")
    with pytest.raises(Locked, match="cannot be seen from here") as caught:
        free_state_lock(world)
    assert "--force" in caught.value.hint
    assert free_state_lock(world, force=True) is not None
    assert not world.objects.has(LOCK_KEY)


def test_a_lock_that_nobody_can_read_goes_only_when_forced(world: World) -> None:
    world.objects.put(LOCK_KEY, b"not json")
    with pytest.raises(Locked, match="left no name"):
        free_state_lock(world)
    assert free_state_lock(world, force=True) is not None
