"""Shared packages that are bundled from their sources, some of which their own build script writes."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from build.bundles import contents

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from build.sites import Site

    from penstock.model.artifact import Artifact

GENERATE = """
import { mkdirSync, readFileSync, writeFileSync, appendFileSync, readdirSync } from "node:fs";
mkdirSync("src/generated", { recursive: true });
for (const name of readdirSync("schemas"))
  writeFileSync(`src/generated/${name}.ts`, `export const word = "${readFileSync(`schemas/${name}`, "utf8")}";`);
appendFileSync("../../ran", "x\\n");
"""
"""As tools do it: what goes where is in their settings."""

APP = 'import { used } from "@w/plain";\nexport const handler = async () => used();\n'


@pytest.fixture
def generating(node_site: Site) -> Site:
    """`plain` takes in what its script makes of schemas; nothing has been made yet, and git ignores it."""
    manifest = json.loads((node_site.root / "packages/plain/package.json").read_text())
    manifest["scripts"] = {"build": "node generate.mjs"}
    node_site.write(
        {
            ".gitignore": "generated/\n",
            "packages/plain/package.json": json.dumps(manifest),
            "packages/plain/generate.mjs": GENERATE,
            "packages/plain/schemas/a": "FIRST",
            "packages/plain/src/index.ts": 'import { word } from "./generated/a";\nexport const used = () => word;\n',
            "services/catalog/src/app.ts": APP,
        }
    )
    return node_site


def ran(site: Site) -> int:
    """How often the script has run."""
    marks = site.root / "ran"
    return len(marks.read_text().splitlines()) if marks.exists() else 0


def word(site: Site) -> tuple[str, Artifact]:
    made = site.build("catalog")["catalog"]
    return contents(made.path)["src/app.mjs"].partition('"')[2].partition('"')[0], made


def test_a_fresh_checkout_has_its_sources_generated(generating: Site) -> None:
    said, made = word(generating)
    assert (said, ran(generating)) == ("FIRST", 1)
    assert generating.recipes()["catalog"].digest == made.recipe
    generating.write({"services/catalog/src/extra.ts": "export const x = 1;\n"})
    assert word(generating)[0] == "FIRST"
    assert ran(generating) == 1, "nothing that it is made from has changed"


def test_what_a_deploy_builds_is_what_penstock_build_builds(generating: Site) -> None:
    first = word(generating)[1]
    generating.write({"packages/plain/schemas/a": "SECOND"})
    said, second = word(generating)
    assert said == "SECOND"
    generating.builder().build_packages(generating.workspace)
    again = generating.build("catalog")["catalog"]
    assert (again.cached, again.digest) == (True, second.digest)
    generating.write({"packages/plain/schemas/a": "FIRST"})
    assert word(generating)[1].digest == first.digest


def test_what_was_generated_before_the_first_build_here_is_not_believed(generating: Site) -> None:
    generating.write({"packages/plain/src/generated/a.ts": 'export const word = "OF LAST YEAR";'})
    assert word(generating)[0] == "FIRST"


def test_generated_sources_that_somebody_edits_or_removes_are_made_again(generating: Site) -> None:
    first = word(generating)[1]
    generated = generating.root / "packages/plain/src/generated"
    for spoil in (
        lambda: (generated / "a.ts").write_text('export const word = "MINE";'),
        lambda: shutil.rmtree(generated),
    ):
        spoil()
        assert word(generating)[1].digest == first.digest
    assert ran(generating) == 3


def test_a_generated_source_goes_with_what_it_was_made_of(generating: Site) -> None:
    word(generating)
    (generating.root / "packages/plain/schemas/a").rename(generating.root / "packages/plain/schemas/b")
    with pytest.raises(BuildFailed, match=r"Could not resolve .\./generated/a"):
        generating.build("catalog")


def test_generated_sources_that_git_keeps_are_made_anew_once_a_run_was_seen(generating: Site) -> None:
    """Nothing tells them from what people write before `penstock build` has run the script."""
    (generating.root / ".gitignore").unlink()
    generating.write({"packages/plain/src/generated/a.ts": 'export const word = "FIRST";'})
    assert (word(generating)[0], ran(generating)) == ("FIRST", 0)
    generating.builder().build_packages(generating.workspace, ["@w/plain"])
    generating.write({"packages/plain/schemas/a": "SECOND"})
    assert word(generating)[0] == "SECOND"


def test_a_run_of_another_branchs_script_does_not_make_this_ones_forgotten(generating: Site) -> None:
    """Nor does a build of the services from nothing."""
    (generating.root / ".gitignore").unlink()
    committed = {"packages/plain/src/generated/a.ts": 'export const word = "FIRST";'}
    plain = generating.root / "packages/plain"
    mine = {f"packages/plain/{name}": (plain / name).read_text() for name in ("package.json", "src/index.ts")}
    generating.write(committed)
    generating.builder().build_packages(generating.workspace, ["@w/plain"])
    other = {**json.loads(mine["packages/plain/package.json"]), "scripts": {"build": "true"}}
    shutil.rmtree(plain / "src/generated")
    generating.write(
        {
            "packages/plain/package.json": json.dumps(other),
            "packages/plain/src/index.ts": "export const used = () => 'PLAIN';\n",
        }
    )
    generating.builder().build_packages(generating.workspace, ["@w/plain"])
    generating.builder().forget()
    generating.write({**mine, **committed, "packages/plain/schemas/a": "SECOND"})
    assert word(generating)[0] == "SECOND"
    manifest = {**json.loads(mine["packages/plain/package.json"]), "description": "Plain."}
    generating.write({"packages/plain/package.json": json.dumps(manifest), "packages/plain/schemas/a": "THIRD"})
    assert word(generating)[0] == "THIRD", "another manifest need not have another script"


def test_a_script_that_says_what_it_writes_need_not_be_seen(generating: Site) -> None:
    manifest = generating.root / "packages/plain/package.json"
    script = "cat schemas/a > src/words.json && echo x >> ../../ran"
    (generating.root / ".gitignore").unlink()
    generating.write(
        {
            "packages/plain/package.json": json.dumps(
                {**json.loads(manifest.read_text()), "scripts": {"build": script}}
            ),
            "packages/plain/schemas/a": '{ "a": "FIRST" }',
            "packages/plain/src/words.json": '{ "a": "OLD" }',
            "packages/plain/src/index.ts": 'import { a } from "./words.json";\nexport const used = () => a;\n',
        }
    )
    assert word(generating)[0] == "FIRST"


COMPILE = "mkdir -p dist lib && cp src/index.ts dist/index.js && cp src/index.ts lib/index.js && echo x >> ../../ran"


def test_a_script_that_only_compiles_is_not_run_for_a_bundle(node_site: Site) -> None:
    manifest = json.loads((node_site.root / "packages/plain/package.json").read_text())
    compiling = {**manifest, "scripts": {"build": COMPILE}}
    node_site.write(
        {
            ".gitignore": "lib\nclient/\n",
            "packages/plain/package.json": json.dumps(compiling),
            "packages/plain/tsconfig.json": '{ "compilerOptions": { "outDir": "lib" } }',
        }
    )
    node_site.build("catalog")
    assert ran(node_site) == 0
    node_site.builder().build_packages(node_site.workspace, ["@w/plain"])
    node_site.write({"packages/plain/src/index.ts": "export const used = (): string => 'other';\n"})
    node_site.build("catalog")
    assert ran(node_site) == 1, "what it writes is no source"


def test_a_source_that_another_tool_generates_costs_one_run(node_site: Site) -> None:
    """As Prisma's client does, whose `generate` is a script of its own."""
    test_a_script_that_only_compiles_is_not_run_for_a_bundle(node_site)
    node_site.write(
        {
            "packages/plain/src/client/index.ts": "export const made: string = 'by hand';\n",
            "packages/plain/src/index.ts": 'import { made } from "./client";\nexport const used = () => made;\n',
            "services/catalog/src/app.ts": APP,
        }
    )
    for text in ("by hand", "another"):
        node_site.write({"packages/plain/src/client/index.ts": f"export const made: string = '{text}';\n"})
        assert word(node_site)[0] == text
        assert ran(node_site) == 2
