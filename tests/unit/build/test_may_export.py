"""Whether a TypeScript file may export a name, by its text alone: sure of the no, never of the yes."""

from __future__ import annotations

import pytest

from penstock.build.node import may_export


@pytest.mark.parametrize(
    "source",
    [
        "export const handler = 1;",
        "export async function handler() {}",
        "export function* handler() {}",
        "export default class handler {}",
        "const handler = 1;\nexport { other, handler };",
        "export { inner as handler } from './inner.js';",
        "export const { handler, other } = make();",
        "export * from './inner.js';",
        "exports.handler = 1;",
        "module.exports = { handler };",
        "export = { handler };",
    ],
)
def test_every_form_of_an_export_counts(source: str) -> None:
    assert may_export("handler", source)


@pytest.mark.parametrize(
    "source", ["const handler = 1;", "export const handlers = 1;", "export { other };\nconst handler = 1;", ""]
)
def test_what_is_plainly_not_exported_is_not(source: str) -> None:
    assert not may_export("handler", source)
