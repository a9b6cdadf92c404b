"""What is said to esbuild and package managers, and what is read from their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.build import metafile, node, node_handlers, node_native, node_reach, package_json, tsconfig
from penstock.model.artifact import Target
from penstock.model.errors import BuildFailed
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Callable


def manifest(**content: object) -> package_json.PackageJson:
    return package_json.package_json(json.dumps(content), where="package.json")


def test_the_bundle_is_one_minified_tree_shaken_file_without_the_sdk() -> None:
    target = Target(language="node", version="20", architecture="arm64")
    command = node.bundle_command(
        Path("esbuild"), Path("/w"), "s/a.ts", Path("/t"), target=target, form="cjs", options=BuildOptions()
    )
    assert set(command.argv) >= {
        "--bundle", "--minify", "--tree-shaking=true", "--platform=node", "--target=node20", "--format=cjs",
        "--external:@aws-sdk/*", "--external:@smithy/*",
    }  # fmt: skip
    assert not any(word.startswith("--banner") for word in command.argv)
    as_module = node.bundle_command(
        Path("esbuild"), Path("/w"), "s/a.ts", Path("/t"), target=target, form="esm", options=BuildOptions()
    )
    assert any("createRequire" in word for word in as_module.argv)


@pytest.mark.parametrize(
    ("handler", "sources", "form", "expected"),
    [
        ("src/app.handler", {"src/app.ts"}, "esm", ("src/app.ts", "src/app.mjs", "handler")),
        ("src/app.handler", {"src/app.js", "src/app.ts"}, "cjs", ("src/app.ts", "src/app.js", "handler")),
        ("index.api.get", {"index.mjs"}, "esm", ("index.mjs", "index.mjs", "api")),
    ],
)
def test_a_handler_leads_to_its_source_and_its_place_in_the_zip(
    handler: str, sources: set[str], form: str, expected: tuple[str, str, str]
) -> None:
    found = node.entry(handler, sources, form, where="service.toml")  # type: ignore[arg-type]
    assert (found.source, found.place, found.export) == expected


@pytest.mark.parametrize("handler", ["src/app.handler", "handler", ""])
def test_a_handler_without_a_source_is_refused(handler: str) -> None:
    with pytest.raises(BuildFailed, match="there is no"):
        node.entry(handler, {"src/other.ts"}, "cjs", where="service.toml")


def test_what_a_module_exports_is_checked() -> None:
    found = node.Entry(source="src/app.ts", place="src/app.js", export="handler")
    names = metafile.exported({"outputs": {"o": {"exports": ["handler", "x"]}}})
    node_handlers.check_esm_export(found, names, b"export{a as handler,x};", where="service.toml")
    node_handlers.check_commonjs_export(found, names, "export const handler = 1", b"export{a as handler};", where="")
    for source in ("exports.handler = async () => {}", "module.exports = { handler }"):
        node_handlers.check_commonjs_export(found, {"default"}, source, b"export{a as default};", where="service.toml")
    with pytest.raises(BuildFailed, match=r"src/app\.ts does not export handler"):
        node_handlers.check_commonjs_export(found, {"handle"}, "export const handle = 1", b"", where="service.toml")


def test_a_file_outside_service_and_packages_is_refused_because_it_could_go_stale() -> None:
    paths = ("services/a/src/app.ts", "node_modules/zod/index.js", "packages/http/src/i.ts")
    meta: dict[str, dict[str, object]] = {"inputs": {path: {} for path in paths}}
    meta["inputs"] |= {"packages/http/dist/made.js": {}, "<define:x>": {}}

    def check() -> None:
        folders, files = ["services/a", "packages/http"], {"services/a/src/app.ts", "packages/http/src/i.ts"}
        made, where = ("packages/http/dist/",), "services/a/src/app.ts"
        node_reach.check_inputs(
            meta, folders, files, made, is_locked=lambda path: not path.startswith("../"), where=where
        )

    check()
    meta["inputs"]["../node_modules/@a/b/index.js"] = {}
    with pytest.raises(BuildFailed, match=r"takes in \.\./node_modules/@a/b, for which no lock speaks") as caught:
        check()
    assert caught.value.hint == "name @a/b in the service's package.json, and lock it"
    del meta["inputs"]["../node_modules/@a/b/index.js"]
    meta["inputs"]["services/b/src/secret.ts"] = {}
    with pytest.raises(BuildFailed, match=r"takes in services/b/src/secret\.ts, which is neither"):
        check()
    del meta["inputs"]["services/b/src/secret.ts"]
    meta["inputs"]["services/a/events/x.ts"] = {}
    with pytest.raises(BuildFailed, match=r"takes in services/a/events/x\.ts, which is left out"):
        check()


def test_each_of_esbuilds_errors_is_told_once_with_its_place_and_nothing_else_is() -> None:
    said = (
        '▲ [WARNING] Duplicate key "a" [duplicate-object-key]\n\n    src/a.ts:1:2:\n      1 │ ({a: 1, a: 2})\n\n'
        '✘ [ERROR] Could not resolve "zodd"\n\n    src/app.ts:3:18:\n      3 │ import z from "zodd"\n\n'
        '✘ [ERROR] Unexpected ";"\n\n    src/b.ts:2:12:\n      2 │   return 1 +;\n        ╵             ^\n\n'
        "1 warning and 2 errors\n"
    )
    error = node.bundle_failure(said.replace("1 warning and 2 errors", "2 errors"), "src/other.ts")
    assert error.where == "src/app.ts:3"
    assert error.what.splitlines() == [
        'esbuild refused it: Could not resolve "zodd"',
        '      3 │ import z from "zodd"',
        'src/b.ts:2: Unexpected ";"',
        "      2 │   return 1 +;",
        "        ╵             ^",
    ]
    assert node.bundle_failure(said, "src/other.ts").what == error.what


def test_what_esbuild_says_in_another_form_is_told_as_it_is() -> None:
    error = node.bundle_failure("panic: runtime error\n\ngoroutine 1\n", "src/app.ts")
    assert (error.where, error.what) == ("src/app.ts", "esbuild refused it:\npanic: runtime error\ngoroutine 1")


def test_scripts_and_versions_that_bytes_do_not_depend_on_do_not_matter() -> None:
    first = manifest(name="a", version="1", scripts={"test": "x"})
    assert first.digest == manifest(name="a", version="2", scripts={"test": "y"}).digest
    assert first.digest != manifest(name="a", type="module").digest
    assert first.digest != manifest(name="a", scripts={"build": "tsc"}).digest
    assert first.requires != manifest(name="a", dependencies={"zod": "4"}).requires


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("tsc -p ../../tsconfig.lib.json", ("../../tsconfig.lib.json",)),
        ("tsup --config=../tsup.config.ts --outDir ../out --outfile=../x.js", ("../tsup.config.ts",)),
        ("node ./x.mjs > ../log.txt 2>>../errors.txt; cat ../in.txt", ("./x.mjs", "../in.txt")),
        ("cp -o ../made.js src/a.js", ("src/a.js",)),
        ("cd .. && npm run compile", ("..",)),
        ("tsc", ()),
    ],
)
def test_a_build_script_is_asked_which_files_it_names_but_not_which_it_writes(
    script: str, named: tuple[str, ...]
) -> None:
    assert manifest(scripts={"build": "npm run inner", "inner": script}).named == named
    assert manifest(scripts={"inner": script}).named == (), "nobody runs it"


def test_a_script_may_run_those_of_the_workspace() -> None:
    assert manifest(scripts={"build": "pnpm -w run compile"}).in_workspace
    assert not manifest(scripts={"build": "tsc --build -walk"}).in_workspace


def test_shared_packages_are_reached_through_each_other_each_after_what_it_needs() -> None:
    packages = {
        "b": manifest(name="b", dependencies={"c": "workspace:*", "zod": "4"}),
        "c": manifest(name="c"),
        "d": manifest(name="d"),
    }
    assert package_json.reached(manifest(name="a", dependencies={"b": "*"}), packages) == ("c", "b")


def test_a_package_whose_entries_are_made_by_its_script_must_be_built_first() -> None:
    built = manifest(
        name="b", exports={".": {"types": "./dist/i.d.ts", "import": "./dist/i.js"}}, scripts={"build": "t"}
    )
    assert package_json.outputs(built, {"src/i.ts": 1}) == ("dist/i.js",)
    assert package_json.outputs(built, {"dist/i.js": 1}) == ()
    plain = manifest(name="b", exports={".": "./src/i.ts"}, scripts={"build": "tsc"})
    assert package_json.outputs(plain, {"src/i.ts": 1}) == ()


def test_tsconfigs_that_others_extend_are_found() -> None:
    text = '{ "extends": ["../../base", "@w/config/strict.json", "@tsconfig/node20/tsconfig.json"] } // comment'
    assert package_json.extended_by("services/a/tsconfig.json", text, {"@w/config": "packages/config"}) == (
        "base.json",
        "packages/config/strict.json",
    )


def test_esbuilds_program_is_that_of_the_machine() -> None:
    assert node.binary_package("linux", "x86_64") == "@esbuild/linux-x64"
    assert node.binary_package("darwin", "arm64") == "@esbuild/darwin-arm64"


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_package_json_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BuildFailed):
        package_json.package_json(text, where="package.json")


def test_a_tsconfig_is_read_with_its_comments_and_commas() -> None:
    text = '{ // why\n "compilerOptions": { "baseUrl": "./src", /* x */ "paths": { '
    text += '"@a/*": ["../libs/*/src", "x/*",], "b": ["b.ts"], }, }, "u": "http://x" }'
    assert tsconfig.aliases("w/tsconfig.json", text, "w") == {
        "*": ("w/src/*",),
        "@a/*": ("w/libs/*/src", "w/src/x/*"),
        "b": ("w/src/b.ts",),
    }
    assert tsconfig.read("not json") == {}


def test_configdir_is_the_folder_of_the_tsconfig_that_extends_the_others() -> None:
    text = (
        '{ "compilerOptions": { "paths": { "~/*": ["${configDir}/src/*", "./x/*"], "up": ["${CONFIGDIR}/../k.ts"] } } }'
    )
    assert tsconfig.aliases("tooling/base.json", text, "services/a") == {
        "~/*": ("services/a/src/*", "tooling/x/*"),
        "up": ("services/k.ts",),
    }
    assert tsconfig.aliases("../base.json", '{"compilerOptions": {"baseUrl": "${configDir}"}}', "a") == {"*": ("a/*",)}


def test_a_tsconfig_elsewhere_for_a_project_means_the_projects_folder_by_configdir() -> None:
    base: dict[str, object] = {
        "include": ["${configDir}/src", "x"],
        "compilerOptions": {"typeRoots": ["${configDir}/t"], "strict": True},
    }
    chain: list[tuple[str, dict[str, object]]] = [("/w/a", {"extends": "../t/base.json"}), ("/w/t", base)]
    found = json.loads(tsconfig.with_sources("/w", "a", {}, [], chain))
    assert found["include"] == ["/w/a/src", "/w/t/x"]
    assert found["compilerOptions"]["typeRoots"] == ["/w/a/t"]
    assert "strict" not in found["compilerOptions"]
    own: dict[str, object] = {"include": ["src"], "compilerOptions": {"typeRoots": ["mine"]}}
    found = json.loads(tsconfig.with_sources("/w", "a", {}, [], [("/w/a", own), ("/w/t", base)]))
    assert not {"include", "typeRoots"} & {*found, *found["compilerOptions"]}


@pytest.mark.parametrize(
    ("module", "alias", "place", "folder"),
    [
        ("@libs/greeting", "@libs/*", "libs/*/src", ("libs/greeting/src",)),
        ("@libs/greeting", "@libs/*", "libs/*/src/index.ts", ("libs/greeting/src",)),
        ("@shared/a/b", "@shared/*", "libs/shared/src/*", ("libs/shared/src",)),
        ("common", "common", "libs/common/index.ts", ("libs/common",)),
        ("common/deep", "common", "libs/common/index.ts", ()),
        ("zod", "@libs/*", "libs/*", ()),
        ("root/commons/a/b", "root/*", "*", ("commons", "commons/a")),
        ("commons/a/b", "*", "*", ("commons", "commons/a")),
        ("zod", "*", "libs/*", ("libs/zod",)),
    ],
)
def test_aliases_lead_to_folders(module: str, alias: str, place: str, folder: tuple[str, ...]) -> None:
    assert tsconfig.leads_to(module, alias, place) == folder


def test_errors_of_types_are_told_from_the_workspaces_root_and_once() -> None:
    line = "src/a.ts(3,7): error TS2322: Type 'x' is wrong.\n  Because of this.\n"
    found = tsconfig.type_errors(f"{line}../b/c.ts(1,1): error TS1: y\nerror TS18003: no inputs\n", "/w", "s/a")
    assert found == [
        "s/a/src/a.ts:3: TS2322: Type 'x' is wrong.\n  Because of this.",
        "s/b/c.ts:1: TS1: y",
        "TS18003: no inputs",
    ]


@pytest.mark.parametrize(
    ("content", "files", "native"),
    [
        ({"gypfile": True}, set(), True),
        ({}, {"binding.gyp"}, True),
        ({"dependencies": {"bindings": "1"}}, set(), True),
        ({"optionalDependencies": {"@img/sharp-linux-x64": "1", "@img/sharp-darwin-arm64": "1"}}, set(), True),
        ({"optionalDependencies": {"fsevents": "1"}}, set(), False),
        ({"dependencies": {"zod": "1"}}, {"index.js"}, False),
    ],
)
def test_packages_with_native_code_are_known_by_what_npm_looks_at(
    content: dict[str, object], files: set[str], *, native: bool
) -> None:
    assert node_native.is_native(content, files) is native


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("index.js", True),
        ("LICENSE.md", True),
        ("README.md", False),
        ("index.d.ts", False),
        ("src/addon.cc", False),
        ("build/Release/addon.node", True),
        ("prebuilds/linux-arm64/a.node", True),
        ("prebuilds/linux-x64/a.node", False),
        ("prebuilds/linux-arm64/a.musl.node", False),
        ("test/a.js", False),
    ],
)
def test_of_a_native_package_goes_what_the_target_needs(path: str, *, kept: bool) -> None:
    target = Target(language="node", version="22", architecture="arm64")
    assert node_native.ships(path, target) is kept


@pytest.mark.parametrize("make", [node.source_map, node.source_map_apart])
@pytest.mark.parametrize("break_", ["\n", " "])
def test_a_source_map_is_the_same_wherever_it_was_made(make: Callable[[bytes, str, str], bytes], break_: str) -> None:
    content = {"version": 3, "sources": ["../../../../../services/a/x].ts"], "mappings": "A", "names": ["é"]}
    # As esbuild writes it: a line for each key.
    lines = (f'"{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in content.items())
    made = make(f"{{{break_}{f',{break_}'.join(lines)}{break_}}}\n".encode(), "/w/.penstock/cache/v1/tmp/x", "/w")
    assert json.loads(made) == {**content, "sources": ["services/a/x].ts"]}


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("lockfileVersion: 5.4", "7"),
        ("lockfileVersion: 5.3", "6"),
        ("lockfileVersion: '6.0'", "8"),
        ("lockfileVersion: '9.0'", "10"),
        ("", "10"),
    ],
)
def test_pnpm_is_one_that_understands_the_lock(line: str, version: str) -> None:
    assert node.pnpm_for(f"{line}\n\nimporters:\n") == version


@pytest.mark.parametrize("manager", ["npm", "pnpm", "yarn"])
def test_neither_installs_nor_scripts_see_whether_a_machine_is_set_to_production(manager: node.Manager) -> None:
    install = node.install_command(manager, (manager,), Path("/w"), {})
    script = node.script_command((manager,), Path("/w"), {})
    assert install.env["NODE_ENV"] == script.env["NODE_ENV"] == ""
    assert set(install.argv) & {"--include=dev", "--prod=false", "--production=false"}
