"""Which variables of the user's reach a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.adapters.commands import RealCommands
from penstock.build.node import named_variables, script_command
from penstock.ports import Command


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEPT_ONE", "KEPT_TWO", "API_URL"):
        monkeypatch.setenv(name, "mine")


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize(
    ("inherits", "seen"),
    [
        (None, {"KEPT_ONE", "KEPT_TWO", "API_URL"}),
        (("PATH", "KEPT_*"), {"KEPT_ONE", "KEPT_TWO"}),
        ((), set()),
    ],
)
def test_a_program_sees_the_variables_that_it_inherits_and_those_it_is_given(
    inherits: tuple[str, ...] | None, seen: set[str]
) -> None:
    result = RealCommands().run(Command(argv=("/usr/bin/env",), env={"GIVEN": "1"}, inherits=inherits))
    known = {line.partition("=")[0] for line in result.stdout.splitlines()}
    assert known & {"KEPT_ONE", "KEPT_TWO", "API_URL"} == seen
    assert "GIVEN" in known


@pytest.mark.usefixtures("environ")
def test_a_build_script_sees_what_programs_need_and_what_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "https://registry.example")
    command = script_command(("/usr/bin/env",), Path("/"), {}, {"API_URL"})
    told = RealCommands().run(Command(argv=("/usr/bin/env",), env=command.env, inherits=command.inherits)).stdout
    known = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    assert {"PATH", "API_URL", "npm_config_registry"} <= known.keys()
    assert "KEPT_ONE" not in known
    assert (known["LC_ALL"], known["TZ"], known["CI"]) == ("C.UTF-8", "UTC", "1")


def test_variables_that_a_package_managers_settings_ask_for_are_found() -> None:
    text = "//registry.example/:_authToken=${NPM_TOKEN}\nnpmAuthToken: '${OTHER-none}'\nplain=$NOT_ONE\n"
    assert named_variables(text) == {"NPM_TOKEN", "OTHER"}
