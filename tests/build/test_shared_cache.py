"""What another machine built is taken instead of being built, if it is an archive of ours."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.sites import Heard, Site, Wall, service, workspace

from penstock.adapters.builder import Builder
from penstock.build.provenance import Provenance

if TYPE_CHECKING:
    from penstock.model.artifact import Artifact, Recipe


class Another:
    """A machine that has built one artifact; `changed` is done to its bytes on the way."""

    def __init__(self, artifact: Artifact, changed: bytes | None = None) -> None:
        self._artifact = artifact
        self._changed = changed
        self.asked: list[str] = []

    def fetch(self, recipe: Recipe, archive: Path, sbom: Path) -> Provenance | None:
        self.asked.append(recipe.unit)
        if recipe.digest != self._artifact.recipe:
            return None
        shutil.copy(self._artifact.sbom, sbom)
        if self._changed is None:
            shutil.copy(self._artifact.path, archive)
        else:
            archive.write_bytes(self._changed)
        return Provenance(
            workspace="w",
            unit=recipe.unit,
            target=str(recipe.target),
            artifact=self._artifact.digest,
            size=self._artifact.size,
            recipe=recipe.digest,
            commit="",
            dirty=False,
            sbom="",
            run="",
            version="",
        )


@pytest.fixture
def one(tmp_path: Path) -> Site:
    site = Site(tmp_path / "one", workspace(service("users", "app.handler"), service("orders", "app.handler")))
    for name in ("users", "orders"):
        site.write({f"services/{name}/app.py": f"def handler(event, context):\n    return {name!r}\n"})
    return site


def built_beside(site: Site, another: Another, cache: Path, *, clean: bool = False) -> dict[str, Artifact]:
    """What a clone with an empty cache has after a build."""
    builder = Builder(site.root, site.commands, cache, Heard(), Wall(), elsewhere=lambda: another)
    if clean:
        builder.forget()
    return {artifact.unit: artifact for artifact in builder.build(site.workspace, None, site.targets)}


def test_a_recipe_that_another_machine_built_is_not_built_again(one: Site, tmp_path: Path) -> None:
    first = one.build()
    another = Another(first["users"])
    found = built_beside(one, another, tmp_path / "cache")
    assert (found["users"].cached, found["orders"].cached) == (True, False)
    assert sorted(another.asked) == ["orders", "users"]
    for name in ("digest", "size", "unzipped", "recipe"):
        assert getattr(found["users"], name) == getattr(first["users"], name)
    assert Path(found["users"].path).read_bytes() == Path(first["users"].path).read_bytes()
    assert Path(found["users"].sbom).read_bytes() == Path(first["users"].sbom).read_bytes()

    again = Another(first["users"])
    assert all(artifact.cached for artifact in built_beside(one, again, tmp_path / "cache").values())
    assert again.asked == [], "what is in the cache is not asked for"


@pytest.mark.parametrize("changed", [b"", b"not an archive"])
def test_what_is_no_archive_of_ours_is_built_instead(one: Site, tmp_path: Path, changed: bytes) -> None:
    first = one.build()
    found = built_beside(one, Another(first["users"], changed), tmp_path / "cache")
    assert Path(found["users"].path).read_bytes() == Path(first["users"].path).read_bytes()


def test_a_clean_build_asks_nobody(one: Site, tmp_path: Path) -> None:
    another = Another(one.build()["users"])
    assert not built_beside(one, another, tmp_path / "cache", clean=True)["users"].cached
    assert another.asked == []
