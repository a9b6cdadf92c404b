"""Files that change between the look at them and their use: no artifact is of another recipe."""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest
from build.meanwhile import Meanwhile, switch
from build.sites import HANDLER_PY, Site, service, workspace

from penstock.adapters.commands import RealCommands
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path


def texts(site: Site, *paths: str) -> dict[str, str]:
    return {path: (site.root / path).read_text() for path in paths}


def clean(site: Site, tmp_path: Path, *names: str) -> dict[str, str]:
    """Digests of a build of the files as they are now, elsewhere and from nothing but what is installed."""
    left = shutil.ignore_patterns(".penstock", "dist")
    copy = Site(shutil.copytree(site.root, tmp_path / "clean", symlinks=True, ignore=left), site.workspace)
    if (notes := site.cache / "v1/index/node-modules").exists():
        shutil.copytree(notes, copy.cache / "v1/index/node-modules")
    made = {unit: artifact.digest for unit, artifact in copy.build(*names).items()}
    shutil.rmtree(tmp_path / "clean")
    return made


def built(site: Site, *names: str) -> dict[str, str]:
    return {unit: artifact.digest for unit, artifact in site.build(*names).items()}


# ------------------------------------------------------------------------------------------ Python


def test_a_lock_that_changes_while_uv_reads_it_is_not_kept_under_the_old_ones_key(site: Site, tmp_path: Path) -> None:
    changing = ("uv.lock", "packages/common/pyproject.toml")
    one = texts(site, *changing)
    first = clean(site, tmp_path, "users")
    site.write({changing[1]: one[changing[1]].replace("idna==3.10", "idna==3.9")})
    site.uv_lock()
    other = texts(site, *changing)
    second = clean(site, tmp_path, "users")
    assert first != second
    site.write(one)
    site.commands = commands = Meanwhile("export", before=switch(site, other))
    assert built(site, "users") == second, "of what is there at the end"
    assert commands.happened
    site.write(one)
    assert built(site, "users") == first


def test_a_lock_that_changes_to_and_fro_never_gives_an_artifact_of_another_one(site: Site, tmp_path: Path) -> None:
    changing = ("uv.lock", "packages/common/pyproject.toml")
    one = texts(site, *changing)
    site.write({changing[1]: one[changing[1]].replace("idna==3.10", "idna==3.9")})
    site.uv_lock()
    second = clean(site, tmp_path, "users")
    other = texts(site, *changing)
    site.write(one)
    turns = [one, other] * 5

    def turn() -> None:
        site.write(turns.pop())
        commands.happened = False

    site.commands = commands = Meanwhile("export", before=turn)
    with pytest.raises(BuildFailed, match="it changed while it was being built"):
        site.build("users")
    assert not list((site.cache / "v1/index/artifact").glob("*"))
    assert not list((site.cache / "v1/index/export").glob("*"))
    site.commands = RealCommands()
    site.write(other)
    assert built(site, "users") == second


def test_a_lock_that_is_another_one_only_while_uv_reads_it_is_read_once_more(site: Site, tmp_path: Path) -> None:
    changing = ("uv.lock", "packages/common/pyproject.toml")
    one = texts(site, *changing)
    first = clean(site, tmp_path, "users")
    site.write({changing[1]: one[changing[1]].replace("idna==3.10", "idna==3.9")})
    site.uv_lock()
    other = texts(site, *changing)
    site.write(one)
    site.commands = commands = Meanwhile("export", before=switch(site, other), after=switch(site, one))
    assert built(site, "users") == first
    assert sum("export" in ran.split() for ran in commands.ran) == 2


def wheel(path: Path, value: int) -> None:
    """A wheel of one module that says the value."""
    notes = {"METADATA": "Metadata-Version: 2.1\nName: own\nVersion: 1\n", "RECORD": "",
             "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("own.py", f"VALUE = {value}\n")
        for name, text in notes.items():
            archive.writestr(f"own-1.dist-info/{name}", text)


def test_an_archive_that_changes_before_uv_installs_it_is_not_kept_as_the_old_one(tmp_path: Path) -> None:
    site = Site(tmp_path / "w", workspace(service("plain", "app.handler")))
    place = site.root / "services/plain/own-1-py3-none-any.whl"
    site.write({"services/plain/app.py": HANDLER_PY, "services/plain/requirements.txt": f"./{place.name}\n"})
    wheel(place, 1)
    site.commands = Meanwhile("install", before=lambda: wheel(place, 2))

    def value() -> bytes:
        with zipfile.ZipFile(site.build()["plain"].path) as archive:
            return archive.read("own.py")

    assert value() == b"VALUE = 2\n"
    wheel(place, 1)
    assert value() == b"VALUE = 1\n"


def test_settings_of_uvs_that_change_under_a_build_backend_are_not_those_of_its_package(site: Site) -> None:
    site.commands = commands = Meanwhile("build", before=switch(site, {"uv.toml": "offline = false\n"}))
    made = site.build("orders")["orders"]
    assert made.recipe == site.recipes()["orders"].digest, "of what is there at the end"
    assert sum(one.split()[1] == "build" for one in commands.ran) > 1


def test_settings_of_uvs_that_are_there_only_while_a_backend_runs_do_not_make_its_package(site: Site) -> None:
    site.write({"uv.toml": ""})
    site.commands = commands = Meanwhile(
        "build", before=switch(site, {"uv.toml": "offline = false\n"}), after=switch(site, {"uv.toml": ""})
    )
    site.build("orders")
    assert sum(one.split()[1] == "build" for one in commands.ran) == 2


# ------------------------------------------------------------------------------------------ Node.js


def test_a_source_that_is_another_one_only_while_esbuild_reads_it_is_bundled_once_more(
    node_site: Site, tmp_path: Path
) -> None:
    source = "services/catalog/src/app.ts"
    one = texts(node_site, source)
    other = {source: one[source].replace("export const handler", 'export const other = "OTHER";\nexport const handler')}
    first = clean(node_site, tmp_path, "catalog")
    node_site.commands = commands = Meanwhile("esbuild", before=switch(node_site, other), after=switch(node_site, one))
    assert built(node_site, "catalog") == first
    assert sum("esbuild" in ran.split()[0] for ran in commands.ran) == 2


def test_a_source_that_is_half_written_when_esbuild_reads_it_fails_nothing(node_site: Site, tmp_path: Path) -> None:
    source = "services/catalog/src/app.ts"
    one, half = texts(node_site, source), {source: "export const handler = async ("}
    whole = {source: one[source] + "export const other = 1;\n"}
    node_site.write(whole)
    expected = clean(node_site, tmp_path, "catalog")
    node_site.write(one)
    node_site.commands = Meanwhile("esbuild", before=switch(node_site, half), after=switch(node_site, whole))
    assert built(node_site, "catalog") == expected


def test_a_source_that_was_written_a_moment_before_a_build_is_bundled_once(node_site: Site) -> None:
    """Its times do not tell whether it changed meanwhile; what it says does."""
    node_site.build("catalog")
    source = "services/catalog/src/app.ts"
    node_site.commands = commands = Meanwhile("nothing")
    node_site.write({source: texts(node_site, source)[source] + "export const other = 1;\n"})
    node_site.build("catalog")
    assert sum("esbuild" in ran.split()[0] for ran in commands.ran) == 1


def test_what_a_script_made_of_sources_that_have_changed_back_is_not_noted(node_site: Site, tmp_path: Path) -> None:
    source = "packages/made/src/index.js"
    one, other = texts(node_site, source), {source: "exports.made = 'another';\n"}
    first = clean(node_site, tmp_path, "catalog")
    node_site.commands = Meanwhile("build", before=switch(node_site, other), after=switch(node_site, one))
    assert built(node_site, "catalog") == first


def test_settings_above_a_service_that_change_while_esbuild_reads_them_are_seen(
    node_site: Site, tmp_path: Path
) -> None:
    source = "services/catalog/src/app.ts"
    node_site.write({source: f"{texts(node_site, source)[source]}export class Field {{ x?: number; }}\n"})

    def fields(*, defined: bool) -> dict[str, str]:
        options = {"compilerOptions": {"target": "es2022", "useDefineForClassFields": defined}}
        return {"tsconfig.base.json": json.dumps(options)}

    node_site.write(fields(defined=True))
    first = clean(node_site, tmp_path, "catalog")
    node_site.write(fields(defined=False))
    second = clean(node_site, tmp_path, "catalog")
    assert first != second
    node_site.write(fields(defined=True))
    node_site.commands = Meanwhile("esbuild", before=switch(node_site, fields(defined=False)))
    assert built(node_site, "catalog") == second
    node_site.write(fields(defined=True))
    assert built(node_site, "catalog") == first


@pytest.mark.parametrize("text", ["", "exports.other = 1;\n"], ids=["torn", "another's"])
@pytest.mark.parametrize("healed", [True, False])
def test_what_a_script_made_is_not_bundled_while_somebody_else_writes_it(
    node_site: Site, tmp_path: Path, text: str, *, healed: bool
) -> None:
    expected = clean(node_site, tmp_path, "catalog")
    place = "packages/made/dist/index.js"
    whole = {place: "exports.made = 'made by its script';\n"}
    node_site.commands = commands = Meanwhile("esbuild", before=switch(node_site, {place: text}))
    if healed:
        commands.after = switch(node_site, whole)
    assert built(node_site, "catalog") == expected
    assert commands.happened


def test_what_a_script_made_of_other_sources_is_not_noted_as_made_of_these(node_site: Site, tmp_path: Path) -> None:
    source = "packages/made/src/index.js"
    one = texts(node_site, source)
    first = clean(node_site, tmp_path, "catalog")
    other = {source: "exports.made = 'another';\n"}
    node_site.commands = Meanwhile("build", before=switch(node_site, other))
    second = built(node_site, "catalog")
    assert second != first
    assert second == clean(node_site, tmp_path, "catalog")
    node_site.write(one)
    (node_site.root / "packages/made/dist/index.js").write_text(other[source])  # as a checkout leaves it
    assert built(node_site, "catalog") == first


def test_packages_that_were_installed_from_another_lock_do_not_count_as_installed_from_this_one(
    node_site: Site,
) -> None:
    one = texts(node_site, "package-lock.json")
    other = {"package-lock.json": one["package-lock.json"] + "\n"}
    shutil.rmtree(node_site.root / "node_modules")
    node_site.commands = commands = Meanwhile("ci", before=switch(node_site, other))

    def installed() -> int:
        return sum(one.split()[1:2] == ["ci"] for one in commands.ran)

    node_site.build("catalog")
    assert installed() == 2, "and once more for the lock that is there now"
    node_site.write(one)
    node_site.build("catalog")
    assert installed() == 3, "nobody has installed anything from this one"


def test_a_lock_that_installing_writes_anew_with_the_same_text_is_the_same_lock(node_site: Site) -> None:
    same = texts(node_site, "package-lock.json")
    shutil.rmtree(node_site.root / "node_modules")
    node_site.commands = commands = Meanwhile("ci")

    def write() -> None:
        node_site.write(same)
        commands.happened = False  # and so each time

    commands.before = write
    built(node_site, "catalog")
    commands.ran.clear()
    built(node_site, "catalog")
    assert not any(one.split()[1:2] == ["ci"] for one in commands.ran), "they are known to be installed"
