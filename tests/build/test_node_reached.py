"""What a bundle of Node.js is made of, wherever it lies: a change of it is never missed, or it is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from build.test_node_services import contents, run_from

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

    from build.sites import Site

EVENTS = {
    "services/legacy/app.js": (
        "const { created } = require('./events/created'), sample = require('./tests/sample.json');\n"
        "const { version } = require('./package.json');\n"
        "exports.handler = exports.jobs = async () => [created, sample.of, version];\n"
    ),
    "services/legacy/package.json": '{ "name": "legacy", "version": "1.0.0" }',
    "services/legacy/events/created.ts": 'export { created } from "../tests/inner";\n',
    "services/legacy/tests/inner.ts": 'export const created: string = "FIRST";\n',
    "services/legacy/tests/sample.json": '{ "of": "SAMPLE" }',
    "services/legacy/tests/nobodys.ts": "export {};\n",
}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("services/legacy/tests/inner.ts", 'export const created: string = "SECOND";\n'),
        ("services/legacy/tests/sample.json", '{ "of": "SECOND" }'),
        ("services/legacy/package.json", '{ "name": "legacy", "version": "SECOND" }'),
    ],
)
def test_what_is_left_out_by_rule_counts_where_a_source_asks_for_it(
    path: str, content: str, node_site: Site, tmp_path: Path
) -> None:
    node_site.write(EVENTS)
    first = node_site.build("legacy-api")["legacy-api"]
    call = "async () => require('./app.js').handler()"
    assert run_from(first.path, tmp_path / "first", call) == ["FIRST", "SAMPLE", "1.0.0"]
    node_site.write({"services/legacy/tests/nobodys.ts": "export const other = 1;\n"})
    assert node_site.build("legacy-api")["legacy-api"].cached
    node_site.write({path: content})
    assert set(node_site.builder().affected(node_site.workspace, [path], lambda _: None)) == {"legacy"}
    made = node_site.build("legacy-api")["legacy-api"]
    assert not made.cached
    assert "SECOND" in contents(made.path)["app.js"]


def test_a_secret_in_what_is_left_out_by_rule_is_found_where_it_would_ship(node_site: Site) -> None:
    node_site.write({**EVENTS, "services/legacy/tests/sample.json": json.dumps({"of": f"AKIA{'ABCD' * 4}"})})
    with pytest.raises(BuildFailed, match="secret|key"):
        node_site.build("legacy-api")


def test_what_is_reached_in_a_way_that_nobody_sees_is_refused_by_name(node_site: Site) -> None:
    node_site.write({"services/legacy/app.js": "exports.handler = exports.jobs = (x) => require(`./events/${x}.json`);\n"})
    node_site.write({"services/legacy/events/a.json": "{}"})
    with pytest.raises(BuildFailed, match=r"takes in services/legacy/events/a\.json, which is left out by rule"):
        node_site.build("legacy-api")
