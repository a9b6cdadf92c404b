"""Room is made in the build cache beside builds that use it, and what they use stays."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.mixed import PENSTOCK
from build.sites import Site, Wall, service, workspace
from disks import read_only

if TYPE_CHECKING:
    from build.mixed import Mixed

HOUR = 3600.0


def age(folder: Path, seconds: float, *kinds: str) -> None:
    """Let everything of these kinds in the cache be so old."""
    then = time.time() - seconds
    for kind in kinds:
        for path in (folder / "v1" / kind).rglob("*"):
            os.utime(path, (then, then))


class Later(Wall):
    """Half an hour on."""

    def now(self) -> float:
        return super().now() + HOUR / 2


@pytest.fixture
def one(tmp_path: Path) -> Site:
    site = Site(tmp_path / "one", workspace(service("users", "app.handler"), service("orders", "app.handler")))
    for name in ("users", "orders"):
        site.write({f"services/{name}/app.py": f"def handler(event, context):\n    return {name!r}\n"})
    return site


def test_what_a_build_has_just_found_in_the_cache_stays_whatever_the_limit(one: Site) -> None:
    one.build()
    age(one.cache, 3 * HOUR, "index", "zips")
    time.sleep(0.2)  # so that the build can be sure of what it sees
    found = one.build()
    one.builder().make_room(0)
    assert all(Path(artifact.path).is_file() for artifact in found.values())
    # The same of one that is told by what was seen before.
    age(one.cache, 3 * HOUR, "index/artifact")
    one.clock = Later()
    assert all(artifact.cached for artifact in one.build().values())
    one.builder().make_room(0)
    assert all(Path(artifact.path).is_file() for artifact in found.values())
    assert all(artifact.cached for artifact in one.build().values())


def test_a_build_that_makes_room_leaves_what_it_is_about_to_return(one: Site) -> None:
    one.build()
    age(one.cache, 3 * HOUR, "index", "zips")
    one.write({"services/users/app.py": "def handler(event, context):\n    return 'new'\n"})
    builder = one.builder()
    made = builder.build(one.workspace, None, one.targets)
    assert {artifact.unit: artifact.cached for artifact in made} == {"orders": True, "users": False}
    assert builder.make_room(0).deleted == 1, "the old one of users"
    assert all(Path(artifact.path).is_file() and Path(artifact.sbom).is_file() for artifact in made)


def test_what_was_not_used_for_an_hour_goes_with_its_parts_and_is_built_again(one: Site) -> None:
    before = one.build()
    age(one.cache, 3 * HOUR, "index", "zips")
    went = one.builder().make_room(0)
    assert (went.deleted, went.left) == (3, 0), "two artifacts, and the installation of no packages"
    assert not list((one.cache / "v1/zips").iterdir())
    assert {unit: made.digest for unit, made in one.build().items()} == {
        unit: made.digest for unit, made in before.items()
    }


def test_builds_beside_somebody_who_makes_room_end_well_with_all_of_their_artifacts(mixed: Mixed) -> None:
    before = mixed.built()
    age(mixed.cache, 3 * HOUR, "index/artifact", "index/wheel", "index/installation", "zips")
    building = mixed.start()
    pruned = [cache(mixed.root, "prune", "--limit", "0") for _ in range(3)]
    stdout, stderr = building.communicate(timeout=120)
    assert building.returncode == 0, (stdout, stderr)
    assert [ended.returncode for ended in pruned] == [0, 0, 0], pruned
    assert mixed.torn() == []
    assert mixed.built() == before


def test_a_cache_that_cannot_be_written_is_looked_at_and_refused_to_be_pruned(mixed: Mixed) -> None:
    age(mixed.cache, 3 * HOUR, "index", "zips")
    with read_only(mixed.cache):
        assert cache(mixed.root, "info").returncode == 0
        ended = cache(mixed.root, "prune", "--limit", "0")
        assert ended.returncode == 1
        assert re.match("error: (Read-only file system|Permission denied)\n  at .*/index/", ended.stderr), ended
        assert "make it readable and writable" in ended.stderr
    assert len(list((mixed.cache / "v1/zips").glob("*.zip"))) >= 4


def cache(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PENSTOCK, "cache", *words], cwd=root, capture_output=True, text=True, check=False)
