"""The promises of the graph for TypeScript, with the real esbuild and npm: random workspaces, compared by bytes."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.sites import Site, service, workspace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import SOAKS

from penstock.model.workspace import BuildOptions, Package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.workspace import Service

SERVICES, PACKAGES = ("s0", "s1", "s2"), ("p0", "p1", "p2")
BARE = {
    "services/bare/src/app.ts": (
        'import { alias } from "#alias";\nimport { led } from "@led/it";\nimport { word } from "patched";\n'
        "export const handler = async () => [alias, led, word];\n"
    ),
    **{f"services/bare/src/alias{mark}.ts": f"export const alias = {mark};\n" for mark in range(1, 4)},
    **{f"services/bare/src/led{mark}/it.ts": f"export const led = {mark};\n" for mark in range(1, 4)},
}
"""A service that has neither a package.json nor a tsconfig.json of its own: it is given what lies around it."""
APPLY = """\
const fs = require("node:fs");
fs.mkdirSync("node_modules/patched", { recursive: true });
fs.writeFileSync("node_modules/patched/index.js", `exports.word = "${fs.readFileSync("patches/word.patch", "utf8")}";`);
"""
KINDS: Mapping[str, Mapping[str, object]] = {
    "sources": {"exports": "./src/index.ts"},
    "tsc at the root": {"main": "dist/index.js"},
    "own script": {
        "main": "dist/index.js",
        "scripts": {
            "prebuild": "mkdir -p dist && cp -r src/. dist && echo 'globalThis.pre = 1;' > dist/pre.js",
            "build": "cat dist/index.ts dist/pre.js > dist/index.js && node ../../tools/tail.cjs >> dist/index.js"
            " && echo 'globalThis.own = 1;' >> dist/index.js",
        },
    },
}
"""How a shared package leads to its code."""
GRAPHS = st.fixed_dictionaries(
    {name: st.frozensets(st.sampled_from(PACKAGES)) for name in SERVICES}
    # Packages reach only those after them, so that there is no cycle.
    | {name: st.frozensets(st.sampled_from(PACKAGES[at + 1 :])) for at, name in enumerate(PACKAGES[:-1])}
)
KINDS_OF = st.fixed_dictionaries({name: st.sampled_from(sorted(KINDS)) for name in PACKAGES})
NODE = workspace(
    *(service(name, "src/app.handler", "node") for name in (*SERVICES, "bare")),
    packages=tuple(Package(name=f"@w/{name}", path=f"packages/{name}", language="node") for name in PACKAGES),
)
TAIL = "console.log('globalThis.tail = {};');\n"
EDITED = (
    "extra.ts", "extra/index.ts", "../tests/one.test.ts", "../tsconfig.json", "index.ts", "../events/created.ts",
    "build", "prebuild", "description", "handler", "options",
)  # fmt: skip
AROUND = ("package.json", "jsconfig.json", "patches/word.patch", "tools/tail.cjs")
"""Files of the root that services reach in other ways: by what esbuild looks for, and by what an install does."""
EDITS = st.lists(
    st.tuples(st.sampled_from((*SERVICES, *PACKAGES)), st.sampled_from((*EDITED, *AROUND)), st.integers(1, 3)),
    min_size=1,
    max_size=3,
)


def place(name: str) -> str:
    return f"services/{name}" if name in SERVICES else f"packages/{name}"


def code(name: str, used: frozenset[str], mark: object) -> str:
    """A module that gives a text of its own, and what the packages give that it uses."""
    lines = "".join(f'import {{ value as {one} }} from "@w/{one}";\n' for one in sorted(used))
    value = f"[{json.dumps(f'{name} {mark}')}, {', '.join(sorted(used))}]"
    given_out = f"handler = async () => {value}" if name in SERVICES else f"value = {value}"
    lines += 'import { extra } from "./extra";\nimport { created } from "../events/created";\n'
    other = "export const other = handler;\n" if name in SERVICES else ""
    return f"{lines}export const {given_out};\n{other}export const more = [extra, created];\n"


def wide(root: Path, tools: Path, graph: Mapping[str, frozenset[str]], kinds: Mapping[str, str]) -> Site:
    """An npm workspace of that graph, with its lock; esbuild is one of ours."""
    top = json.loads(around("package.json", 1))
    locked: dict[str, object] = {"": top}
    site = Site(root, NODE)
    site.write({**BARE, "scripts/apply.cjs": APPLY, **{path: around(path, 1) for path in AROUND}})
    for name in (*SERVICES, *PACKAGES):
        used = graph.get(name, frozenset())
        known = {"name": name if name in SERVICES else f"@w/{name}", "version": "1.0.0"}
        needs = {"dependencies": {f"@w/{one}": "*" for one in sorted(used)}} if used else {}
        leads = KINDS[kinds[name]] if name in PACKAGES else {}
        locked[f"node_modules/{known['name']}"] = {"resolved": place(name), "link": True}
        locked[place(name)] = {**known, **needs}
        site.write(
            {
                f"{place(name)}/package.json": json.dumps({**known, **needs, **leads}),
                f"{place(name)}/src/app.ts" if name in SERVICES else f"{place(name)}/src/index.ts": code(name, used, 0),
                f"{place(name)}/src/extra.ts": "export const extra: number = 0;\n",
                f"{place(name)}/events/created.ts": "export const created = 0;\n",
                f"{place(name)}/tsconfig.json": tsconfig(1),
            }
        )
    lock = {"name": "w", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": locked}
    site.write({"package-lock.json": json.dumps(lock)})
    site.cache.joinpath("v1").mkdir(parents=True)
    (site.cache / "v1/tools").symlink_to(tools)
    return site


def around(path: str, mark: int) -> str:
    """What a file of the root says that services reach by other ways than their own manifests."""
    known = {"name": "w", "version": "1.0.0", "private": True, "workspaces": ["services/*", "packages/*"]}
    imports = {"#alias": f"./services/bare/src/alias{mark}.ts"}
    contents = {
        "package.json": {**known, "imports": imports, "scripts": {"postinstall": "node scripts/apply.cjs"}},
        "jsconfig.json": {"compilerOptions": {"paths": {"@led/*": [f"./services/bare/src/led{mark}/*"]}}},
    }
    if path in contents:
        return json.dumps(contents[path])
    return TAIL.format(mark) if path == "tools/tail.cjs" else str(mark)


def tsconfig(mark: int) -> str:
    options = {"outDir": "dist", "rootDir": "src", "target": f"es202{mark}", "useDefineForClassFields": mark > 1}
    return json.dumps({"compilerOptions": options})


def reached(graph: Mapping[str, frozenset[str]], name: str) -> frozenset[str]:
    direct = graph.get(name, frozenset())
    return direct.union(*(reached(graph, one) for one in direct))


def fresh(site: Site) -> set[str]:
    return {unit for unit, made in site.build().items() if not made.cached}


def told(site: Site) -> dict[str, tuple[str, str]]:
    return {unit: (made.recipe, made.digest) for unit, made in site.build().items()}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An esbuild of ours, fetched once."""
    site = Site(tmp_path_factory.mktemp("tools"), workspace(service("one", "app.handler", "node")))
    site.write({"services/one/app.js": "exports.handler = () => 1;\n"})
    site.build()
    return site.cache / "v1/tools"


@settings(max_examples=60 if SOAKS else 4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=GRAPHS, kinds=KINDS_OF, edited=st.sampled_from(PACKAGES), value=st.integers(2, 9))
def test_an_edit_of_a_shared_package_gives_other_bytes_to_exactly_those_who_reach_it(
    tools: Path, graph: dict[str, frozenset[str]], kinds: dict[str, str], edited: str, value: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = wide(Path(folder), tools, graph, kinds)
        before = site.build()
        assert not any(made.cached for made in before.values())
        for path in Path(folder).glob("*/*/src/*.ts"):
            os.utime(path, (value, value))
        assert fresh(site) == set(), "times alone"
        source = f"packages/{edited}/src/index.ts"
        site.write({source: code(edited, graph.get(edited, frozenset()), value)})
        dependants = {name for name in SERVICES if edited in reached(graph, name)}
        assert set(site.builder().affected(site.workspace, [source], lambda _: None)) == dependants
        after = site.build()
        assert {unit for unit, made in after.items() if not made.cached} == dependants
        assert {unit for unit, made in after.items() if made.digest != before[unit].digest} == dependants
        assert fresh(site) == set()


@settings(max_examples=60 if SOAKS else 4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph=GRAPHS, kinds=KINDS_OF, rounds=st.lists(EDITS, min_size=2, max_size=3))
def test_an_incremental_build_of_typescript_equals_a_clean_one(
    tools: Path, graph: dict[str, frozenset[str]], kinds: dict[str, str], rounds: list[list[tuple[str, str, int]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = wide(Path(folder) / "w", tools, graph, kinds)
        site.build()
        for number, edits in enumerate(rounds):
            for name, file, mark in edits:
                edit(site, graph, name, file, mark)
            incremental = told(site)
            # As a fresh checkout elsewhere: nothing is installed, and nothing is known.
            made = shutil.ignore_patterns(".penstock", "node_modules", "dist")
            copied = shutil.copytree(site.root, Path(folder) / f"clean-{number}", ignore=made)
            clean = Site(copied, site.workspace)
            clean.cache.joinpath("v1").mkdir(parents=True)
            (clean.cache / "v1/tools").symlink_to(tools)
            assert incremental == told(clean)


def edit(site: Site, graph: Mapping[str, frozenset[str]], name: str, file: str, mark: int) -> None:
    if file in AROUND:
        site.write({file: around(file, mark)})
        return
    if file in {"build", "prebuild", "description"}:
        edit_manifest(site.root / place(name) / "package.json", file, mark)
        return
    if file in {"handler", "options"}:
        services = (edited_service(one, file, mark) if one.name == name else one for one in site.workspace.services)
        site.workspace = replace(site.workspace, services=tuple(services))
        return
    main = "app.ts" if name in SERVICES else "index.ts"
    contents = {
        "index.ts": code(name, graph.get(name, frozenset()), mark),
        "extra.ts": f"export const extra: number = {mark};\nexport class Field {{ x = {mark}; }}\n",
        "extra/index.ts": f"export const extra: number = {mark}{mark};\n",
        "../tests/one.test.ts": f"{mark}\n",
        "../tsconfig.json": tsconfig(mark),
        "../events/created.ts": f"export const created = {mark};\n",
    }
    if file.startswith("extra"):  # whichever was there before
        (site.root / place(name) / "src/extra.ts").unlink(missing_ok=True)
        shutil.rmtree(site.root / place(name) / "src/extra", ignore_errors=True)
    path = f"{place(name)}/src/{main if file == 'index.ts' else file}"
    site.write({os.path.normpath(path): contents[file]})


def edit_manifest(path: Path, key: str, mark: int) -> None:
    """Another script, where there is one, or another word that nobody reads."""
    manifest = json.loads(path.read_text())
    if key == "description":
        manifest[key] = str(mark)
    elif scripts := manifest.get("scripts"):
        scripts[key] = re.sub(r"= \d;", f"= {mark};", scripts[key])
    path.write_text(json.dumps(manifest))


def edited_service(one: Service, what: str, mark: int) -> Service:
    if what == "options":
        options = (BuildOptions(), BuildOptions(source_maps="inside"), BuildOptions(external=("@w/p2",)))
        return replace(one, build=options[mark - 1])
    handler = "src/app.other" if mark > 1 else "src/app.handler"
    return replace(one, functions=tuple(replace(function, handler=handler) for function in one.functions))
