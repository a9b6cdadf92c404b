"""What becomes of Terraform's JSON lines."""

from __future__ import annotations

from typing import Any

from penstock.adapters.terraform_messages import Progress, failure
from penstock.model.errors import Locked, TerraformFailed, ToolMissing
from penstock.model.events import Note, StepProgress


def hook(kind: str, address: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "hook": {"resource": {"addr": address}, "action": "create", **more}}


def diagnostic(summary: str, detail: str = "", severity: str = "error", **more: Any) -> dict[str, Any]:
    return {"type": "diagnostic", "diagnostic": {"severity": severity, "summary": summary, "detail": detail, **more}}


def test_an_apply_counts_what_is_done_of_what_was_planned() -> None:
    progress = Progress("terraform apply")
    assert progress.event({"type": "planned_change"}) is None
    assert progress.event({"type": "planned_change"}) is None
    assert progress.event(hook("apply_start", "a.b")) == StepProgress(
        step="terraform apply", detail="creating a.b", done=0, total=2
    )
    assert progress.event(hook("apply_complete", "a.b")) == StepProgress(
        step="terraform apply", detail="a.b done", done=1, total=2
    )
    assert progress.event(hook("apply_errored", "a.c")) == StepProgress(
        step="terraform apply", detail="a.c failed", done=2, total=2
    )


def test_a_warning_is_a_note() -> None:
    event = Progress("x").event(diagnostic("Deprecated", severity="warning", address="aws_x.y"))
    assert event == Note(text="Terraform warns: Deprecated (aws_x.y)", level="warning")


def test_lines_of_no_interest_are_no_events() -> None:
    progress = Progress("x")
    assert [progress.event(line) for line in ({"type": "version"}, {"type": "outputs"}, {}, diagnostic("e"))] == [
        None
    ] * 4


def test_several_errors_are_all_told() -> None:
    error = failure(
        [
            diagnostic("One", "because", address="a.b"),
            diagnostic("Two", range={"filename": "m.tf", "start": {"line": 3}}),
        ],
        "",
        root="/r",
        status=1,
    )
    assert isinstance(error, TerraformFailed)
    assert error.what == "One (a.b): because\nTwo (m.tf:3)"


def test_a_lock_of_s3_names_its_holder() -> None:
    detail = (
        "Error message: operation error S3: PutObject, https response error StatusCode: 412\nLock Info:\n"
        "  ID:        8f3c\n  Path:      bucket/terraform/terraform.tfstate\n  Operation: OperationTypeApply\n"
        "  Who:       ann@laptop\n  Version:   1.11.4\n  Created:   2026-01-02 03:04:05.678 +0000 UTC\n  Info: \n\n"
    )
    error = failure([diagnostic("Error acquiring the state lock", detail)], "", root="/r", status=1)
    assert isinstance(error, Locked)
    assert error.what == (
        "Terraform's state is locked by ann@laptop since 2026-01-02 03:04:05 UTC for apply (lock 8f3c)"
    )


def test_a_lock_that_could_not_be_asked_for_is_a_fault_and_not_a_holder() -> None:
    detail = "Error message: operation error S3: PutObject, connection refused"
    error = failure([diagnostic("Error acquiring the state lock", detail)], "", root="/r", status=1)
    assert isinstance(error, TerraformFailed)
    assert error.hint == "penstock local start"


def test_a_provider_that_cannot_be_had_is_a_missing_tool() -> None:
    error = failure([diagnostic("Failed to query available provider packages", "no host")], "", root="/r", status=1)
    assert isinstance(error, ToolMissing)


def test_an_end_without_any_diagnostic_shows_the_last_words() -> None:
    error = failure([], "line\nsignal: killed\n", root="/r", status=-9)
    assert "status -9" in error.what
    assert "signal: killed" in error.what
