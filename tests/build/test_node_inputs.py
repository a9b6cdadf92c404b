"""A pnpm workspace with a catalog, types, aliases, texts and native code; Yarn's two kinds of workspaces."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from build.meanwhile import Meanwhile, switch
from build.sites import Site, service, workspace

from penstock.model.errors import BuildFailed
from penstock.model.workspace import BuildOptions, Package
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TSCONFIG = {
    "compilerOptions": {
        "strict": True,
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "skipLibCheck": True,
        "experimentalDecorators": True,
        "resolveJsonModule": True,
        "allowArbitraryExtensions": True,
        "baseUrl": ".",
        "paths": {"@libs/*": ["libs/*/src"], "@unused/*": ["unused/*"]},
    }
}
APP = """\
import { crc32 } from "@node-rs/crc32";
import { greet } from "@libs/greeting";
import table from "./table.json";
import query from "./query.sql";

function logged(_: object, __: string, descriptor: PropertyDescriptor): PropertyDescriptor { return descriptor; }
class Service { @logged run(): string { return greet(query.trim()); } }
export const handler = async (): Promise<unknown> => [new Service().run(), table.rows, crc32("x")];
"""
REFLECT = "services/web/node_modules/reflect-metadata/Reflect.js"


@pytest.fixture(scope="module")
def pnpm_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("pnpm"), workspace(service("web", "src/app.handler", "node")))
    site.write(
        {
            "package.json": json.dumps(
                {"name": "w", "version": "1.0.0", "private": True, "packageManager": "pnpm@10.34.9"}
            ),
            "pnpm-workspace.yaml": 'packages: ["services/*"]\ncatalog:\n  esbuild: 0.28.2\n  typescript: 5.9.3\n',
            "tsconfig.json": "// paths are for all\n" + json.dumps(TSCONFIG),
            "libs/greeting/src/index.ts": "export const greet = (whom: string): string => `hello ${whom}`;\n",
            "unused/file.ts": "export {};\n",
            "commons/words/one.ts": 'export { two as one } from "../numbers";\n',
            "commons/numbers.ts": "export const two: number = 2;\n",
            "services/web/package.json": json.dumps(
                {
                    "name": "web",
                    "type": "module",
                    "dependencies": {"@node-rs/crc32": "1.10.6", "reflect-metadata": "0.2.2", "w": "workspace:^"},
                    "devDependencies": {"esbuild": "catalog:", "typescript": "catalog:"},
                }
            ),
            "services/web/tsconfig.json": '{ "extends": "../../tsconfig.json", "include": ["src"] }',
            "services/web/src/app.ts": APP,
            "services/web/src/table.json": '{ "rows": 3 }',
            "services/web/src/query.sql": "world\n",
            "services/web/src/texts.d.ts": 'declare module "*.sql" { const text: string; export default text; }\n',
        }
    )
    lock(site, "pnpm", "install", "--lockfile-only")
    site.build()  # installs
    return site.root


@pytest.fixture
def web(pnpm_root: Path, tmp_path: Path) -> Site:
    root = tmp_path / "w"
    shutil.copytree(pnpm_root, root, symlinks=True)
    return Site(root, workspace(service("web", "src/app.handler", "node")))


def lock(site: Site, manager: str, *words: str) -> None:
    """Let the product's own package manager write the lock."""
    from build.sites import Wall  # noqa: PLC0415

    from penstock.adapters.builder_cache import ZipCache  # noqa: PLC0415 - a helper's own need
    from penstock.adapters.builder_files import SourceFiles  # noqa: PLC0415
    from penstock.adapters.node_tools import NodeTools  # noqa: PLC0415

    files = SourceFiles(site.root, site.cache / "v1/files.json", Wall())
    tools = NodeTools(site.root, site.commands, ZipCache(site.cache, files), site.heard, Wall())
    tool = tools.tool(manager, site.root)  # type: ignore[arg-type]
    result = site.commands.run(Command(argv=(*tool.program, *words), cwd=site.root, env=tool.env, timeout=300))
    assert result.status == 0, result.stdout + result.stderr


def options(site: Site, **more: object) -> Site:
    web = replace(site.workspace.services[0], build=BuildOptions(**more))  # type: ignore[arg-type]
    return Site(site.root, replace(site.workspace, services=(web, *site.workspace.services[1:])))


def call(path: str, place: str, into: Path) -> object:
    """Unpack an artifact elsewhere and call its handler."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(into)
    script = f"import('{into / place}').then(m => m.handler({{}})).then(x => console.log(JSON.stringify(x)))"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True, cwd=into)
    return json.loads(done.stdout)


def steps(site: Site) -> list[str]:
    return [event.to_json()["step"] for event in site.heard.events if event.name == "step-finished"]


def names(path: str) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_catalogs_aliases_decorators_texts_and_native_code_work_together(web: Site, tmp_path: Path) -> None:
    built = web.build()["web"]
    assert call(built.path, "src/app.mjs", tmp_path / "out") == ["hello world", 3, 2363233923]
    found = names(built.path)
    assert "node_modules/@node-rs/crc32/package.json" in found
    assert any(name.endswith("crc32.linux-x64-gnu.node") for name in found)
    assert not any(name.endswith((".md", ".d.ts", ".map")) for name in found)


def test_native_code_is_that_of_the_target_and_not_of_this_machine(web: Site) -> None:
    targets = {"web": replace(web.targets["web"], architecture="arm64")}
    (built,) = web.builder().build(web.workspace, None, targets)
    natives = {name for name in names(built.path) if name.endswith(".node")}
    assert {name.rpartition("/")[2] for name in natives} == {"crc32.linux-arm64-gnu.node"}


def test_a_patch_is_applied_to_packages_as_the_lock_has_them(web: Site) -> None:
    manifest = json.loads((web.root / "package.json").read_text())
    app = 'import "reflect-metadata";\nexport const handler = async (): Promise<unknown> => 1;\n'
    web.write(
        {
            "package.json": json.dumps({**manifest, "scripts": {"postinstall": "sh scripts/apply.sh"}}),
            # Not in place: pnpm's files are one with those of its store.
            "scripts/apply.sh": f"cat {REFLECT} patches/words.patch > made && rm {REFLECT} && mv made {REFLECT}\n",
            "patches/words.patch": "\nglobalThis.FIRST = 1;\n",
            "services/web/src/app.ts": app,
        }
    )
    site = options(web, typecheck=False)
    with zipfile.ZipFile(site.build()["web"].path) as archive:
        assert b"FIRST" in archive.read("src/app.mjs")
    web.write({"patches/words.patch": "\nglobalThis.SECOND = 1;\n"})
    with zipfile.ZipFile(site.build()["web"].path) as archive:
        found = archive.read("src/app.mjs")
    assert (b"FIRST" in found, b"SECOND" in found) == (False, True)


def test_only_aliases_that_the_sources_speak_of_are_part_of_the_recipe(web: Site) -> None:
    inputs = web.recipes()["web"].inputs
    assert "package libs/greeting/src: index.ts" in inputs
    assert not any("unused" in name for name in inputs)
    web.write({"libs/greeting/src/index.ts": "export const greet = (whom: string): string => whom;\n"})
    assert not web.build()["web"].cached


def test_a_service_may_depend_on_the_workspaces_root_as_a_package(web: Site, tmp_path: Path) -> None:
    app = 'import { one } from "w/commons/words/one";\nexport const handler = async (): Promise<unknown> => one;\n'
    web.write({"services/web/src/app.ts": app})
    assert call(web.build()["web"].path, "src/app.mjs", tmp_path / "out") == 2
    web.write({"commons/numbers.ts": "export const two: number = 22;\n"})
    assert call(web.build()["web"].path, "src/app.mjs", tmp_path / "again") == 22


INJECTED = """\
import "reflect-metadata";
import { one } from "w/commons/words/one";
import { Clock, Level, type Shape, Named } from "./types";

const Injectable = (): ClassDecorator => () => undefined;
const Column = (): PropertyDecorator => () => undefined;

@Injectable()
export class Service {
  @Column() level: Level = Level.high;
  constructor(readonly clock: Clock, readonly shape: Shape, readonly named: Named, readonly text: string) {}
}

export const handler = async (): Promise<unknown> => {
  const types = [...Reflect.getMetadata("design:paramtypes", Service) as Function[]];
  const level = Reflect.getMetadata("design:type", Service.prototype, "level") as Function;
  return [...types, level].map((one) => one.name).concat(String(types[0] === Clock), String(one));
};
"""
TYPES = """\
export class Clock {}
export enum Level { low, high }
export interface Shape { sides: number }
export interface Named { name: string }
"""
"""`Named` is not imported as a type: only who knows the types can tell that it is none of the values."""


@pytest.fixture
def injected(web: Site) -> Site:
    """The service, with decorators whose metadata are wanted."""
    extended = {
        "extends": "../../tsconfig.json",
        "compilerOptions": {"emitDecoratorMetadata": True, "target": "es2022"},
    }
    web.write(
        {
            "services/web/src/app.ts": INJECTED,
            "services/web/src/types.ts": TYPES,
            "services/web/tsconfig.json": json.dumps({**extended, "include": ["src"]}),
        }
    )
    return web


def test_decorators_have_the_metadata_that_the_types_give(injected: Site, tmp_path: Path) -> None:
    built = injected.build()["web"]
    told = ["Clock", "Object", "Object", "String", "Number", "true", "2"]
    assert call(built.path, "src/app.mjs", tmp_path / "out") == told
    copy = Site(shutil.copytree(injected.root, tmp_path / "elsewhere", symlinks=True), injected.workspace)
    shutil.rmtree(copy.cache / "v1/index/artifact")
    assert copy.build()["web"].digest == built.digest
    injected.write({"services/web/src/types.ts": TYPES.replace("interface Named { name: string }", "class Named {}")})
    told[2] = "Named"  # a type of another file changes the metadata
    assert call(injected.build()["web"].path, "src/app.mjs", tmp_path / "again") == told


def test_types_from_outside_are_part_of_the_recipe_of_metadata(injected: Site, tmp_path: Path) -> None:
    web = options(injected, typecheck=False)
    types = TYPES.replace("export interface Named { name: string }", "export type Named = Id;")
    web.write(
        {
            "services/web/src/types.ts": f'import type {{ Id }} from "../../../shared/ids";\n{types}',
            "shared/ids.ts": 'export type { Id } from "./inner";\n',
            "shared/inner.d.ts": "export type Id = string;\n",
        }
    )
    assert call(web.build()["web"].path, "src/app.mjs", tmp_path / "out")[2] == "String"  # type: ignore[index]
    web.write({"shared/inner.d.ts": "export type Id = number;\n"})
    assert set(web.builder().affected(web.workspace, ["shared/inner.d.ts"], lambda _: None)) == {"web"}
    assert call(web.build()["web"].path, "src/app.mjs", tmp_path / "again")[2] == "Number"  # type: ignore[index]
    web.write({"hidden/ids.d.ts": "type Id = number;\n"})
    web.write({"services/web/src/types.ts": f'/// <reference path="../../../hidden/ids.d.ts" />\n{types}'})
    assert "types hidden/ids.d.ts" in web.recipes()["web"].inputs
    roots = {"emitDecoratorMetadata": True, "target": "es2022", "typeRoots": ["../.."], "types": ["hidden"]}
    web.write(
        {
            "hidden/package.json": '{ "types": "ids.d.ts" }',
            "services/web/src/types.ts": types,
            "services/web/tsconfig.json": json.dumps({"extends": "../../tsconfig.json", "compilerOptions": roots}),
        }
    )
    with pytest.raises(BuildFailed, match=r"the metadata of decorators comes from hidden/ids\.d\.ts"):
        web.build()


def test_types_that_a_tsconfig_takes_from_outside_are_part_of_the_recipe(web: Site) -> None:
    project = {"extends": "../../tsconfig.json", "include": ["src", "../../ambient", "../../services"]}
    web.write(
        {
            "services/web/tsconfig.json": json.dumps({**project, "files": ["../../one/a.d.ts"]}),
            "ambient/inner/b.d.ts": "declare const b: string;\n",
            "one/a.d.ts": "declare const a: string;\n",
        }
    )
    found = web.recipes()["web"]
    assert {"types ambient/inner/b.d.ts", "types one/a.d.ts"} <= found.inputs.keys()
    web.write({"ambient/inner/b.d.ts": "declare const b: number;\n"})
    assert web.recipes()["web"].digest != found.digest


def test_source_maps_of_files_with_metadata_lead_to_the_sources(injected: Site) -> None:
    injected.build()
    found = json.loads((injected.root / ".penstock/source-maps/web/src/app.mjs.map").read_text())
    at = found["sources"].index("services/web/src/app.ts")
    assert found["sourcesContent"][at] == INJECTED


def test_an_error_in_a_file_with_metadata_is_told_with_its_line(injected: Site) -> None:
    web = options(injected, typecheck=False)
    web.write({"services/web/src/app.ts": INJECTED.replace('"reflect-metadata"', '"not-there"')})
    with pytest.raises(BuildFailed, match="Could not resolve") as caught:
        web.build()
    assert caught.value.where == "services/web/src/app.ts:1"
    web.write({"services/web/src/app.ts": f'{INJECTED}\nexport * from "./nowhere";\n'})
    with pytest.raises(BuildFailed) as caught:
        web.build()
    assert caught.value.where == "services/web/src/app.ts:20"
    web.write({"services/web/src/app.ts": INJECTED.replace("async ()", "async (")})
    with pytest.raises(BuildFailed) as caught:
        web.build()
    assert caught.value.where == "services/web/src/app.ts:14"


def test_packages_are_installed_once_though_pnpms_own_copy_of_the_lock_is_written_in_another_way(web: Site) -> None:
    text = (web.root / "pnpm-lock.yaml").read_text()
    web.write({"pnpm-lock.yaml": f"# a word\n{text}"})
    web.build()
    assert "pnpm install" in steps(web)
    web.write({"services/web/src/app.ts": f"{APP}// a word\n"})
    web.build()
    assert "build web" in steps(web)
    assert "pnpm install" not in steps(web)
    (web.root / "node_modules/.pnpm/lock.yaml").write_text(f"{text}# another\n")
    web.write({"services/web/src/app.ts": f"{APP}// another\n"})
    web.build()
    assert "pnpm install" in steps(web), "somebody has installed something else"


def test_types_are_checked_once_as_a_step_of_their_own(web: Site) -> None:
    web.write({"services/web/src/app.ts": f"{APP}// a word\n"})
    web.build()
    assert "check types" in steps(web)
    shutil.rmtree(web.cache / "v1/index/artifact")
    web.build()
    assert "check types" not in steps(web)


def test_types_that_were_right_for_other_sources_do_not_count_as_right_for_these(web: Site) -> None:
    wrong = {"services/web/src/app.ts": f"{APP}export const wrong: number = 'a text';\n"}
    web.write(wrong)
    web.commands = Meanwhile("--noEmit", before=switch(web, {"services/web/src/app.ts": APP}))
    web.build()
    web.write(wrong)
    with pytest.raises(BuildFailed, match="not assignable"):
        web.build()


def test_types_that_were_right_for_other_sources_only_while_they_were_checked_are_checked_once_more(web: Site) -> None:
    wrong = {"services/web/src/app.ts": f"{APP}export const wrong: number = 'a text';\n"}
    web.write(wrong)
    right = {"services/web/src/app.ts": APP}
    web.commands = Meanwhile("--noEmit", before=switch(web, right), after=switch(web, wrong))
    with pytest.raises(BuildFailed, match="not assignable"):
        web.build()


def test_no_step_says_that_types_were_checked_which_an_old_typescript_could_not(web: Site) -> None:
    """Before 5.6 it checks projects with references only by writing what they are made into."""
    manifest = web.root / "services/web/node_modules/typescript/package.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": "5.2.2"}))
    solution = {"extends": "../../tsconfig.json", "files": []}
    web.write(
        {
            "services/web/src/app.ts": f"{APP}// a word\n",
            "services/web/tsconfig.json": json.dumps({**solution, "references": [{"path": "./tsconfig.app.json"}]}),
            "services/web/tsconfig.app.json": '{ "extends": "./tsconfig.json", "include": ["src"] }',
        }
    )
    web.build()
    assert "build web" in steps(web)
    assert "check types" not in steps(web)


@pytest.mark.parametrize("included", [{"include": ["src"]}, {}], ids=["include", "nothing said"])
def test_types_of_a_package_that_only_tsc_at_the_root_would_make_are_those_of_its_sources(
    web: Site, included: Mapping[str, object]
) -> None:
    app = 'import { one } from "@made/one";\nexport const handler = async (): Promise<{}> => one.toFixed(2);\n'
    options = {"outDir": "dist", "rootDir": "src", "composite": True}
    references = {"extends": "../../tsconfig.json", "references": [{"path": "../../made/one"}], **included}
    paths = {"baseUrl": "../..", "paths": {"@made/*": ["made/*"]}}
    web.write(
        {
            "made/one/package.json": '{ "name": "@made/one", "main": "dist/index.js", "types": "dist/index.d.ts" }',
            "made/one/tsconfig.json": json.dumps({"extends": "../../tsconfig.json", "compilerOptions": options}),
            "made/one/src/index.ts": "export const one: number = 1;\n",
            "services/web/src/app.ts": app,
            "services/web/tsconfig.json": json.dumps({**references, "compilerOptions": {"rootDir": "src", **paths}}),
        }
    )
    web.build()
    assert "check types" in steps(web)
    web.write({"made/one/src/index.ts": 'export const one: string = "1";\n'})
    with pytest.raises(BuildFailed, match=r"TS\d+: Property 'toFixed' does not exist on type 'string'") as caught:
        web.build()
    assert caught.value.where == "services/web/src/app.ts:2"


def test_a_cached_artifact_is_not_believed_for_tests_that_came_since(web: Site) -> None:
    test = "services/web/src/app.test.ts"
    made = web.build()["web"]
    web.write({test: "export const wrong: number = 'x';\n"})
    for _ in range(2):
        with pytest.raises(BuildFailed, match="TS2322") as caught:
            web.build()
        assert caught.value.where == f"{test}:1"
    assert options(web, typecheck=False).recipes()["web"].inputs.keys() - web.recipes()["web"].inputs.keys() == {
        "option typecheck"
    }
    web.write({test: "export const wrong: number = 1;\n"})
    again = web.build()["web"]
    assert (again.recipe, again.digest) == (made.recipe, made.digest)
    assert web.build()["web"].cached
    web.write({"services/web/docs/how.md": "# How\n"})
    assert web.build()["web"].cached
    (web.root / test).unlink()
    assert web.build()["web"].cached


def test_an_error_of_types_is_told_with_file_and_line(web: Site) -> None:
    web.write({"services/web/src/app.ts": APP + "export const wrong: number = greet('x');\n"})
    with pytest.raises(BuildFailed, match="TS2322") as caught:
        web.build()
    assert caught.value.where == "services/web/src/app.ts:9"
    assert not options(web, typecheck=False).build()["web"].cached


def test_source_maps_are_kept_apart_put_inside_or_left_out(web: Site, tmp_path: Path) -> None:
    web.write({"services/web/src/app.ts": f"{APP}// another word\n"})
    apart = web.root / ".penstock/source-maps/web/src/app.mjs.map"
    shutil.rmtree(apart.parent, ignore_errors=True)
    assert not any(name.endswith(".map") for name in names(web.build()["web"].path))
    assert "services/web/src/app.ts" in json.loads(apart.read_text())["sources"]
    built = options(web, source_maps="inside").build()["web"]
    with zipfile.ZipFile(built.path) as archive:
        inside = json.loads(archive.read("src/app.mjs.map"))
        assert archive.read("src/app.mjs").endswith(b"\n//# sourceMappingURL=app.mjs.map\n")
    assert "services/web/src/app.ts" in inside["sources"]
    copy = Site(shutil.copytree(web.root, tmp_path / "elsewhere", symlinks=True), web.workspace)
    assert options(copy, source_maps="inside").build()["web"].digest == built.digest


def test_externals_stay_out_of_the_zip(web: Site) -> None:
    built = options(web, external=("@node-rs/crc32",)).build()["web"]
    assert names(built.path) == {"src/app.mjs"}


def test_a_package_can_lie_beside_the_bundle_on_request(web: Site) -> None:
    assert "node_modules/@node-rs/crc32/index.js" in names(
        options(web, unbundled=("@node-rs/crc32",)).build()["web"].path
    )


YARN = {
    "services/web/package.json": json.dumps({"name": "web", "dependencies": {"@w/shared": "1.0.0"}}),
    "services/web/app.ts": 'import { one } from "@w/shared";\nexport const handler = async () => one;\n',
    "packages/shared/package.json": json.dumps({"name": "@w/shared", "version": "1.0.0", "main": "index.ts"}),
    "packages/shared/index.ts": "export const one: number = 1;\n",
}


@pytest.mark.parametrize(
    ("manifest", "more"),
    [({}, {}), ({"packageManager": "yarn@4.9.2"}, {".yarnrc.yml": "nodeLinker: node-modules\n"})],
    ids=["classic", "berry"],
)
def test_a_workspace_of_yarns_is_installed_from_its_lock(
    manifest: Mapping[str, str], more: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YARN_CACHE_FOLDER", str(tmp_path / "yarn"))  # another Yarn's half-made one spoils all of it
    shared = (Package(name="@w/shared", path="packages/shared", language="node"),)
    site = Site(tmp_path / "w", workspace(service("web", "app.handler", "node"), packages=shared))
    root = {
        "name": "w",
        "private": True,
        "workspaces": ["services/*", "packages/*"],
        "devDependencies": {"esbuild": "0.28.2"},
    }
    berry = "__metadata:\n  version: 8\n" if manifest else "# yarn lockfile v1\n"
    site.write({"package.json": json.dumps({**root, **manifest}), "yarn.lock": berry, **YARN, **more})
    lock(site, "yarn", "install", *(["--mode=update-lockfile"] if manifest else ["--ignore-scripts"]))
    shutil.rmtree(site.root / "node_modules", ignore_errors=True)
    assert call(site.build()["web"].path, "app.js", tmp_path / "out") == 1
    assert "yarn install" in steps(site)
    site.write({"package.json": json.dumps({**root, **manifest, "dependencies": {"ms": "2.1.3"}})})
    site.write({"services/web/app.ts": f"{YARN['services/web/app.ts']}// more\n"})
    with pytest.raises(BuildFailed, match="the lock does not fit the manifests"):
        site.build()


def test_yarns_plug_n_play_says_what_to_write(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("web", "app.handler", "node")))
    site.write({"package.json": "{}", "yarn.lock": "__metadata:\n  version: 8\n", **YARN})
    with pytest.raises(BuildFailed, match="Plug'n'Play") as caught:
        site.build()
    assert "nodeLinker: node-modules" in caught.value.hint
