"""What lies in node_modules is what the lock speaks for, or a copy of a folder that counts; else nobody bundles it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from build.bundles import contents
from build.sites import Site, service, workspace

from penstock.model.errors import BuildFailed
from penstock.model.workspace import Package
from penstock.ports import Command

if TYPE_CHECKING:
    from pathlib import Path

LIB = Package(name="@w/lib", path="packages/lib", language="node")
MANIFEST = {"name": "@w/lib", "version": "1.0.0", "exports": "./src/index.ts"}
SERVICE = "services/a/src/app.ts"
COPIED = {
    "package.json": json.dumps({"name": "w", "version": "1.0.0", "private": True, "packageManager": "pnpm@10.34.9"}),
    "pnpm-workspace.yaml": (
        'packages: ["services/*", "packages/*"]\ninjectWorkspacePackages: true\ndedupeInjectedDeps: false\n'
    ),
    "services/a/package.json": json.dumps(
        {
            "name": "a",
            "version": "1.0.0",
            "dependencies": {"@w/lib": "workspace:*", "folder": "file:../../folder"},
            "devDependencies": {"esbuild": "0.28.2"},
        }
    ),
    SERVICE: ('import { v } from "@w/lib";\nimport { f } from "folder";\nexport const handler = async () => [v, f];\n'),
    "packages/lib/package.json": json.dumps(MANIFEST),
    "packages/lib/src/index.ts": 'export const v: string = "LIB FIRST";\n',
    "folder/package.json": json.dumps({"name": "folder", "version": "1.0.0", "main": "index.js"}),
    "folder/index.js": 'exports.f = "FOLDER FIRST";\n',
}
"""A pnpm workspace in which a package of the workspace, and another folder, lie as copies in node_modules."""


@pytest.fixture(scope="module")
def copied_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("copied"), workspace(service("a", "src/app.handler", "node"), packages=(LIB,)))
    site.write(COPIED)
    pnpm = site.commands.find("pnpm")
    if pnpm is None:
        pytest.skip("pnpm is not on this machine")
    argv = (str(pnpm), "install", "--lockfile-only")
    locked = site.commands.run(Command(argv=argv, cwd=site.root, timeout=120))
    assert locked.status == 0, locked.stdout
    return site.root


@pytest.fixture
def copied(copied_root: Path, tmp_path: Path) -> Site:
    site = Site(
        shutil.copytree(copied_root, tmp_path / "w", symlinks=True),
        workspace(service("a", "src/app.handler", "node"), packages=(LIB,)),
    )
    assert (site.root / "pnpm-lock.yaml").read_text().count("type: directory") == len(("@w/lib", "folder"))
    return site


def replace(site: Site, path: str, text: str) -> None:
    """As git and editors do: another file in the place of the old one, which breaks pnpm's hard link."""
    (site.root / path).unlink()
    site.write({path: text})


def code(site: Site) -> str:
    return contents(site.build()["a"].path)["src/app.js"]


def test_a_copy_of_a_folder_in_node_modules_is_never_older_than_the_folder(copied: Site, tmp_path: Path) -> None:
    first = code(copied)
    assert "LIB FIRST" in first
    assert "FOLDER FIRST" in first
    replace(copied, "packages/lib/src/index.ts", 'export const v: string = "LIB SECOND";\n')
    replace(copied, "folder/index.js", 'exports.f = "FOLDER SECOND";\n')
    assert set(copied.builder().affected(copied.workspace, ["folder/index.js"], lambda _: None)) == {"a"}
    made = copied.build()["a"]
    second = contents(made.path)["src/app.js"]
    assert "LIB SECOND" in second
    assert "FOLDER SECOND" in second
    ignored = shutil.ignore_patterns(".penstock", "node_modules")
    clone = Site(shutil.copytree(copied.root, tmp_path / "clone", ignore=ignored), copied.workspace)
    again = clone.build()["a"]
    assert (again.recipe, again.digest) == (made.recipe, made.digest)


def test_a_copy_of_what_a_build_script_makes_is_refused_with_what_to_write(copied: Site) -> None:
    made = {**MANIFEST, "exports": "./dist/index.js", "scripts": {"build": "mkdir -p dist && cp src/index.js dist"}}
    copied.write(
        {
            "packages/lib/package.json": json.dumps(made),
            "packages/lib/src/index.js": "exports.v = 1;\n",
            "packages/lib/dist/index.js": "exports.v = 'OLD';\n",
        }
    )
    with pytest.raises(BuildFailed, match="a copy of a folder that its build script writes into") as caught:
        copied.build()
    assert "without `injected`" in caught.value.hint


@pytest.fixture
def strays(node_site: Site) -> Site:
    """An npm workspace that is installed, and a service with packages that its lock knows nothing of."""
    node_site.write(
        {
            "services/legacy/app.js": (
                "const { v } = require('gen');\nexports.handler = exports.jobs = async () => v;\n"
            ),
            "services/legacy/node_modules/gen/package.json": '{ "name": "gen", "version": "1.0.0" }',
            "services/legacy/node_modules/gen/index.js": "exports.v = 1;\n",
        }
    )
    return node_site


def test_a_package_below_the_locks_folder_that_the_lock_does_not_name_is_refused(strays: Site) -> None:
    with pytest.raises(BuildFailed, match="takes in services/legacy/node_modules/gen, for which no lock speaks"):
        strays.build("legacy-api")


def test_what_is_generated_into_node_modules_is_refused_with_where_it_may_go(strays: Site) -> None:
    strays.write(
        {
            "services/legacy/app.js": (
                "const { M } = require('.prisma/client');\nexports.handler = exports.jobs = async () => M;\n"
            ),
            "node_modules/.prisma/client/index.js": "exports.M = 'MODEL';\n",
        }
    )
    with pytest.raises(BuildFailed, match=r"takes in node_modules/\.prisma, for which no lock speaks") as caught:
        strays.build("legacy-api")
    assert 'output = "../src/generated"' in caught.value.hint


@pytest.mark.parametrize("extends", ["@acme/tsconfig/base.json", "@acme/tsconfig"])
def test_a_tsconfig_of_a_package_that_is_only_linked_is_part_of_the_recipe(extends: str, node_site: Site) -> None:
    """Nobody lists it in penstock.toml: it holds no code."""
    options = '{ "compilerOptions": { "target": "es2021", "useDefineForClassFields": true } }'
    node_site.write(
        {
            "packages/config/package.json": '{ "name": "@acme/tsconfig", "version": "1.0.0" }',
            "packages/config/tsconfig.json": '{ "extends": "./base.json" }',
            "packages/config/base.json": options,
            "services/legacy/tsconfig.json": json.dumps({"extends": extends}),
            "services/legacy/app.ts": "class F { x = 1; }\nexport const handler = () => new F(), jobs = handler;\n",
        }
    )
    (node_site.root / "services/legacy/app.js").unlink()
    npm = node_site.commands.find("npm")
    relock = Command(argv=(str(npm), "install", "--package-lock-only", "--no-audit"), cwd=node_site.root, timeout=120)
    assert node_site.commands.run(relock).status == 0
    recipe = node_site.recipes()["legacy-api"]
    first = node_site.build("legacy-api")["legacy-api"]
    assert first.recipe == recipe.digest, "it is the same before anything is installed"
    node_site.write({"packages/config/base.json": options.replace("true", "false")})
    assert "legacy" in node_site.builder().affected(node_site.workspace, ["packages/config/base.json"], lambda _: None)
    made = node_site.build("legacy-api")["legacy-api"]
    assert (made.cached, made.digest == first.digest) == (False, False)


def test_a_tsconfig_that_a_link_leads_to_of_which_no_lock_speaks_is_refused(node_site: Site) -> None:
    node_site.write(
        {
            "tooling/typescript/base.json": "{}",
            "services/legacy/tsconfig.json": '{ "extends": "@acme/tsconfig/base.json" }',
        }
    )
    (node_site.root / "node_modules/@acme").mkdir(parents=True)
    (node_site.root / "node_modules/@acme/tsconfig").symlink_to("../../tooling/typescript")
    with pytest.raises(BuildFailed, match=r"extends tooling/typescript/base\.json by a link") as caught:
        node_site.build("legacy-api")
    assert caught.value.where == "services/legacy/tsconfig.json"
