"""Of a lock of pnpm or npm only the part counts that a service reaches, and all of it where that is not clear."""

from __future__ import annotations

import json

import pytest

from penstock.build.node_lock import package_of, parse, part

PNPM = """lockfileVersion: '9.0'

settings:
  autoInstallPeers: true

importers:

  .:
    devDependencies:
      esbuild:
        specifier: 0.28.2
        version: 0.28.2
      eslint:
        specifier: 9.0.0
        version: 9.0.0

  packages/http:
    dependencies:
      zod:
        specifier: ^4
        version: 4.0.0

  services/a:
    dependencies:
      '@s/logger':
        specifier: 2.0.0
        version: 2.0.0(peer@1.0.0)
      '@w/http':
        specifier: workspace:*
        version: link:../../packages/http

  services/b:
    dependencies:
      renamed:
        specifier: npm:uuid@9.0.0
        version: uuid@9.0.0

packages:

  '@s/logger@2.0.0':
    resolution: {integrity: sha512-logger}
    deprecated: |-
      use another: one
        or none
    peerDependencies:
      peer: 1.x || 2.x

  deep@1.0.0:
    resolution: {integrity: sha512-deep}
    os: [linux]
    cpu:
      - x64

  esbuild@0.28.2:
    resolution: {integrity: sha512-esbuild}

  eslint@9.0.0:
    resolution: {integrity: sha512-eslint}

  peer@1.0.0:
    resolution: {integrity: sha512-peer}

  uuid@9.0.0:
    resolution: {integrity: sha512-uuid}

  zod@4.0.0:
    resolution: {integrity: sha512-zod}

snapshots:

  '@s/logger@2.0.0(peer@1.0.0)':
    dependencies:
      deep: 1.0.0
      peer: 1.0.0

  deep@1.0.0: {}

  esbuild@0.28.2: {}

  eslint@9.0.0: {}

  peer@1.0.0: {}

  uuid@9.0.0: {}

  zod@4.0.0: {}
"""
PNPM_6 = """lockfileVersion: '6.0'

importers:

  services/a:
    dependencies:
      '@s/logger':
        specifier: 2.0.0
        version: 2.0.0
      zod:
        specifier: ^4
        version: 4.0.0

  services/b:
    dependencies:
      uuid:
        specifier: 9.0.0
        version: 9.0.0

packages:

  /@s/logger@2.0.0:
    resolution: {integrity: sha512-logger}
    dependencies:
      deep: 1.0.0
    dev: false

  /deep@1.0.0:
    resolution: {integrity: sha512-deep}

  /uuid@9.0.0:
    resolution: {integrity: sha512-uuid}

  /zod@4.0.0:
    resolution: {integrity: sha512-zod}
"""
NPM = json.dumps(
    {
        "lockfileVersion": 3,
        "packages": {
            "": {"devDependencies": {"esbuild": "0.28.2", "eslint": "9"}},
            "node_modules/@s/logger": {"integrity": "sha512-logger", "dependencies": {"deep": "1"}},
            "node_modules/@w/http": {"resolved": "packages/http", "link": True},
            "node_modules/deep": {"integrity": "sha512-other-deep", "version": "2"},
            "node_modules/@s/logger/node_modules/deep": {"integrity": "sha512-deep", "version": "1"},
            "node_modules/esbuild": {"integrity": "sha512-esbuild"},
            "node_modules/eslint": {"integrity": "sha512-eslint"},
            "node_modules/uuid": {"integrity": "sha512-uuid"},
            "node_modules/zod": {"integrity": "sha512-zod"},
            "packages/http": {"dependencies": {"zod": "^4"}},
            "services/a": {"dependencies": {"@s/logger": "2", "@w/http": "*", "not-for-this-system": "1"}},
            "services/b": {"dependencies": {"uuid": "9"}},
        },
    }
)
LOCKS = {"pnpm-lock.yaml": PNPM, "package-lock.json": NPM}
FOLDERS = {"a": ("services/a", "packages/http"), "b": ("services/b",)}


def digest(name: str, text: str, service: str, *asked: str) -> str | None:
    lock = parse(name, text)
    assert lock is not None
    return part(lock, FOLDERS[service], asked)


def touched(name: str, before: str, after: str, *asked: str) -> set[str]:
    assert before != after
    assert None not in {digest(name, before, one) for one in FOLDERS}
    return {one for one in FOLDERS if digest(name, before, one, *asked) != digest(name, after, one, *asked)}


@pytest.mark.parametrize("name", LOCKS)
@pytest.mark.parametrize(
    ("package", "services"),
    [
        ("sha512-deep", {"a"}),
        ("sha512-logger", {"a"}),
        ("sha512-zod", {"a"}),
        ("sha512-uuid", {"b"}),
        ("sha512-esbuild", {"a", "b"}),
        ("sha512-eslint", set()),
    ],
)
def test_a_package_touches_those_who_reach_it(name: str, package: str, services: set[str]) -> None:
    assert touched(name, LOCKS[name], LOCKS[name].replace(package, f"{package}-new")) == services


def test_pnpms_older_locks_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FOLDERS, "a", ("services/a",))
    assert touched("pnpm-lock.yaml", PNPM_6, PNPM_6.replace("sha512-deep", "sha512-new")) == {"a"}
    assert touched("pnpm-lock.yaml", PNPM_6, PNPM_6.replace("sha512-uuid", "sha512-new")) == {"b"}


@pytest.mark.parametrize("name", LOCKS)
def test_what_sources_import_counts_though_nobody_declared_it(name: str) -> None:
    after = LOCKS[name].replace("sha512-eslint", "sha512-new")
    assert touched(name, LOCKS[name], after, "eslint") == {"a", "b"}


def test_a_peer_that_changes_touches_who_has_it() -> None:
    assert touched("pnpm-lock.yaml", PNPM, PNPM.replace("sha512-peer", "sha512-new")) == {"a"}


def test_a_range_in_a_manifest_that_leads_to_the_same_version_touches_nobody() -> None:
    assert touched("pnpm-lock.yaml", PNPM, PNPM.replace("specifier: ^4", "specifier: 4.x")) == set()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("yarn.lock", "a@1:\n  version 1\n"),
        ("package-lock.json", '{"lockfileVersion": 1, "dependencies": {}}'),
        ("package-lock.json", "{"),
        ("package-lock.json", "[]"),
        ("pnpm-lock.yaml", "? a\n: b\n"),
        ("pnpm-lock.yaml", "what is this"),
    ],
)
def test_a_lock_of_another_form_is_not_taken_apart(name: str, text: str) -> None:
    assert parse(name, text) is None


def test_a_lock_in_which_something_is_missing_counts_whole() -> None:
    assert digest("pnpm-lock.yaml", PNPM.replace("  zod@4.0.0:", "  zod@4.0.1:"), "a") is None


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("zod", "zod"),
        ("@a/b/c.js", "@a/b"),
        ("lodash/fp", "lodash"),
        ("./x", None),
        ("../x", None),
        ("/x", None),
        ("node:fs", None),
        ("#inner", None),
    ],
)
def test_the_package_of_a_module(module: str, package: str | None) -> None:
    assert package_of(module) == package
