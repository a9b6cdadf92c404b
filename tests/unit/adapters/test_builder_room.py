"""The build cache stays within its bounds, and what is in use stays in the cache."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from penstock.adapters.builder_cache import ZipCache
from penstock.adapters.builder_files import SourceFiles
from penstock.adapters.builder_room import FETCHED, IN_USE, LIMIT, TOOLS, Freed, is_short, make_room, note_use, room
from penstock.adapters.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0
DAY = 86_400.0


def keep(folder: Path, name: str, size: int, age: float, *, kind: str = "artifact", now: float = NOW) -> None:
    record = folder / "index" / kind / f"{name}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    (folder / "zips").mkdir(exist_ok=True)
    archive = folder / "zips" / f"{name}.zip"
    archive.write_bytes(bytes(size))
    record.write_text(json.dumps({"digest": name, "size": size, "unzipped": size}))
    for path in (record, archive):
        os.utime(path, (now - age, now - age))


def left(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "zips").glob("*.zip")}


def test_what_was_used_least_recently_goes_until_the_rest_fits(tmp_path: Path) -> None:
    for name, age in (("old", 3 * DAY), ("older", 4 * DAY), ("young", 2 * DAY)):
        keep(tmp_path, name, 100, age)
    assert make_room(tmp_path, NOW, limit=250) == Freed(deleted=1, freed=100, left=200, limit=250)
    assert left(tmp_path) == {"old", "young"}
    assert {path.stem for path in (tmp_path / "index/artifact").glob("*")} == {"old", "young"}
    assert make_room(tmp_path, NOW, limit=250) == Freed(deleted=0, freed=0, left=200, limit=250)


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
    assert make_room(tmp_path, NOW) == Freed(deleted=1, freed=100, left=100, limit=LIMIT)
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
    assert make_room(tmp_path, NOW, limit=0) == Freed(deleted=2, freed=30, left=0, limit=0)


def test_records_and_sboms_whose_zip_somebody_took_away_go_as_well(tmp_path: Path) -> None:
    for name in ("whole", "robbed"):
        keep(tmp_path, name, 10, 60.0)
        (tmp_path / "zips" / f"{name}.cdx.json").write_text("{}")
    (tmp_path / "zips/robbed.zip").unlink()
    make_room(tmp_path, NOW)
    assert {path.name for path in (tmp_path / "zips").iterdir()} == {"whole.zip", "whole.cdx.json"}
    assert [path.name for path in (tmp_path / "index/artifact").iterdir()] == ["whole.json"]


def test_of_too_many_notes_the_older_half_goes_but_what_was_built_is_remembered(tmp_path: Path) -> None:
    for kind in ("export", "recipe", "wheels"):
        (tmp_path / "index" / kind).mkdir(parents=True)
        for number in range(6 if kind != "wheels" else 4):
            note = tmp_path / "index" / kind / f"{number}.json"
            note.write_text("{}")
            os.utime(note, (NOW - number, NOW - number))
    make_room(tmp_path, NOW, notes=4)
    assert {kind: len(list((tmp_path / "index" / kind).iterdir())) for kind in ("export", "recipe", "wheels")} == {
        "export": 2,
        "recipe": 6,
        "wheels": 4,
    }
    assert {path.stem for path in (tmp_path / "index/export").iterdir()} == {"0", "1"}


def test_a_record_that_speaks_of_a_file_elsewhere_takes_nothing_along(tmp_path: Path) -> None:
    folder = tmp_path / "v1"
    keep(folder, "a", 10, 2 * DAY)
    (folder / "index/artifact/hostile.json").write_text(json.dumps({"digest": "../../mine", "size": 1, "unzipped": 1}))
    for name in ("mine.zip", "mine.cdx.json"):
        (tmp_path / name).write_text("mine")
    make_room(folder, NOW, limit=0)
    assert {path.name for path in tmp_path.iterdir()} == {"v1", "mine.zip", "mine.cdx.json"}


def test_what_is_taken_while_somebody_makes_room_is_there_or_said_to_be_gone(tmp_path: Path) -> None:
    """Both at once, many times; each result is old enough to go until it is taken."""

    def take(names: list[str]) -> list[str]:
        records = tmp_path / "index/artifact"
        return [name for name in names if note_use(tmp_path, str(records / f"{name}.json"), time.time())]

    names = [f"{number:03}" for number in range(200)]
    for name in names:
        keep(tmp_path, name, 1, 0, now=time.time() - 3 * IN_USE)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take, names[::-1])
        make_room(tmp_path, time.time(), limit=0)
        taken = taking.result()
    assert set(taken) == left(tmp_path)
    assert set(taken) == {path.stem for path in (tmp_path / "index/artifact").iterdir()}


def test_looking_at_a_cache_in_which_others_work_is_no_fault(tmp_path: Path) -> None:
    keep(tmp_path, "a", 10, 60.0)
    done = threading.Event()

    def work() -> None:
        for number in itertools.count():
            folder = tmp_path / "tmp" / str(number)
            folder.mkdir(parents=True)
            keep(tmp_path, f"b{number}", 10, 0, now=time.time())
            (tmp_path / "zips" / f"b{number}.zip").unlink()
            (tmp_path / "index/artifact" / f"b{number}.json").unlink(missing_ok=True)
            folder.rmdir()
            if done.is_set():
                return

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            for _ in range(100):
                assert room(tmp_path).size >= 10
                assert not is_short(tmp_path)
                make_room(tmp_path, time.time())
        finally:
            done.set()
        working.result()


def test_what_was_fetched_and_nobody_has_used_for_a_month_goes(tmp_path: Path) -> None:
    old = {"uv/old": 31, "tools/esbuild-1": 31, "npm/a-1.tgz": 31}
    used = {"uv/used": 29, "tools/esbuild-2": 29, "npm/b.tgz": 1}
    for place, days in (old | used).items():
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        if path.suffix:
            path.touch()
        else:
            path.mkdir()
            (path / "inner").touch()
        os.utime(path, (NOW - days * DAY, NOW - days * DAY))
    make_room(tmp_path, NOW)
    left = {f"{path.parent.name}/{path.name}" for path in tmp_path.glob("*/*") if path.parent.name in FETCHED}
    assert left == used.keys()


def test_what_is_fetched_is_used_when_somebody_asks_where_it_lies(tmp_path: Path) -> None:
    cache = ZipCache(tmp_path, SourceFiles(tmp_path, tmp_path / "files.json", SystemClock()))
    place = cache.fetched(TOOLS, "esbuild-1")
    assert not place.exists()
    place.mkdir(parents=True)
    os.utime(place, (0, 0))
    assert cache.fetched(TOOLS, "esbuild-1") == place
    make_room(cache.folder, time.time())
    assert place.exists()


def test_folders_of_steps_are_taken_over_until_the_last_of_several_builds_has_ended(tmp_path: Path) -> None:
    cache = ZipCache(tmp_path, SourceFiles(tmp_path, tmp_path / "files.json", SystemClock()))
    with cache.many_steps():
        with cache.many_steps(), cache.scratch() as first:
            pass
        with cache.scratch() as second:
            (second / "file").write_text("of a step")
        assert (second, first.is_dir(), list(first.iterdir())) == (first, True, [])
    assert not first.exists()
