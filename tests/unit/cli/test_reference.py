"""docs/reference/cli.md is what the commands say."""

from __future__ import annotations

from pathlib import Path

from penstock.cli.catalogue import listed
from penstock.cli.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "python -m penstock.cli.reference > docs/reference/cli.md"


def test_every_verb_and_every_exit_code_is_on_it() -> None:
    page = reference()
    for name in listed():
        assert f"### `penstock {name}`" in page
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 130):
        assert f"\n| {code} | " in page
