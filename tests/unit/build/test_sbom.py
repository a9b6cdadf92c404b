"""SBOMs against CycloneDX's own schema, and what is read from packages' own words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from penstock.build import metafile, sbom
from penstock.build.sbom import Component
from penstock.model.artifact import Target

TARGET = Target(language="python", version="3.13", architecture="arm64")
PACKAGES = (
    Component(
        name="zope.interface", version="7.2+local", index="pypi", licence="ZPL-2.1", hashes={"sha256": "ab" * 32}
    ),
    Component(
        name="@scope/name", version="1.0.0", index="npm", licence="SEE LICENSE IN x", hashes={"sha512": "ab" * 64}
    ),
    Component(name="boto3", version="1.40.0", index="pypi", supplied=True),
    Component(name="common"),
)


def written(*components: Component) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sbom.document("users", "cd" * 32, TARGET, components, version="1.0"))
    return found


def test_an_sbom_is_what_cyclonedx_says_it_is() -> None:
    text = sbom.document("users", "cd" * 32, TARGET, PACKAGES)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_it_names_the_artifact_by_its_digest_and_every_package_by_its_purl() -> None:
    found = written(*PACKAGES)
    assert found["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "cd" * 32}]
    assert [each.get("purl") for each in found["components"]] == [
        "pkg:npm/%40scope/name@1.0.0",
        "pkg:pypi/boto3@1.40.0",
        "pkg:pypi/zope-interface@7.2%2Blocal",
        None,
    ]


def test_the_sdk_is_noted_as_the_runtimes() -> None:
    (sdk,) = written(PACKAGES[2])["components"]
    assert "not in the artifact" in sdk["properties"][0]["value"]


def test_the_order_of_what_was_found_does_not_matter() -> None:
    backwards = PACKAGES[::-1]
    assert sbom.document("a", "cd" * 32, TARGET, PACKAGES) == sbom.document("a", "cd" * 32, TARGET, backwards)


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other", "MIT OR Apache-2.0"),
        ("License: BSD-3-Clause", "BSD-3-Clause"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", "MIT License"),
        ("License: The whole text of it,\n  which goes on and on and on and on and on and on and on and on", ""),
        ("Classifier: License :: OSI Approved\nClassifier: Topic :: Games", ""),
        ("", ""),
    ],
)
def test_a_distributions_licence_is_what_its_metadata_tells(headers: str, licence: str) -> None:
    metadata = f"Metadata-Version: 2.4\nName: Some.Thing\nVersion: 1.2\n{headers}\n\nLicense: in the description"
    found = sbom.distribution(metadata, index="pypi")
    assert (found.name, found.version, found.licence) == ("Some.Thing", "1.2", licence)


def test_the_hash_is_that_of_the_wheel_that_was_installed() -> None:
    wheels = {
        "x-1-cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64.whl": "sha256:aa",
        "x-1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl": "sha256:bb",
    }
    tags = sbom.wheel_tags(
        "Wheel-Version: 1.0\nTag: cp313-cp313-manylinux_2_17_x86_64\nTag: cp313-cp313-manylinux2014_x86_64\n"
    )
    assert sbom.wheel_of(tags, wheels) == {"sha256": "bb"}
    assert sbom.wheel_of(frozenset({"py3-none-any"}), wheels) == {}
    assert sbom.wheel_of(frozenset(), wheels) == {}


def test_of_poetrys_lock_the_wheels_are_known_by_their_names() -> None:
    lock = (
        '[[package]]\nname = "Some.Thing"\nversion = "1.0"\nfiles = [\n'
        '    {file = "some_thing-1.0-py3-none-any.whl", hash = "sha256:aa"},\n'
        '    {file = "some_thing-1.0.tar.gz", hash = "sha256:bb"},\n]\n'
        '[[package]]\nname = "bare"\nversion = "2"\ngroups = ["dev"]\n'
    )
    assert sbom.poetry_packages(lock) == {
        "some-thing 1.0": {"groups": ["main"], "wheels": {"some_thing-1.0-py3-none-any.whl": "sha256:aa"}},
        "bare 2": {"groups": ["dev"], "wheels": {}},
    }


@pytest.mark.parametrize(
    ("options", "hashes"),
    [
        ("--hash=sha256:aa", {"sha256": "aa"}),
        ("--hash sha256:aa --hash=sha256:aa", {"sha256": "aa"}),
        ("--hash=sha256:aa --hash=sha256:bb", {}),
        ("--hash=md5:aa", {}),
        ("", {}),
    ],
)
def test_of_a_requirements_file_only_a_single_hash_says_which_file_it_is_of(
    options: str, hashes: dict[str, str]
) -> None:
    assert sbom.only_hash(options) == hashes


def test_a_bundle_tells_which_packages_it_took_code_from_and_what_it_leaves_to_the_runtime() -> None:
    inputs = {
        "services/a/src/app.ts": {"bytesInOutput": 10},
        "node_modules/.pnpm/zod@3.1.0/node_modules/zod/index.js": {"bytesInOutput": 9},
        "node_modules/@scope/name/dist/x.js": {"bytesInOutput": 1},
        "node_modules/shaken/index.js": {"bytesInOutput": 0},
    }
    imports = [
        {"path": "@aws-sdk/client-s3/dist", "external": True},
        {"path": "node:fs", "external": True},
    ]
    meta = {"inputs": {}, "outputs": {"bundle": {"inputs": inputs, "imports": imports}}}
    assert metafile.bundled(meta) == {
        "node_modules/.pnpm/zod@3.1.0/node_modules/zod": "zod",
        "node_modules/@scope/name": "@scope/name",
    }
    assert metafile.left_external(meta, ("@aws-sdk/*", "@smithy/*")) == ("@aws-sdk/client-s3",)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("node_modules/sharp/package.json", "sharp"),
        ("node_modules/@img/x/node_modules/deep/package.json", "deep"),
        ("node_modules/@img/x/package.json", "@img/x"),
        ("node_modules/sharp/lib/package.json", None),
        ("package.json", None),
    ],
)
def test_a_package_that_lies_in_the_zip_is_known_by_its_package_json(path: str, name: str | None) -> None:
    assert sbom.installed(path) == name


def test_the_hash_of_an_npm_package_comes_from_the_lock() -> None:
    text = '{"version": "1.0.0", "license": {"type": "MIT"}}'
    found = sbom.npm_package(text, "@s/n", integrities={"@s/n@1.0.0": "sha1-qg==", "@s/n@1.0.1": "sha1-uw=="})
    assert found == Component(name="@s/n", version="1.0.0", index="npm", licence="MIT", hashes={"sha1": "aa"})


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 1, "license": 2}'])
def test_a_package_that_tells_nothing_is_still_named(text: str) -> None:
    assert sbom.npm_package(text, "x", integrities={}) == Component(name="x", index="npm")


@pytest.mark.parametrize("text", ["", "md5-qg==", "sha512-%%%", "sha3:aa"])
def test_a_hash_that_nobody_understands_is_left_out(text: str) -> None:
    assert sbom.integrity(text) == {}
