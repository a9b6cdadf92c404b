"""Packages of a workspace that its TypeScript services share: built first, once, or bundled from their sources."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from build.bundles import contents, run_from

from penstock.model.errors import BuildFailed
from penstock.model.workspace import Package
from penstock.ports import Command

if TYPE_CHECKING:
    from pathlib import Path

    from build.sites import Site

    from penstock.model.artifact import Artifact


def built(site: Site) -> int:
    """How often the package's build script has run."""
    marks = site.root / "built"
    return len(marks.read_text().splitlines()) if marks.exists() else 0


def test_a_package_that_must_be_built_is_built_first_and_only_when_it_changed(node_site: Site) -> None:
    before = node_site.build("catalog")["catalog"]
    assert built(node_site) == 1
    node_site.write({"services/catalog/src/extra.ts": "export const x = 1;\n"})
    node_site.build("catalog")
    assert built(node_site) == 1
    node_site.write({"packages/made/src/index.js": "exports.made = 'made anew';\n"})
    after = node_site.build("catalog")["catalog"]
    assert built(node_site) == 2
    assert "made anew" in contents(after.path)["src/app.mjs"]
    assert after.digest != before.digest


def test_functions_that_share_a_package_build_it_once(node_site: Site) -> None:
    node_site.write(
        {
            "services/legacy/package.json": json.dumps({"name": "legacy", "dependencies": {"@w/made": "*"}}),
            "services/legacy/app.js": 'exports.handler = exports.jobs = () => require("@w/made").made;\n',
        }
    )
    npm = node_site.commands.find("npm")
    relock = Command(argv=(str(npm), "install", "--package-lock-only", "--no-audit"), cwd=node_site.root, timeout=120)
    assert node_site.commands.run(relock).status == 0
    assert sorted(node_site.build("legacy")) == ["legacy-api", "legacy-jobs"]
    assert built(node_site) == 1


def test_a_package_is_built_again_when_one_that_it_only_reaches_through_another_changed(node_site: Site) -> None:
    """Each takes the results of the one below into its own, so that none of them may be left as it was."""
    chain = {"top": "middle", "middle": "bottom", "bottom": ""}
    for name, below in chain.items():
        script = f"mkdir -p dist && cat {f'../{below}/dist/index.js' if below else ''} src/index.js > dist/index.js"
        manifest = {"name": f"@w/{name}", "version": "1.0.0", "exports": {".": "./dist/index.js"}}
        needs = {"dependencies": {f"@w/{below}": "*"}} if below else {}
        node_site.write(
            {
                f"packages/{name}/package.json": json.dumps({**manifest, **needs, "scripts": {"build": script}}),
                f"packages/{name}/src/index.js": f"exports.{name} = 'old {name}';\n",
            }
        )
    node_site.write(
        {
            "services/legacy/package.json": json.dumps({"name": "legacy", "dependencies": {"@w/top": "*"}}),
            "services/legacy/app.js": 'exports.handler = exports.jobs = () => require("@w/top");\n',
        }
    )
    packages = (Package(name=f"@w/{name}", path=f"packages/{name}", language="node") for name in chain)
    node_site.workspace = replace(node_site.workspace, packages=(*node_site.workspace.packages, *packages))
    npm = node_site.commands.find("npm")
    relock = Command(argv=(str(npm), "install", "--package-lock-only", "--no-audit"), cwd=node_site.root, timeout=120)
    assert node_site.commands.run(relock).status == 0
    node_site.build("legacy")
    node_site.write({"packages/bottom/src/index.js": "exports.bottom = 'new bottom';\n"})
    with zipfile.ZipFile(node_site.build("legacy")["legacy-api"].path) as archive:
        code = archive.read("app.js")
    assert b"new bottom" in code
    assert b"old top" in code


def test_a_package_is_built_once_for_all_services_whatever_their_own_settings(node_site: Site) -> None:
    node_site.builder().build_packages(node_site.workspace)
    node_site.build("catalog")
    assert built(node_site) == 1, "catalog's tsconfig.json extends one that the package knows nothing of"


def made_by_copying(site: Site, into: str = "dist") -> None:
    """The package's script copies all of its sources; whoever asks gets what lies there, by its name."""
    manifest = {
        "name": "@w/made",
        "version": "1.0.0",
        "exports": {".": f"./{into}/index.js", "./*": f"./{into}/*"},
        "scripts": {"build": f"mkdir {into} && cp src/*.js {into} && echo x >> ../../built"},
    }
    site.write(
        {
            "packages/made/package.json": json.dumps(manifest),
            "packages/made/src/old.js": "exports.made = 'OLD';\n",
            "services/catalog/src/app.ts": (
                'import { made } from "@w/made/old.js";\nexport const handler = async () => made;\n'
            ),
        }
    )


def git(site: Site, *words: str) -> None:
    named = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    result = site.commands.run(Command(argv=("git", *named, *words), cwd=site.root, timeout=60))
    assert result.status == 0, result.stderr


@pytest.mark.parametrize("into", ["dist", "lib"])
def test_a_result_goes_with_its_source(into: str, node_site: Site) -> None:
    made_by_copying(node_site, into)
    node_site.write({".gitignore": "lib/\n"})
    assert "OLD" in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]
    (node_site.root / "packages/made/src/old.js").unlink()
    for clean in (False, True):
        builder = node_site.builder()
        if clean:
            builder.forget()
        with pytest.raises(BuildFailed, match=r"Could not resolve .@w/made/old\.js"):
            builder.build(node_site.workspace, ("catalog",), node_site.targets)
        replaced = node_site.root / ".penstock/replaced/packages/made" / into
        assert {path.name for path in replaced.iterdir()} == ({"index.js"} if clean else {"index.js", "old.js"})


@pytest.mark.parametrize("told_by", [".gitignore", "packages/made/tsconfig.build.json"])
def test_results_are_made_anew_wherever_git_or_tsc_say_that_they_go(told_by: str, node_site: Site) -> None:
    made_by_copying(node_site, "lib/inner")
    script = node_site.root / "packages/made/package.json"
    script.write_text(script.read_text().replace("mkdir", "mkdir -p"))
    says = {".gitignore": "/packages/*/lib\n", "packages/made/tsconfig.build.json": OUT}
    node_site.write({told_by: says[told_by]})
    first = node_site.build("catalog")["catalog"]
    assert node_site.build("catalog")["catalog"].cached, "what it made is none of what it is made from"
    node_site.write({"packages/made/src/old.js": "exports.made = 'SECOND';\n"})
    made = node_site.build("catalog")["catalog"]
    assert "SECOND" in contents(made.path)["src/app.mjs"]
    assert made.recipe != first.recipe


def test_results_beside_the_sources_are_made_anew_when_git_ignores_them(node_site: Site) -> None:
    made_by_copying(node_site, "src")
    script = node_site.root / "packages/made/package.json"
    script.write_text(
        script.read_text().replace(
            "mkdir src && cp src/*.js src", "for f in old used; do cp src/$f.txt src/$f.js; done"
        )
    )
    (node_site.root / "packages/made/src/index.js").unlink()
    (node_site.root / "packages/made/src/old.js").unlink()
    node_site.write(
        {
            ".gitignore": "/packages/*/src/*.js\n",
            "packages/made/package.json": script.read_text().replace("./src/index.js", "./src/old.js"),
            "packages/made/tsconfig.json": '{ "compilerOptions": { "outDir": "src" } }',
            "packages/made/src/types.ts": "export {};\n",
            "packages/made/src/old.txt": "exports.made = require('./used').made;\n",
            "packages/made/src/used.txt": "exports.made = 'FIRST';\n",
        }
    )
    first = node_site.build("catalog")["catalog"]
    assert "FIRST" in contents(first.path)["src/app.mjs"]
    assert node_site.recipes()["catalog"].digest == first.recipe
    node_site.write({"packages/made/src/used.txt": "exports.made = 'SECOND';\n"})
    assert "SECOND" in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]
    assert (node_site.root / "packages/made/src/types.ts").is_file()


OUT = '{ "compilerOptions": { "outDir": "lib" } }'


def test_a_script_that_fails_leaves_the_results_as_they_were(node_site: Site) -> None:
    made_by_copying(node_site)
    node_site.build("catalog")
    manifest = node_site.root / "packages/made/package.json"
    manifest.write_text(manifest.read_text().replace("&& echo", "&& echo > dist/half.js && false && echo"))
    with pytest.raises(BuildFailed, match="its build script failed"):
        node_site.build("catalog")
    left = {path.name: path.read_text() for path in (node_site.root / "packages/made/dist").iterdir()}
    assert left == {"index.js": "exports.made = 'made by its script';\n", "old.js": "exports.made = 'OLD';\n"}


def test_what_people_wrote_where_results_go_stays(node_site: Site) -> None:
    made_by_copying(node_site)
    script = node_site.root / "packages/made/package.json"
    script.write_text(script.read_text().replace("mkdir dist", "mkdir -p dist && sh build/check.sh"))
    node_site.write(
        {
            ".gitignore": "node_modules\n.penstock\n",
            "packages/made/build/check.sh": "test ! -e build/report.txt && echo > build/report.txt\n",
            "packages/made/dist/kept.js": "exports.made = 'KEPT';\n",
            "packages/made/dist/.env": "MINE=1\n",
        }
    )
    git(node_site, "init", "--quiet")
    git(node_site, "add", ".")
    (node_site.root / "packages/made/build/report.txt").write_text("of an earlier run\n")
    node_site.build("catalog")
    left = {path.name for path in (node_site.root / "packages/made/dist").iterdir()}
    assert left == {".env", "index.js", "kept.js", "old.js"}


def test_results_that_somebody_removed_are_made_again(node_site: Site) -> None:
    node_site.build("catalog")
    shutil.rmtree(node_site.root / "packages/made/dist")
    node_site.write({"services/catalog/src/extra.ts": "export const x = 1;\n"})
    node_site.build("catalog")
    assert built(node_site) == 2


def test_what_an_earlier_tsc_remembers_does_not_keep_a_package_from_being_built(node_site: Site) -> None:
    manifest = node_site.root / "packages/made/package.json"
    script = "test -f .cache/tsconfig.tsbuildinfo || (mkdir -p dist && cp src/index.js dist/index.js)"
    node_site.write(
        {
            "packages/made/package.json": json.dumps(
                {**json.loads(manifest.read_text()), "scripts": {"build": script}}
            ),
            "packages/made/.cache/tsconfig.tsbuildinfo": "{}",
        }
    )
    node_site.build("catalog")


def inlining(site: Site, word: str) -> None:
    """The package's script writes a word of the shell into what it makes."""
    manifest = site.root / "packages/made/package.json"
    script = f"mkdir -p dist && echo \"exports.made = 'it says {word}';\" > dist/index.js && echo x >> ../../built"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "scripts": {"build": script}}))


def test_a_build_script_sees_no_variable_that_is_in_no_recipe(node_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    inlining(node_site, "$API_URL")
    made: list[Artifact] = []
    for value in ("https://dev.example", "https://example"):
        monkeypatch.setenv("API_URL", value)
        builder = node_site.builder()
        builder.forget()
        made += builder.build(node_site.workspace, ("catalog",), node_site.targets)
    assert made[0].digest == made[1].digest
    assert "'it says '" in contents(made[0].path)["src/app.mjs"].replace('"', "'")


def test_a_variable_that_penstock_toml_names_is_seen_and_counts(
    node_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    inlining(node_site, "$API_URL")
    node_site.workspace = replace(node_site.workspace, build_env=("API_URL",))
    for value in ("https://dev.example", "https://example"):
        monkeypatch.setenv("API_URL", value)
        made = node_site.build("catalog")["catalog"]
        assert not made.cached
        assert f"it says {value}" in contents(made.path)["src/app.mjs"]
        assert value not in json.dumps(dict(node_site.recipes()["catalog"].inputs)), "it may be a secret"
    assert "variable API_URL" not in node_site.recipes()["legacy-api"].inputs, "no script makes what it takes"


def test_a_script_that_asks_for_the_node_that_runs_it_has_its_version_in_the_recipe(
    node_site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inlining(node_site, "$(node --version)")
    other = tmp_path / "bin/node"
    other.parent.mkdir()
    for version in ("22.9.0", "24.1.0"):
        other.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo v{version} || exec {shutil.which("node")} "$@"\n')
        other.chmod(0o755)
        with monkeypatch.context() as patch:
            patch.setenv("PATH", f"{other.parent}{os.pathsep}{os.environ['PATH']}")
            made = node_site.build("catalog")["catalog"]
            assert not made.cached
            assert f"it says v{version}" in contents(made.path)["src/app.mjs"]
            recipes = node_site.recipes()
        mark = "tool node for build scripts"
        assert (recipes["catalog"].inputs[mark], mark in recipes["legacy-api"].inputs) == (version[:-2], False)


SCRIPTED = {
    "packages/made/package.json": json.dumps(
        {
            "name": "@w/made",
            "version": "1.0.0",
            "exports": {".": "./dist/index.js"},
            "scripts": {
                "prebuild": "mkdir -p dist && echo before FIRST > dist/before.txt",
                "build": "npm run compile && echo x >> ../../built",
                "compile": "node ../../tools/compile.mjs --c FIRST -p ../../tsconfig.lib.json README.md ../../words/",
            },
            "compiler": {"word": "FIRST"},
        }
    ),
    "packages/made/README.md": "read FIRST",
    "packages/made/settings.mjs": 'export { base } from "../../tools/base.mjs";\n',
    "tsconfig.lib.json": '{ "extends": "./tsconfig.lib.base.json" }',
    "tsconfig.lib.base.json": '{ "word": "FIRST" }',
    "tools/compile.mjs": (
        'import { readFileSync, writeFileSync } from "node:fs";\nimport { helper } from "./helper.mjs";\n'
        "const { base } = await import(`${process.cwd()}/settings.mjs`);\n"
        'const places = ["dist/before.txt", "README.md", "package.json", "../../tsconfig.lib.base.json", '
        '"../../words/one.txt"];\n'
        'const made = [...places.map(one => readFileSync(one, "utf8")), ...process.argv, helper, base, "tool FIRST"];\n'
        'writeFileSync("dist/index.js", `exports.made = ${JSON.stringify(made)};`);\n'
    ),
    "tools/helper.mjs": 'export const helper = "helper FIRST";\n',
    "tools/base.mjs": 'export const base = "base FIRST";\n',
    "words/one.txt": "word FIRST",
}
"""A shared package whose build script calls others, reads keys of its package.json, and files beside the package."""


@pytest.fixture
def scripted(node_site: Site) -> Site:
    node_site.write(SCRIPTED)
    assert "SECOND" not in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]
    return node_site


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("packages/made/package.json", "before FIRST"),
        ("packages/made/package.json", "--c FIRST"),
        ("packages/made/package.json", '"word": "FIRST"'),
        ("packages/made/README.md", "FIRST"),
        ("tools/compile.mjs", "tool FIRST"),
        ("tools/helper.mjs", "FIRST"),
        ("tools/base.mjs", "FIRST"),
        ("tsconfig.lib.base.json", "FIRST"),
        ("words/one.txt", "FIRST"),
    ],
)
def test_whatever_a_build_script_reads_makes_its_package_anew(path: str, before: str, scripted: Site) -> None:
    assert scripted.build("catalog")["catalog"].cached, "what the script writes is none of it"
    scripted.write({path: SCRIPTED[path].replace(before, before.replace("FIRST", "SECOND"))})
    assert "catalog" in scripted.builder().affected(scripted.workspace, [path], lambda _: None)
    made = scripted.build("catalog")["catalog"]
    assert not made.cached
    assert "SECOND" in contents(made.path)["src/app.mjs"]


COMPILED = {
    "tsconfig.lib.json": '{ "compilerOptions": { "composite": true, "module": "commonjs" } }',
    "packages/plain/package.json": json.dumps(
        {"name": "@w/plain", "version": "1.0.0", "main": "dist/index.js", "types": "dist/index.d.ts"}
    ),
    "packages/plain/tsconfig.json": (
        '{ "extends": "../../tsconfig.lib.json", "compilerOptions": { "outDir": "dist", "rootDir": "src" } }'
    ),
    "packages/plain/src/index.ts": 'export { used } from "./used";\n',
    "packages/plain/src/used.ts": "export const used = (x: number): number => x + 10;\n",
}
"""The shared package, as `tsc -b` of the whole workspace would make it into dist."""


def test_a_package_that_only_tsc_at_the_root_would_make_is_bundled_from_its_sources(
    node_site: Site, tmp_path: Path
) -> None:
    node_site.write(COMPILED)
    before = node_site.build("catalog")["catalog"]
    code = "async () => (await import('./src/app.mjs')).handler({ x: 4 })"
    assert run_from(before.path, tmp_path / "task", code) == [14, "made by its script", "function"]
    node_site.write({"packages/plain/dist/index.js": "exports.used = () => 'STALE';\n"})
    after = node_site.build("catalog")["catalog"]
    assert (after.digest, after.cached) == (before.digest, True), "what somebody's tsc left there counts for nothing"


def test_an_alias_leads_to_a_package_that_only_tsc_would_make(node_site: Site) -> None:
    """Its package.json says what is taken, so it is part of the recipe like any other."""
    libs = {path.replace("packages/plain", "libs/deep"): text for path, text in COMPILED.items()}
    lib = json.loads(libs["libs/deep/package.json"])
    node_site.write(
        {
            **libs,
            "libs/deep/src/other.ts": "export const used = (): string => 'THE OTHER';\n",
            "services/catalog/tsconfig.json": '{ "compilerOptions": { "paths": { "@deep": ["../../libs/deep"] } } }',
            "services/catalog/src/app.ts": (
                'import { used } from "@deep";\nexport const handler = async () => used(1);\n'
            ),
        }
    )
    assert "THE OTHER" not in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]
    node_site.write({"libs/deep/package.json": json.dumps({**lib, "main": "dist/other.js"})})
    assert "THE OTHER" in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]


def test_a_folder_of_such_packages_is_found_by_one_alias_for_all(node_site: Site) -> None:
    libs = {path.replace("packages/plain", "libs/deep"): text for path, text in COMPILED.items()}
    node_site.write(
        {
            **libs,
            "services/catalog/tsconfig.json": '{ "compilerOptions": { "paths": { "@libs/*": ["../../libs/*"] } } }',
            "services/catalog/src/app.ts": (
                'import { used } from "@libs/deep";\nexport const handler = async () => used(1);\n'
            ),
        }
    )
    assert "+10" in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]


def test_a_failing_build_script_tells_its_own_story(node_site: Site) -> None:
    manifest = node_site.root / "packages/made/package.json"
    manifest.write_text(manifest.read_text().replace("mkdir -p dist", "echo the compiler is unhappy && false"))
    with pytest.raises(BuildFailed, match="the compiler is unhappy") as caught:
        node_site.build("catalog")
    assert caught.value.where == "packages/made/package.json"
