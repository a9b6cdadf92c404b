"""What becomes of files that several parts of an artifact have."""

from __future__ import annotations

import pytest

from penstock.build.archive import pack
from penstock.build.overlay import LOCKED, Overlay
from penstock.model.errors import BuildFailed


def laid(name: str, *contents: str) -> Overlay:
    """The same name with these contents: of a locked package, then of packages, then of the service."""
    overlay = Overlay()
    for owner, content in zip([LOCKED, "packages/a", "services/s"], contents, strict=False):
        overlay.add(owner, [pack(name, content.encode())], where="services/s/service.toml")
    return overlay


def test_two_modules_of_one_name_are_refused_with_both_owners() -> None:
    with pytest.raises(BuildFailed) as caught:
        laid("helpers/__init__.py", "A = 1", "A = 2")
    assert "a locked package and packages/a both have helpers/__init__.py" in str(caught.value)
    with pytest.raises(BuildFailed):
        laid("app.py", "A = 1", "A = 1", "")


def test_equal_ones_and_namespaces_are_one() -> None:
    assert laid("app.py", "A = 1", "A = 1").owners == {"app.py": "packages/a"}
    spaces = ["__import__('pkg_resources').declare_namespace(__name__)", "from pkgutil import extend_path"]
    assert laid("ns/__init__.py", *spaces).owners == {"ns/__init__.py": "packages/a"}


@pytest.mark.parametrize("contents", [("A = 1", "# nothing\n"), ("", "A = 1")])
def test_a_package_that_says_nothing_gives_way(contents: tuple[str, str]) -> None:
    overlay = laid("ns/__init__.py", *contents)
    assert overlay.members["ns/__init__.py"].content() == b"A = 1"
    assert overlay.owners["ns/__init__.py"] == (LOCKED if contents[0] else "packages/a")


def test_other_files_are_told_and_the_last_one_stays_but_nobody_cares_for_licences() -> None:
    overlay = laid("config.json", "{}", "[]", "[1]")
    assert overlay.members["config.json"].content() == b"[1]"
    assert overlay.notes == [
        "config.json of packages/a takes the place of that of a locked package",
        "config.json of services/s takes the place of that of packages/a",
    ]
    assert laid("LICENSE", "MIT", "BSD").notes == laid("docs/README.md", "a", "b").notes == []
