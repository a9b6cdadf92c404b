"""What the controller's role grants is enough for each kind of rollout, from its first visit to its last."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.role import NotGranted, Role
from unit.operations.test_controller import CONTROLLER, a_shop, minutes, worse
from unit.operations.test_warmth import kept_warm

from penstock.model.workspace import AfterDeploy
from penstock.operations.rollout_store import RolloutStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.model.workspace import Workspace


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    return a_shop(tmp_path / "shop")


def test_a_call_that_the_role_does_not_grant_fails_here_as_it_would_in_the_account(verbs: Verbs) -> None:
    world = Role(verbs).within(verbs.world())
    with pytest.raises(NotGranted, match="s3:PutObject"):
        world.objects.put("artifacts/x.zip", b"")
    with pytest.raises(NotGranted, match="lambda:UpdateAlias"):
        world.functions.set_alias("shop-dev-of-somebody-else", "live", "1")
    with pytest.raises(NotGranted, match=r"no business with functions\.publish"):
        world.functions.publish("shop-dev-users", code_sha256="", revision="", description="")


def without(workspace: Workspace, name: str) -> Workspace:
    return replace(workspace, services=tuple(one for one in workspace.services if one.name != name))


def telling(workspace: Workspace) -> Workspace:
    return replace(workspace, environment=replace(workspace.environment, after=AfterDeploy(notify=("sns:releases",))))


@pytest.mark.parametrize("share", [0.0, 0.2])
@pytest.mark.parametrize(
    "changed",
    [
        lambda workspace: without(workspace, "worker"),
        lambda workspace: kept_warm(workspace, "users", 2),
        lambda workspace: kept_warm(workspace, "orders", None, on=True),
        telling,
    ],
    ids=["a function is dropped", "slots are kept warm", "somebody is called by events", "topics are told"],
)
def test_a_rollout_needs_no_more_than_the_role_grants(
    verbs: Verbs, changed: Callable[[Workspace], Workspace], share: float
) -> None:
    verbs.workspace = changed(verbs.workspace)
    verbs.deploy(confirm=yes, detach=True)
    worse(verbs, share)
    assert minutes(verbs), "who lacks a grant says so"
    ended = RolloutStore(verbs.shop.objects).read()
    assert ended is not None
    assert ended.outcome is not None
    live = ended.release if ended.outcome == "promoted" else ended.stable
    assert verbs.shop.observe().pointer.live_release == live
    assert verbs.shop.schedules.scheduled(CONTROLLER) == {}
