"""Topics learn what became of a release, and traffic does not depend on whether they can be told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.errors import CameBack
from penstock.model.events import Note
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import AfterDeploy, Topic
from penstock.operations.switch import rollback
from penstock.ports import HttpAnswer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.notices.configure("shop-dev-releases")
    environment = replace(found.workspace.environment, after=AfterDeploy(notify=("sns:releases",)))
    topics = (Topic(name="releases", physical="shop-dev-releases", owner=""),)
    found.workspace = replace(found.workspace, environment=environment, topics=topics)
    return found


def kinds(verbs: Verbs) -> list[str]:
    return [json.loads(message)["kind"] for _, message in verbs.shop.notices.told("shop-dev-releases")]


def test_a_release_that_goes_live_and_one_that_is_live_again_are_told_once(verbs: Verbs) -> None:
    first = verbs.deploy().release
    verbs.deploy()
    verbs.code["users"] = 2
    second = verbs.deploy().release
    rollback(verbs.world())
    assert kinds(verbs) == ["live", "live", "rolled-back"]
    subject, message = verbs.shop.notices.told("shop-dev-releases")[1]
    assert subject == f"shop dev: release {second} is live"
    assert json.loads(message)["previous"] == first


def test_a_release_that_came_back_is_told_with_the_reason(verbs: Verbs) -> None:
    verbs.deploy()
    live = verbs.live_slot()
    verbs.code["users"] = 2
    well = HttpAnswer(status=200, body="", headers={}, seconds=0.01)
    verbs.answers(lambda stage, slot: replace(well, status=502) if stage == "live" and slot != live else well)
    with pytest.raises(CameBack):
        verbs.deploy()
    assert kinds(verbs) == ["live", "came-back"]


def test_a_canary_that_failed_is_told_in_the_judges_words(verbs: Verbs) -> None:
    clock = Busy()
    verbs.shop.clock = clock
    verbs.deploy()
    verbs.workspace = with_rollout(verbs, RolloutPolicy(strategy="canary", weights=(10,), bake=120.0))
    clock.traffic = Traffic(verbs, bad={"users": 0.2})
    verbs.code["users"] = 2
    with pytest.raises(CameBack):
        verbs.deploy(confirm=yes)
    assert kinds(verbs) == ["live", "came-back"]
    assert "users" in verbs.shop.notices.told("shop-dev-releases")[-1][0]


def test_a_topic_that_is_not_there_is_named_and_stops_nothing(verbs: Verbs) -> None:
    verbs.workspace = replace(verbs.workspace, topics=())
    assert verbs.deploy().live
    assert any("topic releases was not told" in event.text for event in verbs.shop.events.of(Note))
