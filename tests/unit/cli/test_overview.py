"""`penstock --help`: what it lists, and how fast."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from penstock.cli.catalogue import GROUPS, HABITS, listed, overview
from penstock.cli.group import penstock

PENSTOCK = str(Path(sys.executable).with_name("penstock"))


def commands() -> dict[str, click.Command]:
    context = click.Context(penstock)
    found = {name: penstock.get_command(context, name) for name in penstock.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_help_is_the_overview_and_exits_with_0() -> None:
    for arguments in (["--help"], ["-h"], []):
        done = subprocess.run([PENSTOCK, *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == overview() + "\n"


def test_help_of_a_verb_is_had_in_both_ways() -> None:
    ways = (["deploy", "--help"], ["help", "deploy"], ["local", "start", "-h"], ["help", "local", "start"])
    told = [subprocess.run([PENSTOCK, *way], capture_output=True, text=True, check=True).stdout for way in ways]
    assert told[0] == told[1]
    assert "--auto-approve" in told[0]
    assert "penstock deploy -e dev" in told[0]
    assert told[2] == told[3]


def test_help_loads_neither_click_nor_rich_nor_boto3() -> None:
    asked = "import sys; from penstock.cli.main import main; sys.argv = ['x', '--help']; main(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert "penstock.cli.catalogue" in modules
    assert not {"click", "rich", "boto3", "pydantic", "dataclasses"} & modules


def test_every_verb_of_the_overview_has_the_command_that_it_promises() -> None:
    found = commands()
    assert list(found) == list(listed())
    for name, command in found.items():
        assert command.name == name
        assert command.help, name
        summary = command.help.splitlines()[0].rstrip(".")
        assert summary == listed()[name].summary, name


def test_every_verb_has_an_example_that_parses() -> None:
    for name, command in commands().items():
        example = listed()[name].example.removeprefix('eval "$(penstock ').removesuffix(')"')
        words = example.split()
        assert words[0] == name
        if isinstance(command, click.Group):
            command.commands[words[1]].make_context(name, words[2:]).close()
        else:
            command.make_context(name, words[1:]).close()


def test_groups_have_titles_and_are_not_empty() -> None:
    assert all(title and verbs for title, verbs in GROUPS)


def test_the_overview_is_no_wider_than_a_wide_terminal() -> None:
    assert max(map(len, overview().splitlines())) <= 120


@pytest.mark.parametrize("habit", sorted(HABITS))
def test_a_habit_is_never_the_name_of_a_verb(habit: str) -> None:
    assert habit not in listed()


def test_the_version_is_printed_without_a_workspace(tmp_path: Path) -> None:
    done = subprocess.run([PENSTOCK, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("penstock 0.")


def test_help_into_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([PENSTOCK, "--help"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.stderr == ""
