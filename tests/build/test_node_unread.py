"""Tests, documents and linters' settings among a Node.js service's sources: edits of them rebuild nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from build.bundles import contents

if TYPE_CHECKING:
    from build.sites import Site

IDLE = {
    "src/app.spec.ts": 'import { handler } from "./app";\nexport const spec = handler;\n',
    "src/inner/util.test.mts": "export {};\n",
    "src/__tests__/helper.ts": "export const helper = 'OF TESTS';\n",
    "src/__mocks__/client.json": "{}",
    "docs/how.md": "# How\n",
    ".prettierrc.json": "{}",
    ".eslintrc.cjs": "module.exports = {};\n",
}
APP = "export const handler = async () => 1;\n"


@pytest.fixture
def tested(node_site: Site) -> Site:
    node_site.write({"services/catalog/src/app.ts": APP, **{f"services/catalog/{one}": IDLE[one] for one in IDLE}})
    return node_site


def touched(site: Site, path: str) -> bool:
    return "catalog" in site.builder().affected(site.workspace, [f"services/catalog/{path}"], lambda _: None)


def recipe(site: Site) -> str:
    return site.recipes()["catalog"].digest


@pytest.mark.parametrize("path", IDLE)
def test_what_no_bundle_takes_in_is_no_part_of_the_recipe(path: str, tested: Site) -> None:
    before = recipe(tested)
    place = tested.root / "services/catalog" / path
    place.write_text(IDLE[path] + "\n")
    assert (recipe(tested), touched(tested, path)) == (before, False)
    place.unlink()
    assert (recipe(tested), touched(tested, path)) == (before, False)
    app = tested.root / "services/catalog/src/app.ts"
    app.write_text(f"{APP}// a word\n")
    assert (recipe(tested) == before, touched(tested, "src/app.ts")) == (False, True)


@pytest.mark.parametrize(
    "asks",
    [
        'import { helper } from "./__tests__/helper";',
        'import { helper } from "@/__tests__/helper";',
        "const helper = (name: string) => import(`./${name}`);",
        "const helper = (name: string) => import(/* one of these */ './' + name);",
        'import helper from "../docs/how.md";',
    ],
)
def test_all_of_it_counts_where_a_source_may_ask_for_some_of_it(asks: str, tested: Site) -> None:
    tested.write({"services/catalog/src/more.ts": f"{asks}\nexport const more = helper;\n"})
    for path, text in IDLE.items():
        before = recipe(tested)
        (tested.root / "services/catalog" / path).write_text(text + "\n")
        assert recipe(tested) != before, path
        assert touched(tested, path), path


PATHS = {"@docs/*": ["./docs/*"], "help": ["./src/__tests__/helper"]}
IMPORTS = {"#helper": {"default": "./src/__tests__/helper.ts"}, "#docs/*": "./docs/*.json"}


@pytest.mark.parametrize(
    ("asks", "options"),
    [
        ('import { helper } from "#helper";', {}),
        ('import { helper } from "#docs/openapi";', {}),
        ('import { helper } from "@docs/openapi.json";', {"paths": PATHS}),
        ('import { helper } from "help";', {"paths": PATHS}),
        ('import { helper } from "openapi.json";', {"baseUrl": "docs"}),
        ('const { helper } = await import ("./__tests__/helper");', {}),
    ],
)
def test_a_bundle_may_take_it_in_by_another_name(asks: str, options: dict[str, object], tested: Site) -> None:
    folder = tested.root / "services/catalog"
    manifest = json.loads((folder / "package.json").read_text())
    usual = {"module": "esnext", "moduleResolution": "bundler", "resolveJsonModule": True, "skipLibCheck": True}
    tested.write(
        {
            "services/catalog/package.json": json.dumps({**manifest, "imports": IMPORTS}),
            "services/catalog/tsconfig.json": json.dumps({"compilerOptions": {**usual, **options}}),
            "services/catalog/docs/openapi.json": '{ "helper": "OF TESTS" }',
            "services/catalog/src/app.ts": f"{asks}\nexport const handler = async () => helper;\n",
        }
    )
    made = tested.build("catalog")["catalog"]
    assert "OF TESTS" in contents(made.path)["src/app.mjs"]
    (folder / "docs/how.md").write_text("# Otherwise\n")
    assert recipe(tested) != made.recipe


def test_other_names_that_no_source_asks_by_cost_nothing(tested: Site) -> None:
    tested.write({"services/catalog/tsconfig.json": json.dumps({"compilerOptions": {"paths": PATHS}})})
    before = recipe(tested)
    (tested.root / "services/catalog/docs/how.md").write_text("# Otherwise\n")
    assert recipe(tested) == before


def test_a_tsconfig_of_a_folder_of_the_service_may_lead_to_it(tested: Site) -> None:
    paths = {"compilerOptions": {"paths": {"help": ["../docs/openapi.json"]}}}
    base = {
        "compilerOptions": {
            "module": "esnext",
            "moduleResolution": "bundler",
            "resolveJsonModule": True,
            "skipLibCheck": True,
        }
    }
    tested.write(
        {
            "services/catalog/tsconfig.json": json.dumps(base),
            "services/catalog/src/tsconfig.json": json.dumps({"extends": "./paths.json"}),
            "services/catalog/src/paths.json": json.dumps(paths),
            "services/catalog/docs/openapi.json": '{ "helper": "OF TESTS" }',
            "services/catalog/src/app.ts": 'import x from "help";\nexport const handler = async () => x;\n',
        }
    )
    made = tested.build("catalog")["catalog"]
    assert "OF TESTS" in contents(made.path)["src/app.mjs"]
    (tested.root / "services/catalog/docs/openapi.json").write_text('{ "helper": "OTHERWISE" }')
    assert touched(tested, "docs/openapi.json")
    assert "OTHERWISE" in contents(tested.build("catalog")["catalog"].path)["src/app.mjs"]


@pytest.mark.parametrize(
    ("exports", "module"),
    [
        ({"./spec": "./docs/openapi.json"}, "catalog/spec"),
        ({"./of/*": {"types": "./src/x.d.ts", "default": "./docs/*.json"}}, "catalog/of/openapi"),
        ({".": {"default": ["./docs/openapi.json"]}}, "catalog"),
    ],
)
def test_a_service_may_ask_for_it_by_its_own_name(exports: dict[str, object], module: str, tested: Site) -> None:
    folder = tested.root / "services/catalog"
    manifest = json.loads((folder / "package.json").read_text())
    tested.write(
        {
            "services/catalog/package.json": json.dumps({**manifest, "exports": exports}),
            "services/catalog/docs/openapi.json": '{ "helper": "OF TESTS" }',
            "services/catalog/src/app.ts": f'import x from "{module}";\nexport const handler = async () => x;\n',
        }
    )
    made = tested.build("catalog")["catalog"]
    assert "OF TESTS" in contents(made.path)["src/app.mjs"]
    (folder / "docs/openapi.json").write_text('{ "helper": "OTHERWISE" }')
    assert touched(tested, "docs/openapi.json")
    assert "OTHERWISE" in contents(tested.build("catalog")["catalog"].path)["src/app.mjs"]
