"""What bundles ask their runtime for: refused when it is certainly not there, told when that is not certain."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from penstock.build import node_runtime
from penstock.build.node_imports import Asked, asked, check_own_modules, is_let, undeclared_sdk
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from penstock.build.metafile import Metafile

Imports = dict[str, str]
APP, LAZY, DEEP = "services/a/src/app.ts", "services/a/src/lazy.ts", "node_modules/deep/index.js"


def made(inputs: dict[str, Imports], output: Imports, *, form: str = "esm") -> Metafile:
    """A metafile: modules by kind that each file asks for, and that the bundle does."""

    def listed(imports: Imports) -> list[dict[str, Any]]:
        return [{"path": path, "kind": kind, "external": path not in inputs} for path, kind in imports.items()]

    kinds = {path: kind if form == "esm" else "require-call" for path, kind in output.items()}
    return {
        "inputs": {path: {"imports": listed(imports)} for path, imports in inputs.items()},
        "outputs": {"o": {"imports": listed(kinds), "inputs": {path: {"bytesInOutput": 9} for path in inputs}}},
    }


SQLITE = "node:sqlite"
STATEMENT, REQUIRE, DYNAMIC = "import-statement", "require-call", "dynamic-import"


@pytest.mark.parametrize("form", ["esm", "cjs"])
def test_what_statements_ask_for_is_asked_for_at_the_start(form: str) -> None:
    meta = made({APP: {LAZY: STATEMENT}, LAZY: {SQLITE: STATEMENT}}, {SQLITE: STATEMENT}, form=form)
    assert asked(meta, APP) == (Asked(module=SQLITE, files=(LAZY,), at_start=True),)
    with pytest.raises(BuildFailed, match=r"Node\.js 20 has no module node:sqlite") as caught:
        check_own_modules(asked(meta, APP), "20", (), lambda _: f'// one\nimport db from "{SQLITE}";\n', where=APP)
    assert caught.value.where == f"{LAZY}:2"
    assert not check_own_modules(asked(meta, APP), "22", (), lambda _: None, where=APP)
    assert not check_own_modules(asked(meta, APP), "20", (SQLITE,), lambda _: None, where=APP)
    assert not check_own_modules(asked(meta, APP), "20", ("node:*",), lambda _: None, where=APP)


def test_of_commonjs_what_is_asked_for_in_its_place_is_only_told() -> None:
    """In a `try`, or in a function that nobody calls: its statement becomes a `require` there."""
    meta = made({APP: {LAZY: DYNAMIC}, LAZY: {SQLITE: STATEMENT}}, {SQLITE: STATEMENT}, form="cjs")
    (found,) = asked(meta, APP)
    assert not found.at_start
    told = check_own_modules((found,), "20", (), lambda _: None, where=APP)
    assert told == (f"{LAZY}: node:sqlite is no module of Node.js 20, as far as Penstock knows",)
    meta = made({APP: {LAZY: DYNAMIC}, LAZY: {SQLITE: STATEMENT}}, {SQLITE: STATEMENT}, form="esm")
    assert asked(meta, APP)[0].at_start, "but all statements of ES modules stand first"


@pytest.mark.parametrize("kind", [REQUIRE, DYNAMIC])
def test_a_require_may_be_in_a_try(kind: str) -> None:
    meta = made({APP: {SQLITE: kind}}, {SQLITE: kind})
    assert len(check_own_modules(asked(meta, APP), "20", (), lambda _: None, where=APP)) == 1
    meta = made({APP: {DEEP: STATEMENT}, DEEP: {SQLITE: kind}}, {SQLITE: kind})
    assert not check_own_modules(asked(meta, APP), "20", (), lambda _: None, where=APP), "of packages not even told"


def test_what_is_shaken_out_of_the_tree_is_asked_for_by_nobody() -> None:
    assert not asked(made({APP: {SQLITE: STATEMENT}}, {}), APP)


@pytest.mark.parametrize(
    ("name", "version", "has"),
    [
        ("fs", "18", "yes"),
        ("sqlite", "20", "no"),
        ("sqlite", "22", "yes"),
        ("sea", "18", "no"),
        ("sea", "20", "yes"),
        ("test", "18", "yes"),
        ("test/reporters", "18", "yes"),
        ("inspector/promises", "18", "no"),
        ("nope", "20", "no"),
        ("nope", "22", "unknown"),
        ("ffi", "24", "unknown"),
    ],
)
def test_modules_come_with_versions(name: str, version: str, has: str) -> None:
    assert node_runtime.has_module(name, version) == has


def test_all_that_the_node_here_has_is_known() -> None:
    script = "console.log(JSON.stringify([process.versions.node, require('module').builtinModules]))"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    version, names = json.loads(done.stdout)
    plain = [name.removeprefix("node:") for name in names]
    major = version.partition(".")[0]
    assert not [name for name in plain if node_runtime.has_module(name, major) == "no"]


def test_a_package_of_that_name_is_none_of_nodes_own() -> None:
    found = [Asked(module=name, files=(APP,), at_start=True) for name in ("sqlite", "test", "nope", "fs")]
    assert not check_own_modules(found, "18", (), lambda _: None, where=APP)
    found = [Asked(module="inspector/promises", files=(APP,), at_start=True)]
    with pytest.raises(BuildFailed, match=r"Node\.js 18 has no module inspector/promises"):
        check_own_modules(found, "18", (), lambda _: None, where=APP)


def told_of(module: str, *, manifests: tuple[str, ...] = (), lock: str = "", let: tuple[str, ...] = ()) -> list[str]:
    found = [Asked(module=module, files=(APP,), at_start=True)]
    return list(undeclared_sdk(found, manifests, lambda: lock, let, lambda _: f'import x from "{module}";'))


def test_a_package_of_the_sdk_that_nobody_names_is_told() -> None:
    said = f"{APP}:1: no package.json names @aws-sdk/client-nope: is it in the runtime's SDK?"
    assert told_of("@aws-sdk/client-nope") == [said]
    assert told_of("@smithy/nope/dist/x.js")
    assert told_of("@aws-sdk/client-nope", lock="node_modules/@aws-sdk/client-nope-control") == [said]


def test_one_that_may_well_be_there_is_not_told() -> None:
    for known in ("@aws-sdk/client-s3", "@aws-sdk/lib-dynamodb/x", "@smithy/types", "@aws-sdk/client-route-53"):
        assert not told_of(known)
    assert not told_of("@aws-sdk/client-new", manifests=("@aws-sdk/client-new",))
    assert not told_of("@aws-sdk/client-new", lock="'@aws-sdk/client-new@3.1.0':")
    assert not told_of("@aws-sdk/client-new", let=("@aws-sdk/*",))
    assert not told_of("left-pad")
    found = [Asked(module="@aws-sdk/client-new", files=(DEEP,), at_start=True)]
    assert not list(undeclared_sdk(found, (), str, (), lambda _: None))


def test_names_and_patterns_let_modules_be() -> None:
    assert is_let("x", ("x",))
    assert is_let("x/y", ("x",))
    assert is_let("@a/b", ("@a/*",))
    assert not is_let("xy", ("x",))
