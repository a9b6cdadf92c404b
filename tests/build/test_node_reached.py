"""What a bundle of Node.js is made of, wherever it lies: a change of it is never missed, or it is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from build.bundles import contents, run_from
from build.sites import Site, service, workspace

from penstock.model.errors import BuildFailed
from penstock.model.events import Note
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = {
    "services/legacy/app.js": (
        "const { created } = require('./events/created'), sample = require('./tests/sample.json');\n"
        "const { version } = require('./package.json');\n"
        "exports.handler = exports.jobs = async () => [created, sample.of, version];\n"
    ),
    "services/legacy/package.json": '{ "name": "legacy", "version": "1.0.0" }',
    "services/legacy/events/created.ts": 'export { created } from "../tests/inner";\n',
    "services/legacy/tests/inner.ts": 'export const created: string = "FIRST";\n',
    "services/legacy/tests/sample.json": '{ "of": "SAMPLE" }',
    "services/legacy/tests/nobodys.ts": "export {};\n",
}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("services/legacy/tests/inner.ts", 'export const created: string = "SECOND";\n'),
        ("services/legacy/tests/sample.json", '{ "of": "SECOND" }'),
        ("services/legacy/package.json", '{ "name": "legacy", "version": "SECOND" }'),
    ],
)
def test_what_is_left_out_by_rule_counts_where_a_source_asks_for_it(
    path: str, content: str, node_site: Site, tmp_path: Path
) -> None:
    node_site.write(EVENTS)
    first = node_site.build("legacy-api")["legacy-api"]
    call = "async () => require('./app.js').handler()"
    assert run_from(first.path, tmp_path / "first", call) == ["FIRST", "SAMPLE", "1.0.0"]
    node_site.write({"services/legacy/tests/nobodys.ts": "export const other = 1;\n"})
    assert node_site.build("legacy-api")["legacy-api"].cached
    node_site.write({path: content})
    assert set(node_site.builder().affected(node_site.workspace, [path], lambda _: None)) == {"legacy"}
    made = node_site.build("legacy-api")["legacy-api"]
    assert not made.cached
    assert "SECOND" in contents(made.path)["app.js"]


def test_a_secret_in_what_is_left_out_by_rule_is_found_where_it_would_ship(node_site: Site) -> None:
    node_site.write({**EVENTS, "services/legacy/tests/sample.json": json.dumps({"of": f"AKIA{'ABCD' * 4}"})})
    with pytest.raises(BuildFailed, match=r"secret|key"):
        node_site.build("legacy-api")


KEY = f"AKIA{'ABCD' * 4}"


def test_a_secret_in_a_source_of_more_than_a_megabyte_is_found(node_site: Site) -> None:
    source = "services/legacy/table.js"
    node_site.write({source: f"module.exports = [\n{'  1,' * 300_000}\n'{KEY}'];\n"})
    with pytest.raises(BuildFailed, match="an AWS access key") as caught:
        node_site.build("legacy-api")
    assert caught.value.where == f"{source}:3"


def test_a_secret_that_a_packages_own_script_writes_into_the_code_is_found_where_it_would_ship(node_site: Site) -> None:
    manifest = node_site.root / "packages/made/package.json"
    inlined = f"echo 'exports.key = \"AKIA'{'ABCD' * 4}'\";' | tee dist/unused.js >> dist/index.js"
    script = json.loads(manifest.read_text())
    script["scripts"]["build"] = f"mkdir -p dist && cp src/index.js dist/index.js && {inlined}"
    manifest.write_text(json.dumps(script))
    with pytest.raises(BuildFailed, match="an AWS access key") as caught:
        node_site.build("catalog")
    assert caught.value.where == "packages/made/dist/index.js:2"
    one, other = node_site.workspace.services
    seen = BuildOptions(reviewed=("packages/made/dist/index.js",))
    node_site.workspace = replace(node_site.workspace, services=(replace(one, build=seen), other))
    assert node_site.build("catalog"), "a person has looked at it; and what nobody reaches does not ship"


def test_what_is_reached_in_a_way_that_nobody_sees_is_refused_by_name(node_site: Site) -> None:
    app = "exports.handler = exports.jobs = (x) => require(`./events/${x}.json`);\n"
    node_site.write({"services/legacy/app.js": app})
    node_site.write({"services/legacy/events/a.json": "{}"})
    with pytest.raises(BuildFailed, match=r"takes in services/legacy/events/a\.json, which is left out by rule"):
        node_site.build("legacy-api")


def test_a_source_that_a_link_leads_to_is_refused_where_it_would_be_bundled(node_site: Site) -> None:
    """What esbuild looks for around it (tsconfigs, manifests, neighbours) is in no recipe."""
    node_site.write({"shared/word.js": "exports.word = 1;\n"})
    (node_site.root / "services/legacy/word.js").symlink_to("../../shared/word.js")
    assert node_site.build("legacy-api"), "nobody asks for it"
    node_site.write({"services/legacy/app.js": "exports.handler = exports.jobs = () => require('./word').word;\n"})
    with pytest.raises(BuildFailed, match=r"takes in shared/word\.js, which is neither in the service nor in"):
        node_site.build("legacy-api")


AROUND = {
    "services/bare/src/app.ts": (
        'import { word } from "#word";\n// @ts-ignore\nimport * as held from "@held/one";\n'
        "export const handler = async () => [word, held.one];\n"
    ),
    "package.json": json.dumps({"name": "w", "imports": {"#word": "./services/bare/src/first.ts"}}),
    "jsconfig.json": json.dumps({"compilerOptions": {"paths": {"@held/*": ["./services/bare/src/*"]}}}),
    "services/bare/src/first.ts": 'export const word = "FIRST";\n',
    "services/bare/src/second.ts": 'export const word = "SECOND";\n',
    "services/bare/src/one.ts": 'export const one = "ONE";\n',
    "services/bare/src/inner/one.ts": 'export const one = "SECOND";\n',
}


@pytest.fixture
def bare(node_site: Site) -> Site:
    """A service that has neither a package.json nor a tsconfig.json of its own, in a folder without a lock."""
    root = node_site.root / "bare"
    (root / ".penstock").mkdir(parents=True)
    site = Site(root, workspace(service("bare", "src/app.handler", "node")))
    site.cache = node_site.cache  # which has an esbuild of ours, at the most
    site.write(AROUND)
    return site


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("package.json", {"name": "w", "imports": {"#word": "./services/bare/src/second.ts"}}),
        ("jsconfig.json", {"compilerOptions": {"paths": {"@held/*": ["./services/bare/src/inner/*"]}}}),
        ("tsconfig.json", {"compilerOptions": {"paths": {"@held/*": ["./services/bare/src/inner/*"]}}}),
    ],
)
def test_what_esbuild_reads_above_a_service_is_part_of_its_recipe(
    path: str, content: dict[str, object], bare: Site
) -> None:
    assert "SECOND" not in contents(bare.build()["bare"].path)["src/app.js"]
    bare.write({path: json.dumps(content)})
    assert set(bare.builder().affected(bare.workspace, [path], lambda _: None)) == {"bare"}
    made = bare.build()["bare"]
    assert not made.cached
    assert "SECOND" in contents(made.path)["src/app.js"]


def test_a_tsconfig_above_the_workspace_is_part_of_the_recipe_where_there_is_none_below(bare: Site) -> None:
    bare.write({"../tsconfig.json": '{ "compilerOptions": { "target": "es2022" } }'})
    (bare.root / "jsconfig.json").unlink()
    bare.write({"services/bare/src/app.ts": "class Held { x = 1; }\nexport const handler = () => new Held();\n"})
    first = bare.build()["bare"]
    bare.write({"../tsconfig.json": '{ "compilerOptions": { "useDefineForClassFields": false } }'})
    made = bare.build()["bare"]
    assert (made.cached, made.digest == first.digest) == (False, False)


def test_what_the_environment_leads_to_is_not_bundled(bare: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.write({"elsewhere/ambient/index.js": "exports.one = 1;\n", "jsconfig.json": "{}"})
    bare.write({"services/bare/src/app.ts": 'import * as a from "ambient";\nexport const handler = async () => a;\n'})
    monkeypatch.setenv("NODE_PATH", str(bare.root / "elsewhere"))
    with pytest.raises(BuildFailed, match='Could not resolve "ambient"'):
        bare.build()


def test_deleting_what_a_service_reaches_touches_it(node_site: Site) -> None:
    node_site.write(EVENTS)
    for path in ("services/legacy/events/created.ts", "tsconfig.json", "jsconfig.json"):
        (node_site.root / path).unlink(missing_ok=True)
        assert "legacy" in node_site.builder().affected(node_site.workspace, [path], lambda _: None)


def test_packages_that_another_lock_speaks_for_build_nothing(node_site: Site) -> None:
    lock = {"name": "legacy", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": {"": {}}}
    manifest = {"name": "w", "private": True, "workspaces": ["services/catalog", "packages/*"]}
    node_site.write({"package.json": json.dumps(manifest), "services/legacy/package-lock.json": json.dumps(lock)})
    node_site.write({"services/legacy/package.json": '{ "name": "legacy", "version": "1.0.0" }'})
    library = node_site.root / "node_modules/@esbuild"
    shutil.rmtree(library)
    (node_site.root / "node_modules/esbuild/package.json").write_text('{ "version": "0.25.0" }')
    assert node_site.build("legacy-api")["legacy-api"].size > 0


STRAY = "const it = require('stray');\nexports.handler = exports.jobs = async () => it;\n"


def test_a_package_above_the_lock_is_refused_because_nobody_would_notice_its_change(node_site: Site) -> None:
    node_site.write({"node_modules/stray/index.js": "", "services/legacy/app.js": STRAY})
    lock = {"name": "legacy", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": {"": {}}}
    manifest = {"name": "w", "private": True, "workspaces": ["services/catalog", "packages/*"]}
    node_site.write({"package.json": json.dumps(manifest), "services/legacy/package-lock.json": json.dumps(lock)})
    with pytest.raises(BuildFailed, match=r"takes in node_modules/stray, for which no lock speaks") as caught:
        node_site.build("legacy-api")
    assert "name stray in the service's package.json" in caught.value.hint


def test_a_package_above_the_workspace_is_refused(bare: Site) -> None:
    bare.write({"../node_modules/stray/index.js": "", "services/bare/src/app.ts": STRAY})
    with pytest.raises(BuildFailed, match=r"takes in \.\./node_modules/stray, for which no lock speaks"):
        bare.build()


PLACED = {
    "services/catalog/src/app.ts": (
        'import { place } from "./place.cjs";\nimport { dirname } from "node:path";\n'
        'import { fileURLToPath } from "node:url";\nconst __dirname = dirname(fileURLToPath(import.meta.url));\n'
        "export const handler = async () => [...place, __dirname];\n"
    ),
    "services/catalog/src/place.cjs": "exports.place = [__dirname, __filename];\n",
}


def test_commonjs_in_an_es_module_knows_the_place_of_the_bundle(node_site: Site, tmp_path: Path) -> None:
    node_site.write(PLACED)
    task = tmp_path / "task"
    answer = run_from(
        node_site.build("catalog")["catalog"].path, task, "async () => (await import('./src/app.mjs')).handler()"
    )
    assert answer == [str(task / "src"), str(task / "src/app.mjs"), str(task / "src")]


def test_what_esbuild_warns_of_in_sources_is_told_with_file_and_line(node_site: Site) -> None:
    app = "exports.handler = exports.jobs = async () => ({ a: 1, a: 2 });\nconst here = import.meta.url;\n"
    node_site.write({"services/legacy/app.js": app})
    node_site.build("legacy")
    told = [event.text for event in node_site.heard.events if isinstance(event, Note) and event.level == "warning"]
    assert any(text.startswith("services/legacy/app.js:1: Duplicate key") for text in told)
    assert any(text.startswith('services/legacy/app.js:2: "import.meta"') for text in told)
    assert len(told) == len(set(told))


def test_a_type_check_that_is_asked_for_again_is_part_of_the_recipe(node_site: Site) -> None:
    first = node_site.recipes()["legacy-api"]
    (catalog, legacy) = node_site.workspace.services
    without = replace(legacy, build=BuildOptions(typecheck=False))
    site = Site(node_site.root, replace(node_site.workspace, services=(catalog, without)))
    assert site.recipes()["legacy-api"].digest != first.digest


APPLY = """\
const fs = require("node:fs");
fs.mkdirSync("node_modules/patched", { recursive: true });
fs.writeFileSync("node_modules/patched/index.js", `exports.word = "${fs.readFileSync("patches/word.patch", "utf8")}";`);
"""


def test_what_scripts_and_patches_of_the_workspace_do_to_packages_is_never_stale(node_site: Site) -> None:
    manifest = json.loads((node_site.root / "package.json").read_text())
    manifest["scripts"] = {"postinstall": "npm run apply", "apply": "node scripts/apply.cjs"}
    app = "const { word } = require('patched');\nexports.handler = exports.jobs = async () => word;\n"
    node_site.write(
        {
            "package.json": json.dumps(manifest),
            "patches/word.patch": "FIRST",
            "scripts/apply.cjs": APPLY,
            "services/legacy/app.js": app,
        }
    )

    def made() -> str:
        return contents(node_site.build("legacy-api")["legacy-api"].path)["app.js"]

    assert "FIRST" in made()
    node_site.write({"patches/word.patch": "SECOND"})
    reached = node_site.builder().affected(node_site.workspace, ["patches/word.patch"], lambda _: None)
    assert "legacy" in reached
    assert "SECOND" in made()
    node_site.write({"scripts/apply.cjs": APPLY.replace("exports.word", "exports.THIRD = exports.word")})
    assert "THIRD" in made()
    (node_site.root / "node_modules/patched/index.js").write_text("exports.word = 'BY HAND';\n")
    builder = node_site.builder()
    builder.forget()
    (clean,) = builder.build(node_site.workspace, ("legacy-api",), node_site.targets)
    assert "THIRD" in contents(clean.path)["app.js"]
