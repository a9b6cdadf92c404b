"""The build cache stays within its bounds, and what is in use stays in the cache."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from penstock.adapters.builder_room import IN_USE, make_room, room

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0
DAY = 86_400.0


def keep(folder: Path, name: str, size: int, age: float, kind: str = "artifact") -> None:
    record = folder / "index" / kind / f"{name}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    (folder / "zips").mkdir(exist_ok=True)
    archive = folder / "zips" / f"{name}.zip"
    archive.write_bytes(bytes(size))
    record.write_text(json.dumps({"digest": name, "size": size, "unzipped": size}))
    for path in (record, archive):
        os.utime(path, (NOW - age, NOW - age))


def left(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "zips").glob("*.zip")}


def test_what_was_used_least_recently_goes_until_the_rest_fits(tmp_path: Path) -> None:
    for name, age in (("old", 3 * DAY), ("older", 4 * DAY), ("young", 2 * DAY)):
        keep(tmp_path, name, 100, age)
    assert make_room(tmp_path, NOW, limit=250) == (1, 100)
    assert left(tmp_path) == {"old", "young"}
    assert {path.stem for path in (tmp_path / "index/artifact").glob("*")} == {"old", "young"}
    assert make_room(tmp_path, NOW, limit=250) == (0, 0)


def test_what_another_build_may_be_about_to_read_stays_whatever_the_limit(tmp_path: Path) -> None:
    keep(tmp_path, "used", 100, IN_USE / 2)
    keep(tmp_path, "unused", 100, 2 * IN_USE)
    make_room(tmp_path, NOW, limit=0)
    assert left(tmp_path) == {"used"}


def test_a_zip_that_no_record_speaks_of_goes_when_it_is_no_longer_new(tmp_path: Path) -> None:
    keep(tmp_path, "orphan", 100, 2 * DAY)
    (tmp_path / "index/artifact/orphan.json").unlink()
    keep(tmp_path, "newborn", 100, 1)
    (tmp_path / "index/artifact/newborn.json").unlink()
    assert make_room(tmp_path, NOW) == (1, 100)
    assert left(tmp_path) == {"newborn"}


def test_what_killed_builds_left_behind_goes_after_a_day(tmp_path: Path) -> None:
    for name, age in (("stale", 2 * DAY), ("fresh", 60.0)):
        (tmp_path / "tmp" / name).mkdir(parents=True)
        os.utime(tmp_path / "tmp" / name, (NOW - age, NOW - age))
    make_room(tmp_path, NOW)
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["fresh"]


def test_a_record_that_is_no_record_is_passed_over(tmp_path: Path) -> None:
    keep(tmp_path, "a", 10, 2 * DAY)
    (tmp_path / "index/artifact/torn.json").write_text('{"dig')
    keep(tmp_path, "b", 20, 2 * DAY, kind="wheel")
    found = room(tmp_path)
    assert (found.artifacts, found.parts, found.size) == (1, 1, 30)
    assert make_room(tmp_path, NOW, limit=0) == (2, 30)
