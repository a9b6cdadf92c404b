"""The TypeScript half of the workload packaged by the Serverless Framework, version 3, with its esbuild plugin.

    npm install --prefix FOLDER serverless@3 serverless-esbuild esbuild

installs it in a folder outside of the repository; FOLDER/node_modules/.bin/serverless is the program to name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workload import Workload


def package_all(load: Workload, serverless: str) -> tuple[str, float]:
    """Its version, and the seconds of one `serverless package` from nothing."""
    program = Path(serverless)
    modules = program.parent.parent
    root = load.root.parent / f"{load.root.name}-serverless"
    shutil.rmtree(root, ignore_errors=True)
    ignored = shutil.ignore_patterns("py*", "node_modules")
    for folder in ("services", "packages"):
        shutil.copytree(load.root / folder, root / folder, ignore=ignored)
    for name in ("package.json", "package-lock.json", "tsconfig.base.json"):
        shutil.copy(load.root / name, root / name)
    # The workload's own packages, with the links to those of the workspace, and the plugin beside them.
    shutil.copytree(load.root / "node_modules", root / "node_modules", symlinks=True)
    for tool in ("serverless-esbuild", "serverless"):
        (root / "node_modules" / tool).symlink_to(modules / tool)
    functions = {name: {"handler": f"services/{name}/src/app.handler"} for name in load.node}
    config = {
        "service": "load",
        "frameworkVersion": "3",
        "provider": {"name": "aws", "runtime": "nodejs18.x", "region": "eu-west-1", "stage": "dev"},
        "plugins": ["serverless-esbuild"],
        "package": {"individually": True},
        "functions": functions,
        "custom": {
            "esbuild": {
                "minify": True,
                "target": "node18",
                "format": "esm",
                "outputFileExtension": ".mjs",
                "exclude": ["@aws-sdk/*"],
            }
        },
    }
    (root / "serverless.json").write_text(json.dumps(config))
    quiet = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "AWS_ACCESS_KEY_ID": "x"}
    environ = {**os.environ, **quiet, "AWS_SECRET_ACCESS_KEY": "x", "CI": "1"}
    began = time.perf_counter()
    done = subprocess.run([str(program), "package"], cwd=root, capture_output=True, text=True, check=False, env=environ)
    seconds = time.perf_counter() - began
    made = len(list((root / ".serverless").glob("*.zip")))
    if done.returncode != 0 or made != len(load.node):
        raise SystemExit(f"serverless package made {made} of {len(load.node)}:\n{(done.stdout + done.stderr)[-3000:]}")
    package = json.loads((modules / "serverless/package.json").read_text())
    return f"serverless {package['version']}", seconds
