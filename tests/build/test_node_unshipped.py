"""Files of one's own that a bundle's sources read when they run, and that are not in the ZIP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.events import Note

if TYPE_CHECKING:
    from build.sites import Site

READS = """\
const fs = require("node:fs");
const path = require("node:path");
exports.handler = async () => fs.readFileSync(path.join(__dirname, "inner", "tpl.html"), "utf8");
exports.jobs = async () => fs.readFileSync(path.join(__dirname, "absent.html"), "utf8");
"""
URLS = """\
import { readFileSync } from "node:fs";
export const used = () => readFileSync(new URL("./words.txt", import.meta.url), "utf8");
export const unused = () => 1;
"""
IDLE = 'export const idle = () => new URL("./words.txt", import.meta.url);\n'


def test_files_that_sources_in_the_bundle_plainly_ask_for_are_told_with_file_and_line(node_site: Site) -> None:
    node_site.write(
        {
            "services/legacy/app.js": READS,
            "services/legacy/inner/tpl.html": "<p>",
            "packages/plain/src/index.ts": URLS + 'export { idle } from "./idle";\n',
            "packages/plain/src/idle.ts": IDLE,
            "packages/plain/src/words.txt": "words",
        }
    )
    node_site.build("catalog", "legacy-api")
    told = [
        event.text for event in node_site.heard.events if isinstance(event, Note) and "not in the ZIP" in event.text
    ]
    assert [one.partition(", which")[0] for one in sorted(told)] == [
        "packages/plain/src/index.ts:2: it asks for packages/plain/src/words.txt when it runs",
        "services/legacy/app.js:3: it asks for services/legacy/inner/tpl.html when it runs",
    ]
