"""What `penstock plan` prints: the walk, who judges on it, and the forecast, for whoever is about to say yes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import TARGETS, Verbs, no
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.cli.run import run
from penstock.cli.settings import Settings
from penstock.cli.verbs import ship
from penstock.model.rollouts import RolloutPolicy
from penstock.operations.deploy import deploy
from penstock.operations.wanted import Deployed, DeployRequest

if TYPE_CHECKING:
    from pathlib import Path

STRICT = RolloutPolicy(strategy="canary", margin=0.05, latency_margin=0.5, deadline=5400.0, delay=5.0, alarms=("slow",))
FORECAST = "forecast: users: at 2,000 requests/min and 10 % a threefold regression is found within 10 min in "


@dataclass
class Opened:
    """What the verbs of the command line reach: an environment over the fakes."""

    verbs: Verbs
    settings: Settings

    def deploy(self, *, services: tuple[str, ...], slot: str | None, **asked: Any) -> Deployed:
        assert not services
        assert slot is None
        request = {key: value for key, value in asked.items() if key != "confirm"}
        world = replace(self.verbs.world(), events=self.settings.events)
        return deploy(world, DeployRequest(**request), TARGETS, no)


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    """An environment whose users have changed, beside an hour of traffic."""
    found = Verbs(root=tmp_path)
    clock = Busy()
    found.shop.clock = clock
    found.workspace = with_rollout(found, STRICT)
    clock.traffic = Traffic(found, per_minute=2000)
    found.deploy()
    found.code["users"] = 2
    clock.sleep(3600.0)
    monkeypatch.setattr(ship, "in_environment", lambda settings: Opened(found, settings))
    return found


def lines(printed: str) -> list[str]:
    return [line.strip() for line in printed.splitlines()]


@pytest.mark.usefixtures("verbs")
@pytest.mark.parametrize("words", [["plan"], ["deploy", "--plan-only"]])
def test_a_plan_ends_with_what_the_judge_will_be_able_to_tell(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "-e", "dev"], Settings()) == 0
    printed = capsys.readouterr().out
    assert lines(printed)[-1].startswith(FORECAST)
    assert "judged by: margin 0.05, latency_margin 0.5, alarms slow, deadline 90m, delay 5s" in lines(printed)


@pytest.mark.usefixtures("verbs")
@pytest.mark.parametrize("words", [["plan"], ["deploy", "--plan-only"]])
def test_the_forecast_is_in_the_json_once(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, "-e", "dev", "--json"], Settings()) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (ready,) = [event for event in events if event["event"] == "plan-ready"]
    assert f"forecast: {ready['plan']['forecast']}".startswith(FORECAST)


@pytest.mark.usefixtures("verbs")
@pytest.mark.parametrize(
    ("strategy", "walk"),
    [("all-at-once", "verify → 100 %"), ("blue-green", "verify → wait for penstock switch → 100 %")],
)
def test_a_plan_shows_a_walk_on_which_nobody_judges_without_a_judge(
    strategy: str, walk: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["deploy", "--plan-only", "--strategy", strategy, "-e", "dev"], Settings()) == 0
    printed = capsys.readouterr().out
    assert f"traffic: {walk}" in lines(printed)
    assert "judged by" not in printed
    assert "deadline" not in printed
    assert "forecast" not in printed


def test_a_plan_names_the_alarms_that_watch_behind_the_move(verbs: Verbs, capsys: pytest.CaptureFixture[str]) -> None:
    verbs.workspace = with_rollout(verbs, replace(STRICT, strategy="all-at-once", bake=600.0))
    assert run(["plan", "-e", "dev"], Settings()) == 0
    watched = "alarms, slow among them, can take it back for 10m after all traffic has moved"
    assert f"traffic: verify → 100 %; {watched}" in lines(capsys.readouterr().out)


def test_the_plan_of_a_first_release_has_its_walk_and_no_forecast(
    verbs: Verbs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = Verbs(root=tmp_path)
    fresh.workspace = verbs.workspace
    verbs.shop = fresh.shop
    assert run(["plan", "-e", "dev"], Settings()) == 0
    printed = capsys.readouterr().out
    assert "traffic: verify → 100 %" in lines(printed)
    assert "forecast" not in printed


def test_where_no_traffic_moves_no_walk_is_shown(verbs: Verbs, capsys: pytest.CaptureFixture[str]) -> None:
    verbs.code["users"] = 1
    assert run(["plan", "-e", "dev"], Settings()) == 0
    printed = capsys.readouterr().out
    assert "Plan " in printed
    assert "traffic:" not in printed
