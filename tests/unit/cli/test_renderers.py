"""One event stream, three renderers."""

from __future__ import annotations

import io
import json
import time

import pytest

from penstock.cli.output import table
from penstock.cli.render.ndjson import NdjsonSink
from penstock.cli.render.plain import PlainSink
from penstock.cli.render.sink import line, seconds, size
from penstock.cli.render.stopwatch import Stopwatch
from penstock.cli.render.terminal import TerminalSink
from penstock.cli.settings import Settings
from penstock.model import events as e
from penstock.model.errors import BuildsFailed, Failure, Locked, Problem, WorkspaceInvalid, merged

STREAM: tuple[e.Event, ...] = (
    e.Note(text="building for python3.11 at hand", level="warning"),
    e.StepStarted(step="terraform apply"),
    e.StepProgress(step="terraform apply", detail="creating aws_iam_role.x", done=1, total=3),
    e.StepFinished(step="terraform apply", seconds=12.34, detail="3 added"),
    e.StepFinished(step="terraform plan", seconds=0.0, detail="inputs are those of the last apply", skipped=True),
    e.StepFinished(step="verify", seconds=1.0, failed=True),
    e.StepStarted(step="point x:blue to version 7", inner=True),
    e.StepFinished(step="point x:blue to version 7", seconds=0.1, inner=True),
    e.StepFinished(step="upload", seconds=0.1, inner=True, failed=True),
    e.ArtifactReady(unit="user_service", digest="ab" * 32, size=1_234_567, cached=True, seconds=0.1),
    e.VersionPublished(function="shop-dev-user_service", version="7", artifact="ab" * 32, reused=False),
    e.VerificationChecked(check="GET /users/health", ok=False, detail="500", seconds=0.02),
    e.TrafficMoved(environment="dev", slot="green", release="r2", previous="r1", why="deploy"),
    e.NothingToDo(reason="release r2 is live, and nothing changed since"),
    e.Recovered(what="the stage now follows the pointer"),
    e.Outcome(ok=True, summary="done in 3 s"),
)

PLAIN = """\
! building for python3.11 at hand
✓ terraform apply: 3 added (12.3 s)
- terraform plan: inputs are those of the last apply
✗ verify (1.00 s)
✗ upload (0.10 s)
✓ dev: traffic goes to r2 in green (was r1): deploy
nothing to do: release r2 is live, and nothing changed since
! recovered: the stage now follows the pointer
done in 3 s
"""


def test_plain_text_is_a_line_per_event_that_is_no_part_of_another() -> None:
    stream = io.StringIO()
    sink = PlainSink(stream)
    for event in STREAM:
        sink.emit(event)
    sink.close()
    assert stream.getvalue() == PLAIN


def test_plain_text_that_stood_still_for_long_says_what_runs_and_how_far_it_is() -> None:
    stream = io.StringIO()
    sink = PlainSink(stream, patience=0.05)
    sink.emit(e.StepStarted(step="build everything"))
    sink.emit(e.StepFinished(step="build everything", seconds=1))
    sink.emit(e.StepStarted(step="terraform init", inner=True))
    told(stream, "terraform init … ")
    sink.emit(e.StepFinished(step="terraform init", seconds=1, inner=True))
    sink.emit(e.StepStarted(step="terraform apply"))
    sink.emit(e.StepStarted(step="a part of it", inner=True))
    sink.emit(e.StepProgress(step="terraform apply", done=12, total=40))
    told(stream, "s, 12/40\n")
    sink.emit(e.StepFinished(step="terraform apply", seconds=1))
    _, _, after = stream.getvalue().partition("✓ build everything (1.00 s)\n")
    assert "build everything" not in after, "what has ended runs no more"
    assert all(" … " in line for line in after.splitlines()[:-1])
    assert after.endswith("✓ terraform apply (1.00 s)\n")


def test_plain_text_is_silent_where_nothing_runs() -> None:
    stream = io.StringIO()
    sink = PlainSink(stream, patience=0.01)
    sink.emit(e.StepStarted(step="upload"))
    sink.close()
    before = stream.getvalue()
    time.sleep(0.2)
    assert stream.getvalue() == before


def told(stream: io.StringIO, words: str) -> None:
    deadline = time.monotonic() + 30
    while words not in stream.getvalue():
        assert time.monotonic() < deadline, stream.getvalue()
        time.sleep(0.01)


def test_more_talk_shows_what_goes_on() -> None:
    stream = io.StringIO()
    sink = PlainSink(stream, verbosity=1)
    for event in STREAM:
        sink.emit(event)
    assert "terraform apply …" in stream.getvalue()
    assert "terraform apply 1/3: creating aws_iam_role.x" in stream.getvalue()
    for text in (
        "✓ point x:blue to version 7 (0.10 s)",
        "✓ user_service: abababababab, 1.2 MB, cached",
        "✓ shop-dev-user_service: version 7 published",
        "✗ GET /users/health: 500 (0.02 s)",
    ):
        assert text in stream.getvalue().splitlines()


def test_ndjson_is_the_events_as_they_are() -> None:
    stream = io.StringIO()
    sink = NdjsonSink(stream)
    for event in STREAM:
        sink.emit(event)
    assert [json.loads(text) for text in stream.getvalue().splitlines()] == [event.to_json() for event in STREAM]


def test_ndjson_tells_an_error_with_its_exit_code() -> None:
    stream = io.StringIO()
    NdjsonSink(stream).fail(Locked("held by ann", where="dev", hint="wait"))
    assert json.loads(stream.getvalue()) == {
        "event": "error",
        "error": "Locked",
        "what": "held by ann",
        "where": "dev",
        "hint": "wait",
        "exit_code": 4,
    }


def test_ndjson_tells_every_problem_of_a_workspace() -> None:
    stream = io.StringIO()
    NdjsonSink(stream).fail(WorkspaceInvalid((Problem(file="a.toml", line=2, what="no", hint="yes"),)))
    assert json.loads(stream.getvalue())["problems"] == [{"file": "a.toml", "line": 2, "what": "no", "hint": "yes"}]


def test_ndjson_tells_everything_that_did_not_build_and_why() -> None:
    stream = io.StringIO()
    failures = (Failure(names=("a", "b"), what="no", where="uv.lock"), Failure(names=("c",), what="neither"))
    NdjsonSink(stream).fail(BuildsFailed(failures, total=4))
    told = json.loads(stream.getvalue())
    assert told["what"] == "3 of 4 did not build"
    assert told["failures"] == [
        {"names": ["a", "b"], "what": "no", "where": "uv.lock", "hint": ""},
        {"names": ["c"], "what": "neither", "where": "", "hint": ""},
    ]


def test_a_reason_that_stopped_many_stands_once_with_what_most_is_said_of_it() -> None:
    at = {"what": "no syntax", "where": "packages/a/x.py:1"}
    package, service = Failure(names=("a",), **at), Failure(names=("s",), **at, hint="read by 3.12")
    other = Failure(names=("t",), what="no syntax", where="services/t/x.py:1")
    assert merged((package, service, other)) == (
        Failure(names=("a", "s"), **at, hint="read by 3.12"),
        other,
    )


def test_a_step_that_one_program_is_counts_once() -> None:
    stopwatch = Stopwatch(PlainSink(io.StringIO()))
    stopwatch.emit(e.StepStarted(step="pnpm run build"))
    stopwatch.emit(e.StepStarted(step="pnpm run build", inner=True))
    stopwatch.emit(e.StepFinished(step="pnpm run build", seconds=2.0, inner=True))
    stopwatch.emit(e.StepFinished(step="pnpm run build", seconds=2.1))
    stopwatch.emit(e.StepFinished(step="uv export", seconds=1.0, inner=True))
    assert [(one.step, one.times, one.seconds) for one in stopwatch.slowest(5)] == [
        ("pnpm run build", 1, 2.1),
        ("uv export", 1, 1.0),
    ]


def test_a_table_that_is_too_wide_does_without_what_can_be_spared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    rows = [{"unit": "notification_service", "digest": "0123456789ab", "time": "1.0 s"}]
    for columns, is_spared in (("80", False), ("38", True)):
        monkeypatch.setenv("COLUMNS", columns)
        table(Settings(), rows, columns=list(rows[0]), kind="artifact", spare=("digest",))
        shown = capsys.readouterr().out
        assert ("0123456789ab" not in shown) is is_spared
        assert "notification_service" in shown


def test_the_terminal_keeps_every_finished_line_and_leaves_no_spinner() -> None:
    stream = io.StringIO()
    sink = TerminalSink(stream, color=False)
    for event in STREAM:
        sink.emit(event)
    sink.close()
    shown = stream.getvalue()
    for text in PLAIN.splitlines():
        assert text in shown
    assert "terraform apply …" not in shown


def test_a_long_detail_leaves_the_step_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a screen that can be drawn on
    stream = io.StringIO()
    sink = TerminalSink(stream, color=False)
    sink.emit(e.StepStarted(step="terraform apply"))
    sink.emit(e.StepProgress(step="terraform apply", detail="creating " + "x" * 100))
    sink.close()
    frames = [frame for frame in stream.getvalue().split("\r") if "creating xxx" in frame]
    assert frames
    assert [frame for frame in frames if "terraform apply" not in frame] == []


def test_text_that_looks_like_markup_is_shown_as_it_is() -> None:
    stream = io.StringIO()
    sink = TerminalSink(stream, color=False)
    sink.emit(e.Note(text="module.user_service[0] [bold]not bold[/bold]"))
    assert stream.getvalue() == "module.user_service[0] [bold]not bold[/bold]\n"


@pytest.mark.parametrize("event", STREAM, ids=lambda event: event.name)
def test_no_event_is_more_than_one_line(event: e.Event) -> None:
    assert "\n" not in (line(event) or "")


@pytest.mark.parametrize(
    ("value", "text"), [(0.004, "0.00 s"), (9.99, "9.99 s"), (12.34, "12.3 s"), (65.0, "1 min 5 s")]
)
def test_durations_have_the_digits_that_matter(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (41_303_040, "41.3 MB"), (5 * 10**9, "5.0 GB")]
)
def test_sizes_are_for_people(value: int, text: str) -> None:
    assert size(value) == text
