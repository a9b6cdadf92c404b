"""What `penstock local` tells of the embedded AWS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.cli.settings import Settings
from penstock.cli.verbs.local import show
from penstock.ports import LocalStatus
from penstock.testing import FakeInterpreters

if TYPE_CHECKING:
    import pytest


def test_an_interpreter_that_stands_in_for_another_version_is_called_that(capsys: pytest.CaptureFixture[str]) -> None:
    at_hand = FakeInterpreters(["python3.13"])
    found = LocalStatus(
        url="http://127.0.0.1:4747",
        pid=7,
        state=Path("/shop/.penstock/local"),
        interpreters={"python3.13": "/fake/bin/python3.13", "python3.14": "/fake/bin/python3.13"},
    )
    show(Settings(), found, at_hand)
    told = capsys.readouterr().err.splitlines()
    assert "  python3.13: /fake/bin/python3.13" in told
    assert "  python3.14: /fake/bin/python3.13   (stands in for it: python3.13 is the nearest at hand)" in told


def test_a_clock_that_is_not_aws_is_never_silent(capsys: pytest.CaptureFixture[str]) -> None:
    found = LocalStatus(
        url="http://127.0.0.1:4747", pid=7, state=Path("/shop/.penstock/local"), time_scale=60.0, metrics_delay=90.0
    )
    show(Settings(), found, FakeInterpreters([]))
    told = capsys.readouterr().err
    assert "CloudWatch's clock runs 60 times as fast as yours" in told
    assert "CloudWatch's metrics appear after 90 s" in told
