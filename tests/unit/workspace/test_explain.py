"""`explain` says what `load` says, and where it came from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.workspace_files import read_source
from penstock.model.errors import UsageError
from penstock.workspace.explain import Explanation, explain
from penstock.workspace.load import environments, load
from penstock.workspace.resolve import env_value
from penstock.workspace.source import Source

CASES = Path(__file__).parents[2] / "cases" / "workspace"
RIGHT = sorted(path.parent.name for path in CASES.glob("*/expected.json"))
PLACES = (
    ("penstock.toml", "defaults"),
    ("penstock.toml", "environments.prod.defaults"),
    ("penstock.toml", "environments.eu.defaults"),
    ("s/a/service.toml", ""),
    ("s/a/service.toml", "environments.prod"),
    ("s/a/service.toml", "environments.eu"),
    ("s/a/service.toml", "functions.f"),
    ("s/a/service.toml", "environments.prod.functions.f"),
    ("s/a/service.toml", "environments.eu.functions.f"),
)
"""Where a setting of function `f` can stand, weakest first, for an environment `eu` that extends `prod`."""

LEAVES = ("architecture", "ephemeral", "handler", "log_retention", "memory", "runtime", "timeout", "tracing", "verify")


def design(key: str, environment: str) -> Explanation:
    return explain(read_source(CASES / "design_examples"), key, environment)


def places(explanation: Explanation) -> list[tuple[str, Any, bool]]:
    return [(origin.where, origin.value, origin.shadowed) for origin in explanation.origins]


def test_a_value_comes_with_every_place_that_gives_it_strongest_first() -> None:
    assert places(design("user_service.memory", "production")) == [
        ("penstock.toml:38", 512, False),
        ("penstock.toml:12", 256, True),
        ("Penstock's default", 256, True),
    ]


def test_a_function_of_several_can_be_named_in_three_ways() -> None:
    expected = [("services/mail_service/service.toml:7", 60, False), ("penstock.toml:13", 10, True)]
    for key in ("mail_service.worker.timeout", "mail_service-worker.timeout", "mail_service.functions.worker.timeout"):
        assert places(design(key, "dev"))[:2] == expected


def test_a_table_is_put_together_from_places_that_do_not_shadow_each_other() -> None:
    explanation = design("mail_service.worker.env", "dev")
    assert explanation.value == {
        "LOG_LEVEL": "INFO",
        "SEARCH_URL": {"terraform": "aws_opensearch_domain.search.endpoint"},
    }
    assert [shadowed for _, _, shadowed in places(explanation)] == [False, False, False]


def test_what_an_environment_extends_is_shown_where_it_is_written() -> None:
    assert places(design("environment.rollout.bake", "production-us")) == [("penstock.toml:42", "5m", False)]
    assert places(design("environment.region", "staging")) == [("Penstock's default", "eu-west-1", False)]
    assert places(design("environment.region", "production-us"))[0] == ("penstock.toml:52", "us-east-1", False)


def test_resources_and_the_workspace_itself_can_be_asked_for() -> None:
    assert places(design("tables.users.stream", "dev")) == [
        ("services/user_service/service.toml:9", "new-and-old-images", False)
    ]
    assert design("workspace.name", "dev").value == "shop"
    assert places(design("user_service.uses.secrets", "dev"))[0][:2] == (
        "services/user_service/service.toml:12",
        ["stripe_key"],
    )


def test_a_key_that_nothing_gives_a_value_is_refused_with_the_closest_one() -> None:
    with pytest.raises(UsageError) as caught:
        design("user_service.memry", "dev")
    assert caught.value.hint == 'did you mean "user_service.memory"?'
    with pytest.raises(UsageError, match="no environment 'prod'"):
        design("user_service.memory", "prod")


@given(st.dictionaries(st.sampled_from(PLACES), st.integers(1, 900)))
def test_wherever_a_setting_stands_the_strongest_place_decides_and_all_are_told_in_order(
    given_at: dict[tuple[str, str], int],
) -> None:
    texts = {
        "penstock.toml": 'workspace = { name = "w", services = ["s/*"] }\n',
        "s/a/service.toml": "",
    }
    for file, table in PLACES:  # top-level keys have to stand before the first table
        if not table and (file, table) in given_at:
            texts[file] += f"timeout = {given_at[file, table]}\n"
    texts["penstock.toml"] += '[environments.prod]\nendpoint = "local"\naccount = "111111111111"\n'
    texts["penstock.toml"] += '[environments.eu]\nextends = "prod"\n'
    texts["s/a/service.toml"] += '[functions.f]\nhandler = "a.handler"\n'
    for file, table in sorted(PLACES, key=lambda place: place[1] != "functions.f"):  # its header stands already
        if table and (file, table) in given_at:
            header = "" if table == "functions.f" else f"[{table}]\n"
            texts[file] += f"{header}timeout = {given_at[file, table]}\n"
    source = Source(root_name="w", files=dict(texts), listing=frozenset((*texts, "s/a/a.py")))
    strongest_first = [place for place in reversed(PLACES) if place in given_at]
    explanation = explain(source, "a.f.timeout", "eu")
    assert [(one.file, one.table, one.value) for one in explanation.origins] == [
        *((file, table, given_at[file, table]) for file, table in strongest_first),
        ("", "", 10),
    ]
    assert load(source, "eu").functions[0].timeout == explanation.value == explanation.origins[0].value
    assert [one.shadowed for one in explanation.origins] == [False] + [True] * len(strongest_first)
    for one in explanation.origins[:-1]:
        assert one.line is not None
        assert texts[one.file].split("\n")[one.line - 1].endswith(f"timeout = {one.value}")


@pytest.mark.parametrize("name", RIGHT)
def test_for_every_leaf_the_explained_value_is_the_loaded_one(name: str) -> None:
    source = read_source(CASES / name)
    for environment in environments(source):
        for function in load(source, environment).functions:
            prefix = function.key
            for leaf in LEAVES:
                value = getattr(function, leaf)
                if value is not None:
                    assert explain(source, f"{prefix}.{leaf}", environment).value == value
            for variable, value in function.env.items():
                assert env_value(explain(source, f"{prefix}.env.{variable}", environment).value) == value
            for side in dataclasses.fields(function.concurrency):
                if (value := getattr(function.concurrency, side.name)) is not None:
                    assert explain(source, f"{prefix}.concurrency.{side.name}", environment).value == value
            assert tuple(explain(source, f"{prefix}.layers", environment).value) == function.layers
