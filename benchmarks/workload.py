"""A monorepo of N services to build: half Python, half TypeScript, ten shared packages, each used by some services."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES = 5
"""Shared packages of each language."""
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""What all of it is built for: SAM takes a template's `Runtime` only where that very Python is on the path."""
_LOCKED = ("pydantic==2.11.7", "aws-lambda-powertools==3.13.0", "httpx==0.28.1")
_BOTO3 = "boto3==1.40.0"
_NODE_MODULES = {"zod": "3.25.76", "uuid": "11.1.0"}
_SDK = {"@aws-sdk/client-dynamodb": "3.830.0"}
_TOOLS = {"esbuild": "0.28.2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The generated workspace. `python` and `node` name its services."""

    root: Path
    python: tuple[str, ...]
    node: tuple[str, ...]

    @property
    def services(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.python, *self.node)

    def source(self, service: str) -> Path:
        """The file that an edit of a service changes."""
        name = "app.py" if service in self.python else "src/app.ts"
        return self.root / "services" / service / name


def make(root: Path, count: int, *, python: bool = True, node: bool = True, sdk: bool = True) -> Workload:
    """Write, lock and (Node.js) install a workload of so many services; with one language, half of them.

    Without `sdk` the Python services do not depend on boto3. A workload that is there is taken as it is when this very
    generator made it.
    """
    half = count // 2
    made = Workload(
        root=root,
        python=tuple(f"py{n:04}" for n in range(half if python else 0)),
        node=tuple(f"ts{n:04}" for n in range(half if node else 0)),
    )
    ready, asked = root / "ready", f"{count} {python} {node} {sdk} {PYTHON} {_generator()}"
    version = hashlib.sha256(asked.encode()).hexdigest()
    if ready.exists() and ready.read_text() == version:
        return made
    shutil.rmtree(root, ignore_errors=True)
    files: dict[str, str] = {"penstock.toml": _PENSTOCK}
    for number in range(PACKAGES):
        files |= {**(_python_package(number) if python else {}), **(_node_package(number) if node else {})}
    for number, name in enumerate(made.python):
        files |= _python_service(name, number, sdk=sdk)
    for number, name in enumerate(made.node):
        files |= _node_service(name, number)
    files |= {"pyproject.toml": _PYTHON_ROOT} if python else {}
    files |= {"package.json": _NODE_ROOT, "tsconfig.base.json": _TSCONFIG} if node else {}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    if python:
        subprocess.run(["uv", "lock", "--quiet"], cwd=root, check=True)
    if node:
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=root, check=True)
    ready.write_text(version)
    return made


def shared_by(number: int) -> tuple[int, ...]:
    """Which packages service `number` uses: one to three. Two fifths of the Python services use package 0."""
    first = (number % PACKAGES, (number + 1) % PACKAGES, (number + 3) % PACKAGES)
    chosen = first[: 1 + number % 3]
    # Package 0 is the one that benchmarks change.
    return tuple(sorted({one for one in chosen if one} | ({0} if number % PACKAGES in {0, 2} else set()) or {1}))


def users_of_first(workload: Workload) -> frozenset[str]:
    """The Python services that use package 0."""
    return frozenset(name for number, name in enumerate(workload.python) if 0 in shared_by(number))


def _generator() -> str:
    return Path(__file__).read_text(encoding="utf-8")


_PENSTOCK = """\
[workspace]
name = "load"
services = ["services/*"]
packages = ["packages/*"]
[defaults]
architecture = "x86_64"
[environments.dev]
account = "111111111111"
region = "eu-west-1"
"""
_PYTHON_ROOT = """\
[project]
name = "load"
version = "1"
requires-python = ">=3.11"
[tool.uv]
package = false
[tool.uv.workspace]
members = ["services/py*", "packages/lib*"]
"""
_NODE_ROOT = json.dumps(
    {
        "name": "load",
        "private": True,
        "workspaces": ["services/ts*", "packages/kit*"],
        "devDependencies": {**_TOOLS, **_SDK},
    }
)
_TSCONFIG = json.dumps({"compilerOptions": {"target": "es2022", "strict": True, "module": "esnext"}})


def _python_package(number: int) -> Mapping[str, str]:
    name = f"lib{number}"
    return {
        f"packages/{name}/pyproject.toml": f'[project]\nname = "{name}"\nversion = "1.0"\n'
        '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n',
        f"packages/{name}/src/{name}/__init__.py": f"from {name}.words import WORDS\n\n__all__ = ['WORDS']\n",
        f"packages/{name}/src/{name}/words.py": f"WORDS = [{number}]\n"
        + "".join(f"def f{n}(x: int) -> int:\n    return x * {n} + {number}\n" for n in range(60)),
    }


def _node_package(number: int) -> Mapping[str, str]:
    name = f"kit{number}"
    functions = "".join(f"export const f{n} = (x: number): number => x * {n} + {number};\n" for n in range(60))
    return {
        f"packages/{name}/package.json": json.dumps(
            {"name": name, "version": "1.0.0", "type": "module", "exports": "./src/index.ts", "sideEffects": False}
        ),
        f"packages/{name}/src/index.ts": f'export * from "./words.js";\nexport const name = "{name}";\n',
        f"packages/{name}/src/words.ts": functions,
    }


def _python_service(name: str, number: int, *, sdk: bool) -> Mapping[str, str]:
    shared = [f"lib{one}" for one in shared_by(number)]
    listed = ", ".join(f'"{one}"' for one in (*_LOCKED, *([_BOTO3] if sdk else []), *shared))
    sources = "".join(f"{one} = {{ workspace = true }}\n" for one in shared)
    imports = "".join(f"import {one}\n" for one in [*(["boto3"] if sdk else []), "httpx", *shared])
    return {
        f"services/{name}/service.toml": f'runtime = "python{PYTHON}"\nhandler = "app.handler"\n',
        f"services/{name}/pyproject.toml": f'[project]\nname = "{name}"\nversion = "1"\n'
        f'requires-python = ">=3.11"\ndependencies = [{listed}]\n[tool.uv.sources]\n{sources}',
        f"services/{name}/app.py": f"{imports}from models import Order\n\n\n"
        f"def handler(event, context):\n    return Order(id='{name}').model_dump()\n",
        f"services/{name}/models.py": "from pydantic import BaseModel\n\n\nclass Order(BaseModel):\n    id: str\n"
        + "".join(f"    field_{n}: int = {n}\n" for n in range(40)),
    }


def _node_service(name: str, number: int) -> Mapping[str, str]:
    shared = [f"kit{one}" for one in shared_by(number)]
    imports = "".join(f'import {{ f1 as {one}, name as {one}Name }} from "{one}";\n' for one in shared)
    used = ", ".join(f"{one}(1), {one}Name" for one in shared)
    dependencies = {**_NODE_MODULES, **dict.fromkeys(shared, "*")}
    return {
        f"services/{name}/service.toml": 'runtime = "nodejs22.x"\nhandler = "src/app.handler"\n',
        f"services/{name}/package.json": json.dumps(
            {"name": name, "version": "1.0.0", "type": "module", "dependencies": dependencies}
        ),
        f"services/{name}/tsconfig.json": '{ "extends": "../../tsconfig.base.json" }',
        f"services/{name}/src/app.ts": 'import { DynamoDBClient } from "@aws-sdk/client-dynamodb";\n'
        f'import {{ v4 }} from "uuid";\nimport {{ Order }} from "./models.js";\n{imports}'
        "const client = new DynamoDBClient({});\n"
        "export const handler = async (event: unknown) => "
        f'({{ order: Order.parse(event), id: v4(), at: "{name}", client: typeof client, used: [{used}] }});\n',
        f"services/{name}/src/models.ts": 'import { z } from "zod";\n'
        "export const Order = z.object({ id: z.string()"
        + "".join(f", field{n}: z.number().default({n})" for n in range(40))
        + " });\n",
    }
