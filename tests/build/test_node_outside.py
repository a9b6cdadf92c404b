"""Types that come from outside a service and its packages: they are in no bundle, but decide what is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from build.sites import Site


def test_types_of_a_package_that_nobody_declares_are_part_of_the_recipe(node_site: Site) -> None:
    """npm puts links to all members into node_modules, whoever asks for them."""
    inner = json.loads((node_site.root / "packages/made/package.json").read_text())
    node_site.write(
        {
            "services/legacy/types.ts": 'import type { used } from "@w/plain";\nexport type Used = typeof used;\n',
            "packages/plain/src/index.ts": 'export type { made as used } from "@w/made";\n',
            "packages/made/package.json": json.dumps({**inner, "types": "src/index.d.ts"}),
            "packages/made/src/index.d.ts": "export declare const made: string;\n",
        }
    )
    found = node_site.recipes()["legacy-api"]
    assert {"types packages/plain/src/index.ts", "types packages/made/src/index.d.ts"} <= found.inputs.keys()
    changed = ["packages/made/src/index.d.ts"]
    assert "legacy" in node_site.builder().affected(node_site.workspace, changed, lambda _: None)
    node_site.write({changed[0]: "export declare const made: number;\n"})
    assert node_site.recipes()["legacy-api"].digest != found.digest


def test_files_that_a_source_references_are_part_of_the_recipe(node_site: Site) -> None:
    node_site.write(
        {
            "services/legacy/types.d.ts": '/// <reference path="../../globals/all.d.ts" />\n',
            "globals/all.d.ts": '/// <reference path="inner/one.d.ts" />\n',
            "globals/inner/one.d.ts": "declare const one: string;\n",
        }
    )
    found = node_site.recipes()["legacy-api"].inputs
    assert {"types globals/all.d.ts", "types globals/inner/one.d.ts"} <= found.keys()


def test_projects_that_a_tsconfig_refers_to_are_part_of_the_recipe(node_site: Site) -> None:
    b = [{"path": "../b/tsconfig.lib.json"}]
    node_site.write(
        {
            "services/legacy/tsconfig.json": '{ "files": [], "references": [{ "path": "./tsconfig.app.json" }] }',
            "services/legacy/tsconfig.app.json": '{ "references": [{ "path": "../../types/a" }, { "path": "../.." }] }',
            "types/a/tsconfig.json": json.dumps({"extends": "./base.json", "references": b}),
            "types/a/base.json": "{}",
            "types/a/index.ts": "export type A = 1;\n",
            "types/b/tsconfig.lib.json": '{ "include": ["inner", "../c"] }',
            "types/b/inner/index.ts": "export type B = 1;\n",
            "types/c/index.d.ts": "export type C = 1;\n",
        }
    )
    paths = ("a/tsconfig.json", "a/base.json", "a/index.ts", "b/tsconfig.lib.json", "b/inner/index.ts", "c/index.d.ts")
    found = node_site.recipes()["legacy-api"].inputs
    assert {f"types types/{path}" for path in paths} <= found.keys()
    assert not any("services/catalog" in name for name in found), "what lies above a service is mostly others'"


def test_types_that_typeroots_hold_or_types_name_are_part_of_the_recipe(node_site: Site) -> None:
    options = {"typeRoots": ["./roots", "../node_modules/@types"], "types": ["node", "../../named", "../../one/file"]}
    node_site.write(
        {
            "services/legacy/tsconfig.json": '{ "extends": "../../tooling/base.json" }',
            "tooling/base.json": json.dumps({"compilerOptions": options}),
            "tooling/roots/glob/package.json": '{ "types": "lib/glob.d.ts" }',
            "tooling/roots/glob/lib/glob.d.ts": '/// <reference path="../../../../globals.d.ts" />\n',
            "globals.d.ts": "declare const GLOB: string;\n",
            "named/index.d.ts": "declare const NAMED: string;\n",
            "one/file.d.ts": "declare const ONE: string;\n",
            "node_modules/@types/extra/index.d.ts": "declare const EXTRA: string;\n",
        }
    )
    found = node_site.recipes()["legacy-api"]
    roots = {f"types tooling/roots/glob/{path}" for path in ("package.json", "lib/glob.d.ts")}
    assert {*roots, "types globals.d.ts", "types named/index.d.ts", "types one/file.d.ts"} <= found.inputs.keys()
    assert not any("node_modules" in name for name in found.inputs), "the lock speaks for these"
    node_site.write({"tooling/roots/new/index.d.ts": "declare const NEW: string;\n"})
    assert node_site.recipes()["legacy-api"].digest != found.digest


def test_configdir_of_a_tsconfig_that_is_extended_means_the_services_folder(node_site: Site) -> None:
    options = {"paths": {"%s/*": ["${configDir}/../../shared/*"]}, "typeRoots": ["${configDir}/../../types"]}
    node_site.write(
        {
            "services/catalog/tsconfig.json": '{ "extends": "../../tooling/base.json" }',
            "tooling/base.json": json.dumps({"compilerOptions": options, "include": ["${configDir}/../../further"]}),
            "services/catalog/src/app.ts": 'import { K } from "%s/k";\nexport const handler = async () => K;\n',
            "shared/k.ts": 'export const K: string = "K1";\n',
            "types/glob/index.d.ts": "declare const GLOB: string;\n",
            "further/more.ts": "declare const MORE: string;\n",
        }
    )
    first = node_site.build("catalog")["catalog"]
    inputs = node_site.recipes()["catalog"].inputs
    assert {"types types/glob/index.d.ts", "types further/more.ts"} <= inputs.keys()
    node_site.write({"shared/k.ts": 'export const K: string = "K2";\n'})
    assert node_site.build("catalog")["catalog"].digest != first.digest
