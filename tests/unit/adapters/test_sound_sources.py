"""Which sources are known to have passed the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.adapters.sound_sources import SoundSources
from penstock.workspace.source import Source

if TYPE_CHECKING:
    from pathlib import Path


def source(text: str) -> Source:
    return Source(root_name="demo", files={"penstock.toml": text}, listing=frozenset({"penstock.toml"}))


def test_a_source_is_known_once_it_was_remembered_and_until_it_changes(tmp_path: Path) -> None:
    known = SoundSources(tmp_path / "cache" / "sound")
    assert not known.knows(source("a = 1"))
    known.remember(source("a = 1"))
    assert known.knows(source("a = 1"))
    assert not known.knows(source("a = 2"))


def test_a_memory_of_another_version_of_the_checks_counts_for_nothing(tmp_path: Path) -> None:
    known = SoundSources(tmp_path / "sound")
    known.remember(source("a = 1"))
    digest, _ = (tmp_path / "sound").read_text().split()
    (tmp_path / "sound").write_text(f"{digest} {'0' * 64}\n")
    assert not known.knows(source("a = 1"))


def test_a_folder_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    known = SoundSources(tmp_path / "file" / "sound")
    known.remember(source("a = 1"))
    assert not known.knows(source("a = 1"))
