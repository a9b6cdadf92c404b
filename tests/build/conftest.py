"""Small real workspaces: locked and installed once, copied for every test that asks."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from build.mixed import SETTINGS, Mixed
from build.sites import COMMON, UV_ROOT, Site, python_service, service, workspace

from penstock.model.workspace import Package
from penstock.ports import Command

if TYPE_CHECKING:
    from pathlib import Path

UV_WORKSPACE = workspace(
    service("orders", {"api": "orders.app.handler", "worker": "orders.app.handler"}),
    service("users", "users.app.handler"),
    packages=(Package(name="common", path="packages/common", language="python"),),
)
NPM_WORKSPACE = workspace(
    service("catalog", "src/app.handler", "node"),
    service("legacy", {"api": "app.handler", "jobs": "app.jobs"}, "node"),
    packages=(
        Package(name="@w/made", path="packages/made", language="node"),
        Package(name="@w/plain", path="packages/plain", language="node"),
    ),
)


@pytest.fixture(scope="session")
def uv_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("uv"), UV_WORKSPACE)
    site.write(
        {
            "pyproject.toml": UV_ROOT,
            **COMMON,
            **python_service("users", "common", "boto3"),
            **python_service("orders"),
        }
    )
    site.uv_lock()
    return site.root


@pytest.fixture
def site(uv_template: Path, tmp_path: Path) -> Site:
    """A uv workspace: services `users` (with the shared package, idna and boto3) and `orders` (with nothing)."""
    return Site(shutil.copytree(uv_template, tmp_path / "w"), UV_WORKSPACE)


@pytest.fixture(scope="session")
def npm_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("npm"), NPM_WORKSPACE)
    site.write(
        {
            "package.json": json.dumps(
                {
                    "name": "w",
                    "private": True,
                    "workspaces": ["services/*", "packages/*"],
                    "devDependencies": {"esbuild": "0.28.2"},
                }
            ),
            "tsconfig.base.json": '{ "compilerOptions": { "target": "es2022" } }',
            "services/catalog/tsconfig.json": '{ "extends": "../../tsconfig.base.json" }',
            "services/catalog/package.json": json.dumps(
                {"name": "catalog", "type": "module", "dependencies": {"@w/plain": "*", "@w/made": "*"}}
            ),
            "services/catalog/src/app.ts": (
                'import { S3Client } from "@aws-sdk/client-s3";\n'
                'import { used } from "@w/plain";\nimport { made } from "@w/made";\n'
                "export const handler = async (event: { x?: number }) => [used(event.x ?? 1), made, typeof S3Client];\n"
            ),
            "services/legacy/package.json": json.dumps({"name": "legacy"}),
            "services/legacy/app.js": "exports.handler = async () => 'api';\nexports.jobs = async () => 'jobs';\n",
            "packages/plain/package.json": json.dumps(
                {"name": "@w/plain", "version": "1.0.0", "exports": "./src/index.ts", "sideEffects": False}
            ),
            "packages/plain/src/index.ts": (
                "export const used = (x: number): number => x + 1;\n"
                'export const unused = (): string => "SHAKEN OUT OF THE TREE";\n'
            ),
            "packages/made/package.json": json.dumps(
                {
                    "name": "@w/made",
                    "version": "1.0.0",
                    "exports": {".": "./dist/index.js"},
                    "scripts": {"build": "mkdir -p dist && cp src/index.js dist/index.js && echo x >> ../../built"},
                }
            ),
            "packages/made/src/index.js": "exports.made = 'made by its script';\n",
        }
    )
    npm = site.commands.find("npm")
    if npm is None:
        pytest.skip("npm is not on this machine")
    locked = site.commands.run(
        Command(argv=(str(npm), "install", "--package-lock-only", "--no-audit"), cwd=site.root, timeout=120)
    )
    assert locked.status == 0, locked.stderr
    site.builder().build_packages(site.workspace)  # installs
    return site.root


@pytest.fixture
def node_site(npm_template: Path, tmp_path: Path) -> Site:
    """An npm workspace, locked but with nothing built: `catalog` (ES modules) and `legacy` (CommonJS)."""
    root = tmp_path / "w"
    shutil.copytree(npm_template, root, symlinks=True, ignore=shutil.ignore_patterns(".penstock", "dist", "built"))
    # That these packages were installed is remembered by their times, which a copy keeps.
    notes = ".penstock/cache/v1/index/node-modules"
    shutil.copytree(npm_template / notes, root / notes)
    return Site(root, NPM_WORKSPACE)


@pytest.fixture(scope="session")
def mixed_template(uv_template: Path, npm_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mixed") / "w"
    shutil.copytree(uv_template, root, ignore=shutil.ignore_patterns(".penstock"))
    kept = shutil.ignore_patterns(".penstock", "dist", "built")
    shutil.copytree(npm_template, root, symlinks=True, ignore=kept, dirs_exist_ok=True)
    for path, text in SETTINGS.items():
        (root / path).write_text(text)
    mixed = Mixed(root=root)
    mixed.built()
    return root


@pytest.fixture
def mixed(mixed_template: Path, tmp_path: Path) -> Mixed:
    """Two services in Python and two in TypeScript and JavaScript, all built once; its cache goes along."""
    return Mixed(root=shutil.copytree(mixed_template, tmp_path / "w", symlinks=True))
