"""Schema and reference come from the types that validate."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from penstock.workspace.reference import reference
from penstock.workspace.schema import json_schema

ROOT = Path(__file__).parents[3]


def test_the_reference_in_the_repository_is_current() -> None:
    assert (ROOT / "docs" / "reference" / "configuration.md").read_text() == reference()


@pytest.mark.parametrize("file", ["penstock.toml", "service.toml"])
def test_each_file_has_a_json_schema_of_draft_2020_12_that_forbids_unknown_keys(file: str) -> None:
    schema = json_schema()[file]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for name, one in {"": schema, **schema["$defs"]}.items():
        assert one["additionalProperties"] is False, name


@pytest.mark.parametrize("file", ["penstock.toml", "service.toml"])
def test_every_key_of_the_schema_is_described(file: str) -> None:
    schema = json_schema()[file]
    for one in (schema, *schema["$defs"].values()):
        for key, value in one["properties"].items():
            target: dict[str, Any] = schema["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
            assert value.get("description") or target.get("description"), key


def test_every_key_of_the_design_s_examples_is_in_the_reference() -> None:
    text = reference()
    case = ROOT / "tests" / "cases" / "workspace" / "design_examples"
    for file in (case / "penstock.toml", *case.glob("services/*/service.toml")):
        for key in tomllib.loads(file.read_text()):
            assert f"| `{key}` |" in text
