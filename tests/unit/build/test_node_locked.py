"""An optional package for another platform is found in every kind of lock, with its version and its hash."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from penstock.build.node_locked import (
    Asker,
    Locked,
    find,
    integrities,
    is_well_named,
    is_what_is_locked,
    only_version,
    parse,
)

SHARP = Asker(name="sharp", version="0.33.5")
NPM = json.dumps(
    {
        "lockfileVersion": 3,
        "packages": {
            "": {},
            "services/a": {"optionalDependencies": {"@img/sharp-linux-arm64": "0.33.4"}},
            "services/a/node_modules/@img/sharp-linux-arm64": {"version": "0.33.4", "integrity": "sha512-older"},
            "node_modules/sharp": {"version": "0.33.5", "optionalDependencies": {"@img/sharp-linux-arm64": "0.33.5"}},
            "node_modules/@img/sharp-linux-arm64": {
                "version": "0.33.5",
                "integrity": "sha512-right",
                "os": ["linux"],
                "cpu": ["arm64"],
                "libc": ["glibc"],
            },
            "node_modules/aliased": {"version": "2.0.0", "name": "real", "integrity": "sha512-alias"},
        },
    }
)
PNPM_9 = """lockfileVersion: '9.0'

importers:

  services/a:
    optionalDependencies:
      '@img/sharp-linux-arm64':
        specifier: 0.33.4
        version: 0.33.4

packages:

  '@img/sharp-linux-arm64@0.33.4':
    resolution: {integrity: sha512-older}
    cpu: [arm64]
    os: [linux]

  '@img/sharp-linux-arm64@0.33.5':
    resolution: {integrity: sha512-right}
    engines: {node: '>=18'}
    cpu: [arm64]
    os: [linux]
    libc: [glibc]

  real@2.0.0:
    resolution: {integrity: sha512-alias}

  sharp@0.33.5:
    resolution: {integrity: sha512-sharp}

snapshots:

  '@img/sharp-linux-arm64@0.33.5':
    optional: true

  sharp@0.33.5(peer@1.0.0):
    optionalDependencies:
      '@img/sharp-linux-arm64': 0.33.5
      aliased: real@2.0.0
"""
PNPM_6 = """lockfileVersion: '6.0'

importers:

  services/a:
    optionalDependencies:
      '@img/sharp-linux-arm64':
        specifier: 0.33.4
        version: 0.33.4

packages:

  /@img/sharp-linux-arm64@0.33.4:
    resolution: {integrity: sha512-older}

  /@img/sharp-linux-arm64@0.33.5:
    resolution: {integrity: sha512-right}
    cpu: [arm64]
    os: [linux]
    libc: [glibc]

  /real@2.0.0:
    resolution: {integrity: sha512-alias}

  /sharp@0.33.5(peer@1.0.0):
    resolution: {integrity: sha512-sharp}
    optionalDependencies:
      '@img/sharp-linux-arm64': 0.33.5
      aliased: /real@2.0.0
"""
PNPM_5 = """lockfileVersion: 5.4

importers:

  services/a:
    specifiers:
      '@img/sharp-linux-arm64': 0.33.4
    optionalDependencies:
      '@img/sharp-linux-arm64': 0.33.4

packages:

  /@img/sharp-linux-arm64/0.33.4:
    resolution: {integrity: sha512-older}

  /@img/sharp-linux-arm64/0.33.5:
    resolution: {integrity: sha512-right}
    cpu: [arm64]
    os: [linux]
    libc: [glibc]

  /real/2.0.0:
    resolution: {integrity: sha512-alias}

  /sharp/0.33.5_peer@1.0.0:
    resolution: {integrity: sha512-sharp}
    optionalDependencies:
      '@img/sharp-linux-arm64': 0.33.5
      aliased: /real/2.0.0
"""
YARN = """# yarn lockfile v1


"@img/sharp-linux-arm64@0.33.4", "@img/sharp-linux-arm64@^0.33.0 <0.33.5":
  version "0.33.4"
  integrity sha512-older

"@img/sharp-linux-arm64@0.33.5":
  version "0.33.5"
  resolved "https://registry.yarnpkg.com/@img/sharp-linux-arm64/-/sharp-linux-arm64-0.33.5.tgz#0a1b2c"
  integrity sha512-right

"aliased@npm:real@2.0.0":
  version "2.0.0"
  integrity sha512-alias

old@1.0.0:
  version "1.0.0"
  resolved "https://registry.yarnpkg.com/old/-/old-1.0.0.tgz#0a1b2c"
  dependencies:
    ms "2.0.0"
"""
BERRY = """__metadata:
  version: 8
  cacheKey: 10c0

"@img/sharp-linux-arm64@npm:0.33.4":
  version: 0.33.4
  resolution: "@img/sharp-linux-arm64@npm:0.33.4"
  languageName: node
  linkType: hard

"@img/sharp-linux-arm64@npm:0.33.5, @img/sharp-linux-arm64@npm:>=0.33.5":
  version: 0.33.5
  resolution: "@img/sharp-linux-arm64@npm:0.33.5"
  dependencies:
    "@img/sharp-libvips-linux-arm64": "npm:1.0.4"
  conditions: os=linux & cpu=arm64 & libc=glibc
  languageName: node
  linkType: hard

"aliased@npm:real@2.0.0":
  version: 2.0.0
  resolution: "real@npm:2.0.0"
  checksum: 10c0/0a1b2c
  languageName: node
  linkType: hard
"""
LOCKS = {
    "npm": ("package-lock.json", NPM),
    "pnpm 9": ("pnpm-lock.yaml", PNPM_9),
    "pnpm 6": ("pnpm-lock.yaml", PNPM_6),
    "pnpm 5": ("pnpm-lock.yaml", PNPM_5),
    "yarn": ("yarn.lock", YARN),
    "berry": ("yarn.lock", BERRY),
}
EVERY = pytest.mark.parametrize("kind", LOCKS)


def look(kind: str, name: str, wanted: str, asker: Asker = SHARP) -> Locked | None:
    lock = parse(*LOCKS[kind])
    assert lock is not None
    return find(lock, asker, name, wanted)


@EVERY
def test_what_a_package_asks_for_is_found_with_version_hash_and_platform(kind: str) -> None:
    found = look(kind, "@img/sharp-linux-arm64", "0.33.5")
    assert found is not None
    assert (found.name, found.version) == ("@img/sharp-linux-arm64", "0.33.5")
    assert found.integrity == ("" if kind == "berry" else "sha512-right")
    known = {"os": ["linux"], "cpu": ["arm64"], "libc": ["glibc"]}
    assert found.platform == ({} if kind == "yarn" else known)


@EVERY
def test_what_a_service_asks_for_itself_may_be_another_version(kind: str) -> None:
    service = Asker(name="a", version="", folder="services/a")
    found = look(kind, "@img/sharp-linux-arm64", "0.33.4", service)
    assert found is not None
    assert found.version == "0.33.4"


@EVERY
def test_an_alias_leads_to_the_package_that_it_stands_for(kind: str) -> None:
    found = look(kind, "aliased", "npm:real@2.0.0")
    assert found is not None
    assert (found.name, found.version) == ("real", "2.0.0")


@EVERY
def test_what_is_not_locked_is_not_found(kind: str) -> None:
    assert look(kind, "@img/sharp-linux-s390x", "0.33.5") is None


def test_a_yarn_lock_of_old_has_a_sha1_at_least() -> None:
    found = look("yarn", "old", "1.0.0")
    assert found is not None
    assert found.integrity == "sha1:0a1b2c"


@EVERY
def test_every_hash_of_a_lock_is_known_by_name_and_version(kind: str) -> None:
    lock = parse(*LOCKS[kind])
    assert lock is not None
    found = integrities(lock)
    if kind == "berry":
        assert found == {}, "its checksums are of archives of Yarn's own making"
        return
    assert found["@img/sharp-linux-arm64@0.33.4"] == "sha512-older"
    assert found["@img/sharp-linux-arm64@0.33.5"] == "sha512-right"
    assert {"npm": None, "yarn": None}.get(kind, "sha512-sharp") == found.get("sharp@0.33.5")


@EVERY
def test_a_version_is_told_of_what_the_lock_has_in_only_one(kind: str) -> None:
    lock = parse(*LOCKS[kind])
    assert lock is not None
    assert only_version(lock, "@img/sharp-linux-arm64") == "", "of two"
    assert only_version(lock, "none") == ""
    assert only_version(lock, "aliased" if kind in {"npm", "yarn", "berry"} else "real") == "2.0.0"


@pytest.mark.parametrize("kind", ["pnpm 9", "pnpm 6", "pnpm 5"])
def test_what_a_service_needs_for_its_development_is_found_as_well(kind: str) -> None:
    name, text = LOCKS[kind]
    lock = parse(name, text.replace("    optionalDependencies:", "    devDependencies:", 1))
    assert lock is not None
    found = find(lock, Asker(name="a", version="", folder="services/a"), "@img/sharp-linux-arm64", "")
    assert found is not None
    assert found.version == "0.33.4"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("package-lock.json", '{"packages": {"node_modules/a": []}}'),
        ("pnpm-lock.yaml", "packages:\n  a@1: x\n"),
        ("yarn.lock", 'a:\n  version "1"\n  integrity sha512-x\n'),
    ],
)
def test_a_lock_that_holds_something_else_has_no_hashes(name: str, text: str) -> None:
    lock = parse(name, text)
    assert lock is not None
    assert integrities(lock) == {}
    assert only_version(lock, "a") in {"", "1"}


def test_a_lock_of_another_form_is_not_understood() -> None:
    assert parse("package-lock.json", '{"lockfileVersion": 1, "dependencies": {}}') is None
    assert parse("package-lock.json", "<<<<<<< HEAD") is None


def test_the_strongest_hash_counts() -> None:
    content = b"archive"
    right = base64.b64encode(hashlib.sha512(content).digest()).decode()
    sha1 = base64.b64encode(hashlib.sha1(content).digest()).decode()  # noqa: S324 - npm's format
    wrong = base64.b64encode(bytes(64)).decode()
    assert is_what_is_locked(content, f"sha512-{right}")
    assert is_what_is_locked(content, f"sha1-{sha1}")
    assert is_what_is_locked(content, f"sha1:{hashlib.sha1(content).hexdigest()}")  # noqa: S324 - npm's format
    assert not is_what_is_locked(content, f"sha1-{sha1} sha512-{wrong}")
    assert is_what_is_locked(content, ""), "where there is nothing to compare with"
    assert not is_what_is_locked(content, "md5-AAAA"), "what is not understood proves nothing"


@pytest.mark.parametrize(
    ("name", "version", "sound"),
    [
        ("@img/sharp-linux-x64", "0.33.5", True),
        ("fsevents", "2.3.2-rc.1+build.5", True),
        ("fsevents", "../../2.3.2", False),
        ("fsevents", "2.3.2/../..", False),
        ("fsevents", "file:/etc", False),
        ("fsevents", "", False),
        ("../fsevents", "2.3.2", False),
        ("--global", "2.3.2", False),
        ("@img/../x", "2.3.2", False),
        ("git+ssh://x", "2.3.2", False),
    ],
)
def test_names_and_versions_of_a_lock_are_such_as_npm_takes(name: str, version: str, sound: bool) -> None:
    assert is_well_named(Locked(name=name, version=version)) is sound
