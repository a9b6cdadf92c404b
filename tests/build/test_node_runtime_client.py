"""Bundles as Lambda loads them: under its own runtime interface client, with which the embedded AWS has to agree."""

from __future__ import annotations

import json
import platform
import tarfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from build.native import ARM64, X86_64
from build.runtime_client import ARN, bootstrap_answer_of, node_answer_of
from build.sites import Site, service, workspace
from build.test_node_inputs import lock

from penstock.adapters.commands import RealCommands
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock.model.workspace import Architecture

CLIENT = "aws-lambda-ric@3.3.0"
HOST: Architecture = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
MACHINES: Mapping[Architecture, int] = {"x86_64": X86_64, "arm64": ARM64}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client as npm has it, not compiled."""
    folder = tmp_path_factory.mktemp("client")
    commands = RealCommands()
    npm = commands.find("npm")
    if npm is None:
        pytest.skip("npm is not on this machine")
    result = commands.run(Command(argv=(str(npm), "pack", CLIENT, "--prefer-offline"), cwd=folder, timeout=300))
    assert result.status == 0, result.stderr
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    (folder / "package/dist/rapid-client.node").touch()
    return folder / "package"


# ------------------------------------------------------------------------------------------ what is built


ESM = """\
import { crc32 } from "@node-rs/crc32";
import { hashSync, compareSync } from "bcrypt";
export const handler = async (event: { text: string }, context: { invokedFunctionArn: string }) =>
  [crc32(event.text), compareSync(event.text, hashSync(event.text, 4)), context.invokedFunctionArn];
"""
CJS = """\
const { crc32 } = require("@node-rs/crc32");
const { hashSync, compareSync } = require("bcrypt");
exports.api = { handler: async (event, context) =>
  [crc32(event.text), compareSync(event.text, hashSync(event.text, 4)), context.invokedFunctionArn] };
"""
HANDLERS = {"esm": "src/deep/app.handler", "cjs": "app.api.handler"}


@pytest.fixture(scope="module")
def natives(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Services with packages of the two real kinds: native code in packages by platform, and prebuilt in one."""
    services = [service(name, handler, "node") for name, handler in HANDLERS.items()]
    site = Site(tmp_path_factory.mktemp("natives"), workspace(*services))
    root = {"name": "w", "private": True, "workspaces": ["services/*"], "devDependencies": {"esbuild": "0.28.2"}}
    needs = {"dependencies": {"@node-rs/crc32": "1.10.6", "bcrypt": "6.0.0"}}
    site.write(
        {
            "package.json": json.dumps(root),
            "services/esm/package.json": json.dumps({"name": "esm", "type": "module", **needs}),
            "services/esm/src/deep/app.ts": ESM,
            "services/cjs/package.json": json.dumps({"name": "cjs", **needs}),
            "services/cjs/app.js": CJS,
        }
    )
    lock(site, "npm", "install", "--package-lock-only", "--no-audit")
    return site


@pytest.mark.parametrize("architecture", MACHINES)
def test_native_code_is_for_the_target_and_runs_under_lambdas_client_where_this_machine_can(
    natives: Site, client: Path, architecture: Architecture, tmp_path: Path
) -> None:
    targets = {name: replace(target, architecture=architecture) for name, target in natives.targets.items()}
    for artifact in natives.builder().build(natives.workspace, None, targets):
        root = tmp_path / artifact.unit
        with zipfile.ZipFile(artifact.path) as archive:
            archive.extractall(root)  # noqa: S202 - a ZIP of ours
        libraries = list(root.rglob("*.node"))
        assert {path.name.split(".")[0] for path in libraries} == {"crc32", "bcrypt"}
        assert len(libraries) == 2
        assert {int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries} == {MACHINES[architecture]}
        if architecture == HOST:
            for ask in (lambda *words: node_answer_of(client, *words), bootstrap_answer_of):
                answer = ask(HANDLERS[artifact.unit], {"text": "x"}, root)
                assert answer == {"response": [2363233923, True, ARN]}, artifact.unit


# ------------------------------------------------------------------------------------------ what is loaded


ES, COMMON = "export const handler = async (e) => e;\n", "exports.handler = async (e) => e;\n"
TYPE = {"package.json": '{"type": "module"}'}
FORMS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "a file": ("app.handler", {"app.js": COMMON}),
    "in folders": ("src/deep/app.handler", {"src/deep/app.mjs": ES}),
    "an object's": ("app.api.handler", {"app.js": "exports.api = { handler: async (e) => e };\n"}),
    "an object's, in folders": ("a.b/app.api.v1", {"a.b/app.mjs": "export const api = { v1: async (e) => e };\n"}),
    "a .cjs": ("app.handler", {"app.cjs": COMMON, **TYPE}),
    "a .js of ES modules": ("app.handler", {"app.js": ES, **TYPE}),
    "a .js of CommonJS in a folder of them": ("b/app.handler", {"b/app.js": COMMON, "b/package.json": "{}", **TYPE}),
    "a .js before a .mjs": ("app.handler", {"app.js": COMMON, "app.mjs": "export const handler = async () => 0;\n"}),
    "a folder": ("app.handler", {"app/index.js": COMMON}),
    "a package": ("app.handler", {"node_modules/app/index.js": COMMON}),
    "the default": ("app.default.handler", {"app.mjs": "export default { handler: async (e) => e };\n"}),
    "only in the default": ("app.handler", {"app.mjs": "export default { handler: async (e) => e };\n"}),
    "not there": ("app.handler", {}),
    "not exported": ("app.handler", {"app.js": ""}),
    "no function": ("app.handler", {"app.js": "exports.handler = 1;\n"}),
    "without a dot": ("app", {"app.js": COMMON}),
    "above": ("../app.handler", {"app.js": COMMON}),
    "broken": ("app.handler", {"app.js": "exports.handler = (\n"}),
    "broken ES": ("app.handler", {"app.mjs": "export const handler = (\n"}),
    "lacks a module": ("app.handler", {"app.js": f"require('none');\n{COMMON}"}),
    "lacks an ES module": ("app.handler", {"app.mjs": f"import 'none';\n{ES}"}),
    "fails": ("app.handler", {"app.js": "exports.handler = async () => { throw new RangeError('x'); };\n"}),
    "calls back": ("app.handler", {"app.js": "exports.handler = (e, c, done) => done(null, e);\n"}),
}
FAILS = {"only", "not", "no", "without", "above", "broken", "lacks", "fails"}
"""How the names of the forms begin that are no handlers."""


@pytest.mark.parametrize("form", FORMS)
def test_a_handler_is_found_where_lambda_finds_it(form: str, client: Path, tmp_path: Path) -> None:
    handler, files = FORMS[form]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    theirs = outcome(node_answer_of(client, handler, {"n": 1}, tmp_path))
    assert outcome(bootstrap_answer_of(handler, {"n": 1}, tmp_path)) == theirs
    assert (theirs != {"n": 1}) == (form.partition(" ")[0] in FAILS)


def outcome(answer: dict[str, Any]) -> object:
    """What it answered, or the kind of error."""
    return answer["response"] if "response" in answer else answer["error"]["errorType"]
