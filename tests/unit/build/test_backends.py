"""Which versions of build backends hold for everybody."""

from __future__ import annotations

import pytest
from packaging.version import Version

from penstock.build import backends


def chosen(*requires: str, uv: str = "") -> dict[str, str]:
    return dict(line.split("==") for line in backends.constraints(requires, uv).splitlines())


def test_what_leaves_its_version_open_is_held_to_the_newest_that_is_listed() -> None:
    newest = chosen()["setuptools"]
    assert chosen("setuptools>=61")["setuptools"] == newest
    assert Version(chosen("Setuptools < 81", "wheel")["setuptools"]) < Version("81")
    assert Version(chosen("poetry_core>=1.0.0,<2.0.0")["poetry-core"]).major == 1


@pytest.mark.parametrize("asked", ["hatchling==1.27.0", "hatchling @ file:///x", "hatchling>=999", "hatchling ~~ 1"])
def test_what_fits_none_of_them_stands_as_it_is(asked: str) -> None:
    assert "hatchling" not in chosen(asked)
    assert "pathspec" in chosen(asked)  # what it depends on is held all the same


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["hatchling", "Hatch_requirements.txt>=0.4"], ("hatch-requirements-txt",)),
        (["hatchling>=999", "cython<4"], ("cython", "hatchling")),
        (["cython==3.*"], ("cython",)),
        (["cython==3.0.11", "mesonpy===0.1", "own @ file:///own", "hatchling==1.27.0"], ()),
        (["setuptools>=61", "wheel"], ()),
    ],
)
def test_what_is_as_new_as_the_day_is_named(asked: list[str], told: tuple[str, ...]) -> None:
    assert backends.loose(asked, "0.13.9") == told


def test_two_lines_about_one_backend_both_count() -> None:
    first, last = Version(chosen("uv_build<1")["uv-build"]), Version(chosen("uv_build<1", "uv_build<0.9")["uv-build"])
    assert last < Version("0.9") <= first


def test_the_uv_that_runs_is_its_own_backend_where_it_may_be() -> None:
    assert chosen("uv_build>=0.9,<1", uv="0.99.1")["uv-build"] == "0.99.1"
    assert chosen("uv_build>=0.9,<0.10", uv="0.99.1") == chosen("uv_build>=0.9,<0.10")


def test_where_nobody_has_read_what_is_asked_all_that_are_listed_come_in_turn() -> None:
    turns = [dict(line.split("==") for line in text.splitlines()) for text in backends.in_turn("0.99.1")]
    assert turns[0] == chosen(uv="0.99.1")
    for name, versions in backends.VERSIONS.items():
        came = list(dict.fromkeys(turn[name] for turn in turns))
        assert came == [*(["0.99.1"] if name == "uv-build" else []), *versions]


def test_the_versions_are_sorted_and_spelled_as_the_index_spells_them() -> None:
    for name, versions in backends.VERSIONS.items():
        assert name == name.lower().replace("_", "-")
        assert list(versions) == sorted(versions, key=Version, reverse=True)


@pytest.mark.parametrize(
    ("requires", "code", "asks"),
    [
        (["setuptools>=64", "setuptools_scm[toml]>=8"], "", True),
        (["setuptools", "Setuptools.Git"], "", True),
        (["setuptools"], "setup(use_scm_version=True, setup_requires=['setuptools_scm'])", True),
        (["setuptools"], "[options]\nsetup_requires = setuptools-git\n", True),
        (["setuptools", "setuptools-git-versioning"], "", False),
        ([], "setup_requires=['setuptools-git-versioning']", False),
        (["hatchling", "hatch-vcs"], "", False),
        ([], "from setuptools import setup", False),
    ],
)
def test_backends_by_whose_word_git_says_what_ships(requires: list[str], code: str, *, asks: bool) -> None:
    assert backends.asks_git(requires, code) is asks
