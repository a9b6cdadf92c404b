"""Which files of node_modules a lock speaks for, in the words of each package manager's lock."""

from __future__ import annotations

import json

import pytest

from penstock.build.node_installed import copies, links, locked

NPM = json.dumps(
    {
        "lockfileVersion": 3,
        "packages": {
            "": {},
            "node_modules/a": {"version": "1.0.0"},
            "node_modules/a/node_modules/b": {"version": "1.0.0", "inBundle": True},
            "services/x/node_modules/c": {"version": "1.0.0"},
            "node_modules/copy": {"version": "1.0.0", "resolved": "file:libs/copy"},
            "node_modules/archive": {"version": "1.0.0", "resolved": "file:vendor/archive.tgz"},
            "node_modules/linked": {"resolved": "libs/linked", "link": True},
        },
    }
)
PNPM = """\
lockfileVersion: '9.0'
importers:
  services/x:
    dependencies:
      alias:
        specifier: npm:real@1.0.0
        version: real@1.0.0
      '@w/linked':
        specifier: workspace:*
        version: link:../../libs/linked
packages:
  real@1.0.0:
    resolution: {integrity: sha512-a}
  '@w/copy@file:libs/copy':
    resolution: {directory: libs/copy, type: directory}
  archive@file:vendor/archive.tgz:
    resolution: {integrity: sha512-b, tarball: file:vendor/archive.tgz}
snapshots:
  real@1.0.0: {}
"""
PNPM_6 = """\
lockfileVersion: '6.0'
packages:
  /real@1.0.0:
    resolution: {integrity: sha512-a}
  file:libs/copy:
    resolution: {directory: libs/copy, type: directory}
    name: '@w/copy'
"""
YARN = 'a@^1.0.0, a@^1.1.0:\n  version "1.1.0"\n\n"@w/copy@file:../../libs/copy":\n  version "1.0.0"\n'
BERRY = (
    '__metadata:\n  version: 8\n\n"a@npm:^1.0.0":\n  version: 1.1.0\n  resolution: "a@npm:1.1.0"\n\n'
    '"@w/linked@workspace:*, @w/linked@workspace:libs/linked":\n  version: 0.0.0-use.local\n'
    '  resolution: "@w/linked@workspace:libs/linked"\n\n'
    '"@w/copy@file:../../libs/copy::locator=x%40workspace%3Aservices%2Fx":\n  version: 1.0.0\n'
)


@pytest.mark.parametrize(
    ("name", "text", "path", "speaks"),
    [
        ("package-lock.json", NPM, "node_modules/a/i.js", True),
        ("npm-shrinkwrap.json", NPM, "node_modules/a/i.js", True),
        ("package-lock.json", NPM, "node_modules/a/node_modules/b/i.js", True),
        ("package-lock.json", NPM, "node_modules/a/dist/node_modules/z/i.js", True),
        ("package-lock.json", NPM, "node_modules/a/node_modules/z/i.js", False),
        ("package-lock.json", NPM, "services/x/node_modules/c/i.js", True),
        ("package-lock.json", NPM, "services/x/node_modules/a/i.js", False),
        ("package-lock.json", NPM, "node_modules/.prisma/client/i.js", False),
        ("package-lock.json", NPM, "node_modules/.store/a@1.0.0-x/node_modules/a/i.js", True),
        ("pnpm-lock.yaml", PNPM, "node_modules/.pnpm/real@1.0.0/node_modules/real/i.js", True),
        ("pnpm-lock.yaml", PNPM, "node_modules/alias/i.js", True),
        ("pnpm-lock.yaml", PNPM, "node_modules/.pnpm/real@1.0.0/node_modules/real/node_modules/inner/i.js", True),
        ("pnpm-lock.yaml", PNPM, "node_modules/.pnpm/real@1.0.0/node_modules/.prisma/client/i.js", False),
        ("pnpm-lock.yaml", PNPM, "services/x/node_modules/stray/i.js", False),
        ("pnpm-lock.yaml", PNPM, "node_modules/@w/linked/i.js", False),
        ("pnpm-lock.yaml", PNPM_6, "node_modules/.pnpm/real@1.0.0/node_modules/real/i.js", True),
        ("yarn.lock", YARN, "node_modules/a/i.js", True),
        ("yarn.lock", YARN, "node_modules/z/i.js", False),
        ("yarn.lock", BERRY, "node_modules/a/i.js", True),
        ("yarn.lock", BERRY, "node_modules/.store/a-npm-1.1.0-abc/package/i.js", True),
        ("package-lock.json", '{ "dependencies": { "a": {} } }', "node_modules/a/i.js", True),
        ("package-lock.json", '{ "dependencies": { "a": {} } }', "node_modules/z/i.js", False),
        ("package-lock.json", NPM, "services/x/src/i.js", False),
    ],
)
def test_a_lock_speaks_for_what_it_names_and_what_comes_with_that(
    name: str, text: str, path: str, speaks: bool
) -> None:
    assert locked(name, text).speaks_for(path) is speaks


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("package-lock.json", NPM, {"copy": "libs/copy"}),
        ("pnpm-lock.yaml", PNPM, {"@w/copy": "libs/copy"}),
        ("pnpm-lock.yaml", PNPM_6, {"@w/copy": "libs/copy"}),
        ("yarn.lock", YARN, {"@w/copy": "../../libs/copy"}),
        ("yarn.lock", BERRY, {"@w/copy": "../../libs/copy"}),
        ("pnpm-lock.yaml", "- no mapping\n", {}),
    ],
)
def test_folders_that_are_copied_are_told_apart_from_archives_and_links(
    name: str, text: str, found: dict[str, str]
) -> None:
    assert copies(name, text) == found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("package-lock.json", NPM, {"linked": "libs/linked"}),
        ("pnpm-lock.yaml", PNPM, {"@w/linked": "libs/linked"}),
        ("yarn.lock", BERRY, {"@w/linked": "libs/linked"}),
        ("yarn.lock", YARN, {}),
    ],
)
def test_folders_that_are_linked_are_told_by_name(name: str, text: str, found: dict[str, str]) -> None:
    assert links(name, text) == found
