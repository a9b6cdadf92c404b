"""TypeScript and JavaScript services, built with the real esbuild and package managers."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from build.bundles import contents, run_from
from build.sites import Site, alive, eventually, service, workspace
from build.vendored import vendor

from penstock.model.errors import BuildFailed
from penstock.model.events import Note, StepFinished
from penstock.model.workspace import BuildOptions


def test_an_es_module_service_becomes_one_minified_tree_shaken_file_without_the_sdk(
    node_site: Site, tmp_path: Path
) -> None:
    artifact = node_site.build("catalog")["catalog"]
    files = contents(artifact.path)
    (text,) = files.values()
    assert list(files) == ["src/app.mjs"]
    assert "SHAKEN" not in text
    assert 'from"@aws-sdk/client-s3"' in text
    answer = run_from(artifact.path, tmp_path / "task", "async () => (await import('./src/app.mjs')).handler({ x: 4 })")
    assert answer == [5, "made by its script", "function"]


SDKS = {
    "@aws-sdk/client-s3": {"index.js": "exports.S3Client = 'OF VERSION 3';\n"},
    "@smithy/core": {"index.js": "exports.core = 'SMITHY';\n"},
    "aws-sdk": {"index.js": "exports.S3 = 'OF VERSION 2';\n"},
}
USES_SDKS = (
    "const { S3Client } = require('@aws-sdk/client-s3'), { core } = require('@smithy/core');\n"
    "const AWS = require('aws-sdk');\n"
    "exports.handler = exports.jobs = () => [S3Client, core, AWS.S3];\n"
)


def test_of_the_sdks_only_that_which_the_runtime_has_stays_out(node_site: Site) -> None:
    """Lambda's nodejs18.x and later have version 3, and not version 2 any more."""
    vendor(node_site, SDKS)
    node_site.write({"services/legacy/app.js": USES_SDKS})
    text = contents(node_site.build("legacy")["legacy-api"].path)["app.js"]
    assert [mark in text for mark in ("OF VERSION 3", "SMITHY", "OF VERSION 2")] == [False, False, True]
    own = (replace(one, build=BuildOptions(bundle_sdk=True)) for one in node_site.workspace.services)
    node_site.workspace = replace(node_site.workspace, services=tuple(own))
    text = contents(node_site.build("legacy")["legacy-api"].path)["app.js"]
    assert [mark in text for mark in ("OF VERSION 3", "SMITHY", "OF VERSION 2")] == [True, True, True]


def test_aliases_may_come_from_a_tsconfig_that_a_package_of_the_workspace_gives(node_site: Site) -> None:
    manifest = json.loads((node_site.root / "packages/plain/package.json").read_text())
    given_out = {".": "./src/index.ts", "./paths.json": "./paths.json"}
    node_site.write(
        {
            "packages/plain/package.json": json.dumps({**manifest, "exports": given_out}),
            "packages/plain/paths.json": '{ "compilerOptions": { "paths": { "@aside": ["../../aside/x.ts"] } } }',
            "aside/x.ts": "export const x = 'FROM ASIDE';\n",
            "services/catalog/tsconfig.json": '{ "extends": "@w/plain/paths.json" }',
            "services/catalog/src/app.ts": 'import { x } from "@aside";\nexport const handler = async () => x;\n',
        }
    )
    assert "FROM ASIDE" in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]
    node_site.write({"aside/x.ts": "export const x = 'CHANGED ASIDE';\n"})
    assert "CHANGED ASIDE" in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]


def test_the_sbom_names_what_is_bundled_and_what_the_runtime_adds(node_site: Site) -> None:
    catalog = node_site.build("catalog")["catalog"]
    content = json.loads(Path(catalog.sbom).read_text())
    purls = {each["name"]: each.get("purl") for each in content["components"]}
    assert purls == {"@aws-sdk/client-s3": "pkg:npm/%40aws-sdk/client-s3", "@w/made": None, "@w/plain": None}


def test_the_sbom_has_the_locked_version_of_what_the_runtime_adds(node_site: Site) -> None:
    vendor(node_site, {"@aws-sdk/client-s3": SDKS["@aws-sdk/client-s3"]})
    content = json.loads(Path(node_site.build("catalog")["catalog"].sbom).read_text())
    (found,) = (each for each in content["components"] if each["name"] == "@aws-sdk/client-s3")
    assert (found["version"], found["purl"]) == ("1.0.0", "pkg:npm/%40aws-sdk/client-s3@1.0.0")
    assert [each["name"] for each in found["properties"]] == ["penstock:supplied-by"]


def test_each_function_of_a_service_has_its_own_bundle(node_site: Site, tmp_path: Path) -> None:
    made = node_site.build("legacy")
    assert {unit: artifact.functions for unit, artifact in made.items()} == {
        "legacy-api": ("legacy-api",),
        "legacy-jobs": ("legacy-jobs",),
    }
    assert list(contents(made["legacy-api"].path)) == ["app.js"]
    assert run_from(made["legacy-jobs"].path, tmp_path / "t", "async () => require('./app.js').jobs()") == "jobs"


def test_nothing_runs_when_nothing_changed(node_site: Site) -> None:
    node_site.build()
    node_site.commands.run = None  # type: ignore[method-assign, assignment] # whoever runs a program now fails
    assert all(artifact.cached for artifact in node_site.build().values())


def test_an_esbuild_that_is_too_old_for_what_is_asked_of_it_is_left_alone(node_site: Site) -> None:
    """Its program has another package's name, and it knows neither `--alias` nor empty files."""
    manifest = node_site.root / "node_modules/esbuild/package.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": "0.15.18"}))
    shutil.rmtree(node_site.root / "node_modules/@esbuild")
    node_site.build("legacy")
    assert (node_site.cache / "v1/tools").is_dir()


def test_a_lock_that_npm_itself_ignores_in_a_member_of_a_workspace_counts_for_nothing(node_site: Site) -> None:
    before = node_site.recipes()["catalog"]
    node_site.write({"services/catalog/package-lock.json": '{ "lockfileVersion": 3, "packages": {} }'})
    after = node_site.recipes()["catalog"]
    lock = {"lock package-lock.json": before.inputs["lock package-lock.json"]}
    assert {name: value for name, value in after.inputs.items() if name.startswith("lock ")} == lock


def test_names_that_begin_at_baseurl_lead_to_folders_that_are_part_of_the_recipe(node_site: Site) -> None:
    node_site.write(
        {
            "libs/words/one.ts": "export const one = 'FIRST';\n",
            "services/catalog/tsconfig.json": '{ "compilerOptions": { "baseUrl": "../.." } }',
            "services/catalog/src/app.ts": (
                'import { one } from "libs/words/one";\nexport const handler = async () => one;\n'
            ),
        }
    )
    assert "FIRST" in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]
    node_site.write({"libs/words/one.ts": "export const one = 'SECOND';\n"})
    assert "SECOND" in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]


def test_metadata_of_decorators_comes_from_a_typescript_of_ours_when_there_is_none(node_site: Site) -> None:
    node_site.write(
        {
            "tsconfig.base.json": (
                '{ "compilerOptions": { "experimentalDecorators": true, "emitDecoratorMetadata": true } }'
            ),
            "services/catalog/src/app.ts": (
                "const at = (c: object, name: string): void => {};\nclass A { @at x: Date = new Date(); }\n"
                "export const handler = async (): Promise<A> => new A();\n"
            ),
        }
    )
    text = contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]
    assert '"design:type",Date' in text.replace("`", '"')
    node_site.write({"tsconfig.base.json": '{ "compilerOptions": { "experimentalDecorators": true } }'})
    assert "design:type" not in contents(node_site.build("catalog")["catalog"].path)["src/app.mjs"]


def test_a_tsconfig_above_the_service_is_part_of_the_recipe(node_site: Site) -> None:
    before = node_site.recipes()
    node_site.write({"tsconfig.base.json": '{ "compilerOptions": { "target": "es2023" } }'})
    after = node_site.recipes()
    assert before["catalog"].digest != after["catalog"].digest
    assert before["legacy-api"].digest == after["legacy-api"].digest


def test_missing_node_modules_are_installed_from_the_lock(node_site: Site) -> None:
    shutil.rmtree(node_site.root / "node_modules")
    node_site.build("legacy")
    steps = [event.step for event in node_site.heard.events if isinstance(event, StepFinished)]
    assert steps.count("npm install") == 1
    assert (node_site.root / "node_modules/esbuild").is_dir()


def test_a_compilers_error_is_told_once_with_file_and_line(node_site: Site) -> None:
    node_site.write({"services/catalog/src/app.ts": 'export const a = 1;\nimport x from "not-there";\nx();\n'})
    with pytest.raises(BuildFailed) as caught:
        node_site.build("catalog")
    assert caught.value.where == "services/catalog/src/app.ts:2"
    assert str(caught.value).count("Could not resolve") == 1


def test_what_a_package_can_do_without_may_be_missing(node_site: Site, tmp_path: Path) -> None:
    """NestJS's packages ask for many others when they are there; esbuild alone would refuse all of it."""
    needs = {"peerDependencies": {"absent": "*"}, "peerDependenciesMeta": {"absent": {"optional": True}}}
    frame = {
        "package.json": json.dumps({"name": "frame", "version": "1.0.0", **needs}),
        "index.js": "exports.find = (load) => load ? require('absent/deep') : 'without';\n",
    }
    vendor(node_site, {"frame": frame})
    node_site.write({"services/legacy/app.js": "exports.handler = exports.jobs = () => require('frame').find();\n"})
    built_without = node_site.build("legacy")["legacy-api"]
    assert run_from(built_without.path, tmp_path / "t", "async () => require('./app.js').handler()") == "without"
    node_site.write({"node_modules/frame/package.json": json.dumps({"name": "frame", "version": "1.0.0"})})
    node_site.write({"services/legacy/more.js": ""})
    told = 'node_modules/frame/index.js:1: esbuild refused it: Could not resolve "absent/deep"'
    with pytest.raises(BuildFailed, match=re.escape(told)):
        node_site.build("legacy")


def test_a_package_that_looks_for_a_file_of_its_own_lies_beside_the_bundle(node_site: Site, tmp_path: Path) -> None:
    works = {"index.js": "exports.file = require.resolve('./worker.js');\n", "worker.js": "exports.x = 1;\n"}
    vendor(node_site, {"works": works})
    node_site.write(
        {
            "services/legacy/app.js": (
                "exports.handler = exports.jobs = async () => require('path').basename(require('works').file);\n"
            ),
        }
    )
    made = node_site.build("legacy")["legacy-api"]
    assert run_from(made.path, tmp_path / "t", "async () => require('./app.js').handler()") == "worker.js"


def test_a_handler_that_is_not_exported_is_refused(node_site: Site) -> None:
    node_site.write({"services/catalog/src/app.ts": "export const handle = 1;\n"})
    with pytest.raises(BuildFailed, match=r"src/app\.ts does not export handler"):
        node_site.build("catalog")


def test_a_handler_that_plainly_cannot_be_called_is_refused(node_site: Site) -> None:
    node_site.write({"services/catalog/src/app.ts": "export const handler = { fetch: () => 1 };\n"})
    with pytest.raises(BuildFailed, match=r"src/app\.ts: handler is an object, which cannot be called"):
        node_site.build("catalog")


def test_a_handler_that_another_module_defines_is_found(node_site: Site) -> None:
    node_site.write(
        {
            "services/catalog/src/app.ts": 'export * from "./core";\n',
            "services/catalog/src/core.ts": "export const handler = async () => 1;\n",
        }
    )
    node_site.build("catalog")


@pytest.mark.parametrize(
    ("service", "app", "other"),
    [
        ("catalog", 'export { handler } from "./core";\n', "export const other = 1;\n"),
        ("catalog", 'import { handler } from "./core";\nexport { handler };\n', "export const other = 1;\n"),
        ("catalog", 'export { handler } from "./core";\n', "export type handler = () => number;\n"),
        ("legacy", 'export { handler } from "./core";\n', "export interface handler { a: 1 }\n"),
    ],
)
def test_a_handler_that_is_taken_from_where_it_is_not_is_refused(
    service: str, app: str, other: str, node_site: Site
) -> None:
    """Of TypeScript esbuild cannot tell whether that is a type, and leaves it out without a word."""
    folder = {"catalog": "services/catalog/src", "legacy": "services/legacy"}[service]
    (node_site.root / "services/legacy/app.js").unlink()
    node_site.write({f"{folder}/app.ts": app, f"{folder}/core.ts": other})
    with pytest.raises(BuildFailed, match=r"app\.ts does not export handler") as caught:
        node_site.build("catalog" if service == "catalog" else "legacy-api")
    assert caught.value.hint == "export handler where that is taken from; a type is nothing that can be called"


def test_a_handler_of_commonjs_in_an_es_module_is_refused(node_site: Site) -> None:
    """All that it exports is in the bundle's default, where Lambda does not look."""
    (node_site.root / "services/catalog/src/app.ts").unlink()
    node_site.write({"services/catalog/src/app.cjs": "exports.handler = async () => 1;\n"})
    with pytest.raises(BuildFailed, match=r"app\.cjs does not export handler"):
        node_site.build("catalog")


def test_what_a_module_exports_of_another_that_is_in_no_bundle_is_believed(node_site: Site) -> None:
    own = (replace(one, build=BuildOptions(external=("layered",))) for one in node_site.workspace.services)
    node_site.workspace = replace(node_site.workspace, services=tuple(own))
    node_site.write({"services/catalog/src/app.ts": 'export * from "layered";\n'})
    node_site.build("catalog")


@pytest.mark.parametrize(
    ("app", "other", "kind"),
    [
        ('export { handler } from "./core";\n', "export const handler = 1;\n", "a number"),
        ('export { run as handler } from "./core";\n', "export class run {}\n", "a class"),
        ('import { run as handler } from "./core";\nexport { handler };\n', "export const run = 'x';\n", "a text"),
        ('export { default as handler } from "./core";\n', "export default { fetch: () => 1 };\n", "an object"),
        ('export { handler } from "./core";\n', "const x = [1];\nexport { x as handler };\n", "a list"),
    ],
)
def test_a_handler_that_another_module_defines_as_no_function_is_refused(
    app: str, other: str, kind: str, node_site: Site
) -> None:
    node_site.write({"services/catalog/src/app.ts": app, "services/catalog/src/core.ts": other})
    with pytest.raises(BuildFailed, match=rf"src/core\.ts: \w+ is {kind}, which cannot be called"):
        node_site.build("catalog")


def test_a_module_that_the_targets_node_has_not_got_is_refused_or_told(node_site: Site) -> None:
    older = {name: replace(target, version="20") for name, target in node_site.targets.items()}
    app = 'import db from "node:sqlite";\nexport const handler = async () => db;\n'
    node_site.write({"services/catalog/src/app.ts": app})
    with pytest.raises(BuildFailed, match=r"Node\.js 20 has no module node:sqlite") as caught:
        node_site.builder().build(node_site.workspace, ("catalog",), older)
    assert caught.value.where == "services/catalog/src/app.ts:1"
    app = (
        "let db; try { db = require('node:sqlite'); } catch { /* an older one */ }\n"
        "const { New } = require('@aws-sdk/client-that-is-new');\nexports.handler = exports.jobs = () => [db, New];\n"
    )
    node_site.write({"services/legacy/app.js": app})
    (made,) = node_site.builder().build(node_site.workspace, ("legacy-api",), older)
    told = {one.text for one in node_site.heard.events if isinstance(one, Note) and one.level == "warning"}
    assert made.digest
    assert told >= {
        "services/legacy/app.js:1: node:sqlite is no module of Node.js 20, as far as Penstock knows",
        "services/legacy/app.js:2: no package.json names @aws-sdk/client-that-is-new: is it in the runtime's SDK?",
    }


def test_a_file_of_another_service_is_refused(node_site: Site) -> None:
    node_site.write(
        {"services/catalog/src/app.ts": 'export { handler } from "../../legacy/app.js";\n'},
    )
    with pytest.raises(BuildFailed, match=r"takes in services/legacy/app\.js"):
        node_site.build("catalog")


def test_a_service_without_any_dependency_needs_no_lock(tmp_path: Path) -> None:
    alone = Site(tmp_path, workspace(service("one", "app.handler", "node")))
    alone.write({"services/one/app.js": "exports.handler = () => 1;\n"})
    assert list(contents(alone.build()["one"].path)) == ["app.js"]


def test_a_missing_lock_says_what_to_type(node_site: Site) -> None:
    (node_site.root / "package-lock.json").unlink()
    with pytest.raises(BuildFailed) as caught:
        node_site.build("catalog")
    assert "pnpm-lock.yaml, package-lock.json or yarn.lock" in caught.value.what
    assert "npm install" in caught.value.hint


def test_buns_lock_is_refused_with_the_command_that_makes_another_of_it(node_site: Site) -> None:
    (node_site.root / "package-lock.json").rename(node_site.root / "bun.lock")
    with pytest.raises(BuildFailed, match=r"bun\.lock: only pnpm's, npm's and Yarn's locks") as caught:
        node_site.recipes()
    assert "bun install --yarn" in str(caught.value)


def test_a_stale_lock_says_what_to_type(node_site: Site) -> None:
    manifest = node_site.root / "services/catalog/package.json"
    manifest.write_text(manifest.read_text().replace('"@w/made": "*"', '"@w/made": "*", "zod": "4.0.0"'))
    with pytest.raises(BuildFailed) as caught:
        node_site.build("catalog")
    assert "does not fit" in caught.value.what
    assert caught.value.hint.endswith("npm install")


def test_the_bytes_do_not_depend_on_where_the_workspace_lies(node_site: Site, tmp_path: Path) -> None:
    here = node_site.build("catalog")["catalog"]
    elsewhere = tmp_path / "another place" / "w"
    shutil.copytree(node_site.root, elsewhere, symlinks=True, ignore=shutil.ignore_patterns(".penstock", "dist"))
    there = type(node_site)(elsewhere, node_site.workspace).build("catalog")["catalog"]
    assert (there.digest, there.recipe) == (here.digest, here.recipe)


def test_an_interrupted_build_takes_its_programs_with_it(node_site: Site) -> None:
    manifest = node_site.root / "packages/made/package.json"
    manifest.write_text(manifest.read_text().replace("mkdir -p dist", "echo $$ > ../../pid && sleep 60"))
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\nfrom build.conftest import NPM_WORKSPACE\nfrom build.sites import Site\n"
        "Site(Path(sys.argv[1]), NPM_WORKSPACE).build('catalog')\n"
    )
    argv = [sys.executable, "-c", script, str(node_site.root), str(Path(__file__).parents[1])]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    note = node_site.root / "pid"
    assert eventually(lambda: note.exists() and note.read_text().strip().isdigit())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    assert eventually(lambda: not alive(int(note.read_text())))


def test_of_a_lock_only_the_part_touches_a_service_that_it_reaches(node_site: Site) -> None:
    lock = json.loads((node_site.root / "package-lock.json").read_text())

    def touched(**packages: object) -> set[str]:
        """Services that are touched when the lock had these entries as well, or instead, before."""
        before = json.dumps({**lock, "packages": {**lock["packages"], **packages}})
        return set(node_site.builder().affected(node_site.workspace, ["package-lock.json"], lambda _: before))

    assert touched() == set()
    assert touched(**{"node_modules/eslint": {"version": "9.0.0"}}) == set()
    assert touched(**{"node_modules/esbuild": {"version": "0.1.0"}}) == {"catalog", "legacy"}
    shared = {**lock["packages"]["packages/plain"], "dependencies": {"zod": "4"}}
    assert touched(**{"packages/plain": shared, "node_modules/zod": {"version": "4.0.0"}}) == {"catalog"}


def test_a_source_that_is_reached_by_a_link_touches_whom_it_is_linked_into(node_site: Site) -> None:
    node_site.write({"shared/shared.ts": "export const a = 1;\n"})
    (node_site.root / "services/catalog/src/shared.ts").symlink_to("../../../shared/shared.ts")
    touched = node_site.builder().affected(node_site.workspace, ["shared/shared.ts"], lambda _: None)
    assert dict(touched) == {"catalog": ("shared/shared.ts",)}


def test_a_tsconfig_that_is_a_link_within_the_workspace_counts_as_what_it_leads_to(node_site: Site) -> None:
    config = node_site.root / "services/catalog/tsconfig.json"
    node_site.write({"tsconfig.shared.json": config.read_text().replace("../../", "./")})
    config.unlink()
    config.symlink_to("../../tsconfig.shared.json")
    before = node_site.build("catalog")["catalog"]
    node_site.write({"tsconfig.shared.json": '{ "compilerOptions": { "strict": true, "target": "ES2020" } }'})
    assert node_site.build("catalog")["catalog"].recipe != before.recipe
