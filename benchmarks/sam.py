"""The same workload built by SAM: one template, a function for each service, `sam build --cached --parallel`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from measure import run_with_its_own
from workload import PYTHON, users_of_first

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from measure import Ran
    from workload import Workload

_BUNDLING = {
    "BuildMethod": "esbuild",
    "BuildProperties": {"EntryPoints": ["src/app.ts"], "Minify": True, "Target": "node22", "External": ["@aws-sdk/*"]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam:
    """What SAM took, in seconds; a round each, because they take minutes. Sizes in bytes, `peak` in MB."""

    version: str
    cold: float
    idle: float
    one: float
    shared: float
    sizes: Mapping[str, int]
    """Of the ZIP that `sam package` would upload, by service."""
    peak: float
    """Of the cold build: the most memory that SAM and all that it starts held together."""


def build_all(load: Workload, sam: str) -> Sam:
    """Build a copy of the workload with SAM in every scenario."""
    root = load.root.parent / f"{load.root.name}-sam"
    shutil.rmtree(root, ignore_errors=True)
    _template(load, root)
    version = subprocess.run([sam, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    # It looks for esbuild on the path.
    environ = {**os.environ, "PATH": f"{load.root / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}"}
    build = partial(_build, sam, root, environ)
    cold, idle = build(watched=True), build().seconds
    sizes = {name: _zipped(root / ".aws-sam/build" / name) for name in load.services}
    source = root / load.python[0] / "app.py"
    source.write_text(source.read_text() + "# edit\n")
    one = build().seconds
    for name in users_of_first(load):
        words = root / name / "lib0/words.py"
        words.write_text(words.read_text() + "# edit\n")
    shared = build().seconds
    peak = cold.peak or 0.0
    return Sam(version=version, cold=cold.seconds, idle=idle, one=one, shared=shared, sizes=sizes, peak=peak)


def _template(load: Workload, root: Path) -> None:
    """Services as SAM wants them: each with its own requirements.txt, or package.json of what the index has."""
    resources = {}
    export = ["uv", "export", "--quiet", "--locked", "--no-emit-local", "--no-hashes", "--no-header", "--no-annotate"]
    for name in load.python:
        shutil.copytree(load.root / "services" / name, root / name)
        asked = [*export, "--package", name]
        text = subprocess.run(asked, cwd=load.root, capture_output=True, text=True, check=True).stdout
        # It has no word for packages of the workspace: they are copied, as people do.
        (root / name / "requirements.txt").write_text(text)
        for shared in (load.root / "packages").glob("lib*/src/*"):
            if f"import {shared.name}\n" in (root / name / "app.py").read_text():
                shutil.copytree(shared, root / name / shared.name)
        resources[name] = _function(name, f"python{PYTHON}", "app.handler")
    for name in load.node:
        shutil.copytree(load.root / "services" / name, root / name)
        manifest = json.loads((root / name / "package.json").read_text())
        for shared in (load.root / "packages").glob("kit*"):
            if manifest["dependencies"].pop(shared.name, None):
                shutil.copytree(shared / "src", root / name / "src" / shared.name)
        (root / name / "package.json").write_text(json.dumps(manifest))
        source = root / name / "src/app.ts"
        source.write_text(re.sub(r'from "(kit\d)"', r'from "./\1/index.js"', source.read_text()))
        resources[name] = {**_function(name, "nodejs22.x", "src/app.handler"), "Metadata": _BUNDLING}
    template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}
    (root / "template.json").write_text(json.dumps(template))


def _function(name: str, runtime: str, handler: str) -> dict[str, object]:
    properties = {"CodeUri": name, "Runtime": runtime, "Handler": handler, "Architectures": ["x86_64"]}
    return {"Type": "AWS::Serverless::Function", "Properties": properties}


def _build(sam: str, root: Path, environ: Mapping[str, str], *, watched: bool = False) -> Ran:
    argv = [sam, "build", "--cached", "--parallel", "--template", "template.json"]
    return run_with_its_own(argv, cwd=root, env=environ, watched=watched)


def _zipped(folder: Path) -> int:
    """Bytes of the ZIP that `sam package` would upload."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    try:
        return archive.stat().st_size
    finally:
        archive.unlink()
