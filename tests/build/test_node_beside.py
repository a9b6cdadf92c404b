"""Packages of the workspace beside a bundle, in the ZIP's node_modules: what ships is what their recipe speaks of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from build.bundles import contents, run_from
from build.native import addon
from build.test_node_inputs import options
from build.vendored import archive, lock

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

    from build.sites import Site

MADE = "packages/made/package.json"


@pytest.fixture
def beside(node_site: Site) -> Site:
    """The service `catalog`, with the shared package that a script makes beside its bundle."""
    return options(node_site, unbundled=("@w/made",))


def shipped(site: Site) -> dict[str, str]:
    """What is in the ZIP of that package."""
    files = contents(site.build("catalog")["catalog"].path)
    mark = "node_modules/@w/made/"
    return {path.removeprefix(mark): text for path, text in files.items() if path.startswith(mark)}


def scripted(site: Site, script: str, **more: object) -> None:
    manifest = json.loads((site.root / MADE).read_text())
    site.write({MADE: json.dumps({**manifest, "scripts": {"build": script}, **more})})


def test_of_a_package_beside_the_bundle_go_its_sources_and_what_its_script_makes(beside: Site) -> None:
    scripted(beside, "mkdir -p dist && cp src/index.js dist/index.js && echo A=1 > dist/.env && touch dist/id_rsa")
    beside.write({f"packages/made/{path}": "A=1\n" for path in (".env", ".env.local", ".npmrc", "events/a.json")})
    beside.write({"packages/made/words.txt": "some"})
    assert set(shipped(beside)) == {"package.json", "words.txt", "src/index.js", "dist/index.js"}


def test_whatever_ships_of_it_is_in_the_recipe(beside: Site) -> None:
    scripted(beside, "true", exports="./src/index.js")
    beside.write({"packages/made/words.txt": "first"})
    shipped(beside)
    beside.write({"packages/made/words.txt": "second"})
    assert shipped(beside)["words.txt"] == "second"
    scripted(beside, "true", version="2.0.0")
    assert json.loads(shipped(beside)["package.json"])["version"] == "2.0.0"


def test_an_addon_of_ones_own_ships_though_no_script_is_run(beside: Site) -> None:
    scripted(beside, "node-gyp rebuild", exports="./src/index.js")
    place = beside.root / "packages/made/build/Release/a.node"
    place.parent.mkdir(parents=True)
    place.write_bytes(addon(note="first"))
    first = beside.build("catalog")["catalog"]
    place.write_bytes(addon(note="other"))
    made = beside.build("catalog")["catalog"]
    assert (made.cached, made.digest == first.digest) == (False, False)


def test_a_secret_that_a_script_has_put_into_what_ships_is_refused(beside: Site) -> None:
    scripted(beside, "mkdir -p dist && (printf 'exports.made = \"AKI'; printf 'AABCDABCDABCDABCD\";') > dist/index.js")
    with pytest.raises(BuildFailed, match="readable by everybody") as caught:
        beside.build("catalog")
    assert caught.value.where == "packages/made/dist/index.js:1"
    assert options(beside, unbundled=("@w/made",), reviewed=("dist/index.js",)).build("catalog")


def test_a_package_that_the_service_does_not_name_is_refused(node_site: Site) -> None:
    app = "exports.handler = exports.jobs = async () => require('@w/plain');\n"
    catalog = json.loads((node_site.root / "services/catalog/package.json").read_text())
    del catalog["dependencies"]["@w/plain"]
    node_site.write({"services/catalog/package.json": json.dumps(catalog), "services/catalog/src/app.ts": app})
    with pytest.raises(BuildFailed, match=r"packages/plain is in no recipe") as caught:
        options(node_site, unbundled=("@w/plain",), typecheck=False).build("catalog")
    assert "name it in the service's package.json" in caught.value.hint


PEERS = {
    "orm": (
        {"peerDependencies": {"meta": "^1", "driver": "*", "compiler": "*"}},
        'exports.first = require("meta").next();\nexports.driver = require("driver").name;\n',
    ),
    "meta": ({}, "let count = 0;\nexports.next = () => ++count;\n"),
    "driver": ({}, 'exports.name = "driver";\n'),
    "compiler": ({}, "exports.none = 1;\n"),
}
"""Packages of which one wants another of whoever takes it, a second if it is there, and a third for development."""


def test_the_peers_of_what_lies_beside_a_bundle_lie_there_too_and_are_the_bundles_own(
    node_site: Site, tmp_path: Path
) -> None:
    optional = {"driver": {"optional": True}, "compiler": {"optional": True}}
    for name, (more, code) in PEERS.items():
        meta = {"peerDependenciesMeta": optional} if more else {}
        content = json.dumps({"name": name, "version": "1.0.0", **more, **meta})
        archive(node_site.root / f"vendor/{name}.tgz", {"package.json": content, "index.js": code})
    known = {name: f"file:../../vendor/{name}.tgz" for name in PEERS}
    development = {"compiler": known.pop("compiler")}
    catalog = {"name": "catalog", "dependencies": known, "devDependencies": development}
    app = (
        'import { first, driver } from "orm";\nimport { next } from "meta";\n'
        "export const handler = async () => [first, next(), driver];\n"
    )
    node_site.write({"services/catalog/package.json": json.dumps(catalog), "services/catalog/src/app.ts": app})
    lock(node_site)
    made = options(node_site, unbundled=("orm",), typecheck=False).build("catalog")["catalog"]
    beside = {path.split("/")[1] for path in contents(made.path) if path.startswith("node_modules/")}
    assert beside == {"orm", "meta", "driver"}
    call = "async () => require('./src/app.js').handler()"
    assert run_from(made.path, tmp_path / "task", call) == [1, 2, "driver"]
