"""Which versions of build backends make packages, where `[build-system]` leaves that open.

`requires = ["hatchling"]` means the newest of the day, so that two machines, or one on two days, would ship other
bytes. Like cibuildwheel's constraints (https://cibuildwheel.pypa.io/en/stable/options/#dependency-versions), these
versions hold until a release of Penstock raises them; uv is its own backend, in the version that runs, which recipes
hold as well. A backend that is not listed is as new as the day.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING

from penstock.build import specifiers
from penstock.build.requirements import name_of, normalised

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.specifiers import Specifier, SpecifierSet

BY_DEFAULT = ("setuptools",)
"""What a project without `[build-system]` is built by: https://peps.python.org/pep-0518/#build-system-table."""
VERSIONS = {
    "dunamai": ("1.26.5",),
    "flit-core": ("4.2.0", "3.12.0", "2.3.0"),
    "hatch-fancy-pypi-readme": ("25.1.0",),
    "hatch-vcs": ("0.5.0",),
    "hatchling": ("1.33.0",),
    "jinja2": ("3.1.6",),
    "markupsafe": ("3.0.4",),
    "packaging": ("26.4",),
    "pathspec": ("1.1.1",),
    "pdm-backend": ("2.5.0",),
    "pluggy": ("1.7.0",),
    "poetry-core": ("2.5.0", "1.9.1"),
    "poetry-dynamic-versioning": ("1.10.1",),
    "setuptools": ("84.2.1", "80.10.2", "75.9.1", "70.3.0", "65.7.0", "59.8.0"),
    "setuptools-scm": ("10.3.4", "9.2.2", "8.3.1", "7.1.0", "6.4.2"),
    "tomlkit": ("0.15.2",),
    "trove-classifiers": ("2026.9.21.13",),
    "uv-build": (
        "0.13.6", "0.12.24", "0.11.33", "0.10.12", "0.9.30", "0.8.24", "0.7.22", "0.6.17",
    ),
    "vcs-versioning": ("2.6.0",),
    "versioningit": ("3.3.0",),
    "wheel": ("0.48.0",),
}  # fmt: skip
"""The newest first: of an older one somebody asks for `<2`. With what the backends themselves depend on."""


_SHIP_WHAT_GIT_TRACKS = frozenset({"setuptools-scm", "setuptools-git", "setuptools-git-ls-files"})
"""Plugins of setuptools by whose word the files that git tracks are data of the package."""


def asks_git(requires: Sequence[str], code: str) -> bool:
    """Whether a build lets git say what belongs to a package, by `[build-system]` or `code` (setup.py, setup.cfg)."""
    named = {normalised(name_of(text)) for text in requires}
    return (
        not named.isdisjoint(_SHIP_WHAT_GIT_TRACKS) or re.search(r"setuptools[-_](scm|git)(?![\w-])", code) is not None
    )


def constraints(requires: Sequence[str], uv: str) -> str:
    """Constraints (as pip and uv read them) for a build whose `[build-system]` requires that.

    Of each backend the newest listed version that fits; without one, what `requires` says stands alone. `uv` is the
    version of the uv that runs, empty for none: where that fits, it is its own backend, and starts no other.
    """
    return "".join(f"{name}=={version}\n" for name, version in _held(_asked(requires), uv).items())


def loose(requires: Sequence[str], uv: str) -> tuple[str, ...]:
    """Names in `requires` that are as new as the day: no version of them is listed that fits, and none is pinned."""
    asked = _asked(requires)
    held = _held(asked, uv)
    return tuple(
        name
        for name, versions in sorted(asked.items())
        if name not in held and versions is not None and not any(_is_exact(one) for one in versions)
    )


def _asked(requires: Sequence[str]) -> Mapping[str, SpecifierSet | None]:
    """Which versions are wanted of each name; None of what comes from a URL."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - slow, and rarely needed

    asked: dict[str, SpecifierSet | None] = {}
    for text in requires:
        name = normalised(name_of(text))
        known, further = asked.get(name, SpecifierSet()), specifiers.versions(text)
        asked[name] = None if known is None or further is None else known & further
    return asked


def _held(asked: Mapping[str, SpecifierSet | None], uv: str) -> Mapping[str, str]:
    """Of each listed name the newest version that fits."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415

    held: dict[str, str] = {}
    for name, versions in sorted(_listed(uv).items()):
        allowed = asked.get(name, SpecifierSet())
        fitting = [] if allowed is None else [one for one in versions if allowed.contains(one)]
        if fitting:
            held[name] = fitting[0]
    return held


def _is_exact(version: Specifier) -> bool:
    return version.operator == "===" or (version.operator == "==" and not version.version.endswith(".*"))


def in_turn(uv: str) -> Iterator[str]:
    """Constraints for a build whose `[build-system]` nobody has read: the newest listed of each, then those before."""
    listed = _listed(uv)
    for turn in range(max(map(len, listed.values()))):
        chosen = {name: versions[min(turn, len(versions) - 1)] for name, versions in sorted(listed.items())}
        yield "".join(f"{name}=={version}\n" for name, version in chosen.items())


def _listed(uv: str) -> Mapping[str, Sequence[str]]:
    """The versions, with that of the uv that runs before those listed of its own backend."""
    return {**VERSIONS, "uv-build": (uv, *VERSIONS["uv-build"])} if uv else VERSIONS


def digest() -> str:
    """Of all the versions but uv's own, for recipes."""
    return _digest(tuple(sorted(VERSIONS.items())))


@cache
def _digest(versions: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    return hashlib.sha256(repr([*versions]).encode()).hexdigest()[:12]
