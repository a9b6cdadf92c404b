"""How a command line ends: exit codes, and what is said on which stream."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from workers import WORKER

from penstock.cli.errors import as_penstock_error, error_text
from penstock.cli.run import run
from penstock.cli.settings import Settings
from penstock.model.errors import Locked, PenstockError, Problem, WorkspaceInvalid

PENSTOCK = str(Path(sys.executable).with_name("penstock"))
WORKSPACE = """
[workspace]
name = "demo"
[environments.dev]
endpoint = "local"
account = "111111111111"
region = "eu-west-1"
[environments.live]
account = "222222222222"
region = "eu-west-1"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "penstock.toml").write_text(WORKSPACE)
    return tmp_path


def settings(**environ: str) -> Settings:
    return Settings(environ=environ)


def test_an_unknown_verb_is_a_usage_error_that_names_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["valdate"], settings()) == 2
    assert capsys.readouterr().err == "error: there is no verb 'valdate'\n  → did you mean: penstock validate\n"


def test_a_habit_from_another_tool_is_answered_with_our_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint"], settings()) == 2
    assert "did you mean: penstock validate" in capsys.readouterr().err


def test_an_unknown_verb_of_a_group_names_the_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["local", "strat"], settings()) == 2
    assert "did you mean: penstock local start" in capsys.readouterr().err


def test_an_unknown_option_is_a_usage_error_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "--nope"], settings()) == 2
    told = capsys.readouterr().err
    assert "--nope" in told
    assert "penstock validate --help" in told
    assert "Traceback" not in told


def test_no_workspace_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["validate"], settings()) == 2
    told = capsys.readouterr().err
    assert str(tmp_path) in told
    assert "--workspace" in told


def test_json_ends_with_the_error_as_an_event(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "--json", "--workspace", str(tmp_path)], settings()) == 2
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["event"] == "error"
    assert last["exit_code"] == 2
    assert last["where"] == str(tmp_path)


def test_all_problems_of_a_workspace_are_told_one_by_one(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (workspace / "penstock.toml").open("a") as file:
        file.write('[environments.bad]\nacount = "1"\nregion = 5\n')
    assert run(["validate", "--workspace", str(workspace)], settings()) == 2
    told = capsys.readouterr().err
    assert "acount" in told
    assert "region" in told
    assert "problems in the workspace" in told


@pytest.mark.parametrize("position", ["before", "after"])
def test_global_flags_stand_before_or_after_the_verb(
    workspace: Path, capsys: pytest.CaptureFixture[str], position: str
) -> None:
    flags = ["--json", "--workspace", str(workspace)]
    arguments = [*flags, "validate"] if position == "before" else ["validate", *flags]
    run(arguments, settings())
    for line in capsys.readouterr().out.splitlines():
        json.loads(line)


def test_without_an_environment_those_there_are_are_named(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["env", "--workspace", str(workspace)], settings()) == 2
    assert "add -e dev|live" in capsys.readouterr().err


def test_an_error_says_what_where_and_the_next_command() -> None:
    error = Locked("the lease is held by ann", where="dev", hint="wait")
    assert error_text(error) == "error: the lease is held by ann\n  at dev\n  → wait"


def test_problems_are_one_line_each_with_their_place() -> None:
    problems = (Problem(file="penstock.toml", line=3, what="no such key"), Problem(file="a/service.toml", what="bad"))
    assert error_text(WorkspaceInvalid(problems)).splitlines() == [
        "penstock.toml:3: no such key",
        "a/service.toml: bad",
        "2 problems in the workspace",
    ]


def test_a_full_disk_is_said_in_words() -> None:
    error = as_penstock_error(OSError(errno.ENOSPC, "No space left on device", "/x/y"))
    assert (error.what, error.where, error.hint) == ("No space left on device", "/x/y", "make room")
    assert error.exit_code == 1


def test_ctrl_c_is_130() -> None:
    assert as_penstock_error(KeyboardInterrupt()).exit_code == 130
    assert as_penstock_error(click.Abort()).exit_code == 130


def test_a_fault_of_our_own_asks_for_vv_and_keeps_the_traceback_to_itself() -> None:
    error = as_penstock_error(ZeroDivisionError("division by zero"))
    assert isinstance(error, PenstockError)
    assert error.exit_code == 1
    assert "-vv" in error.hint


@pytest.mark.parametrize(("flags", "shown"), [([], False), (["-v"], False), (["-vv"], True), (["-v", "-v"], True)])
def test_a_traceback_is_shown_from_vv_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], *, shown: bool
) -> None:
    run(["validate", "--workspace", str(tmp_path), *flags], settings())
    assert ("Traceback" in capsys.readouterr().err) is shown


def test_a_reader_that_goes_away_is_not_an_error_to_talk_about() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [PENSTOCK, "completion", "bash"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_ends_with_130_and_one_line(workspace: Path, number: signal.Signals) -> None:
    log = workspace / ".penstock" / "local.log"
    log.parent.mkdir()
    log.write_text("first\n")
    process = subprocess.Popen(
        [PENSTOCK, "local", "logs", "--follow", "--workspace", str(workspace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PENSTOCK_LOCAL_PORT": str(5050 + WORKER)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "first\n"
    with log.open("a") as file:
        file.write("second\n")
    assert process.stdout.readline() == "second\n"
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.splitlines()[0] == "error: interrupted"
    assert "Traceback" not in told
