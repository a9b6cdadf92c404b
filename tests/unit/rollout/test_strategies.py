"""Strategies are data, and the same data wherever they are named."""

from __future__ import annotations

import click
import pytest

from penstock.cli.verbs.ship import deploy
from penstock.model.rollouts import RolloutPolicy
from penstock.rollout.strategies import (
    STRATEGIES,
    Bake,
    SetWeight,
    Verify,
    describe,
    duration,
    step_from_json,
    step_to_json,
)


def test_the_command_line_offers_every_strategy() -> None:
    (option,) = [one for one in deploy.params if one.name == "strategy"]
    assert isinstance(option.type, click.Choice)
    assert set(STRATEGIES) == set(option.type.choices)


def test_a_canary_bakes_at_each_weight_and_is_judged_below_all() -> None:
    policy = RolloutPolicy(strategy="canary", weights=(5, 50), bake=60.0)
    assert STRATEGIES["canary"](policy) == (
        Verify(),
        SetWeight(5),
        Bake(60.0),
        SetWeight(50),
        Bake(60.0),
        SetWeight(100),
    )


def test_linear_steps_end_below_all() -> None:
    steps = STRATEGIES["linear"](RolloutPolicy(strategy="linear", by=40, every=30.0))
    assert [step.percent for step in steps if isinstance(step, SetWeight)] == [40, 80, 100]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_step_survives_json(name: str) -> None:
    for step in STRATEGIES[name](RolloutPolicy()):
        assert step_from_json(step_to_json(step)) == step
        assert describe(step)


@pytest.mark.parametrize(("seconds", "text"), [(90, "90s"), (300, "5m"), (7200, "2h"), (0.5, "0.5s")])
def test_durations_read_as_in_the_configuration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
