"""What a TypeScript file exports, and whether it can be called, by its text alone: sure of the no, never of the yes."""

from __future__ import annotations

import pytest

from penstock.build.node import Entry
from penstock.build.node_handlers import check_callable, may_export
from penstock.model.errors import BuildFailed


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


def check(source: str, export: str = "handler", *, inside: bool = False) -> None:
    check_callable(Entry(source="app.ts", place="app.mjs", export=export, inside=inside), source, where="service.toml")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("export const handler = 1;", "a number"),
        ("export const handler: string = 'app.run'\nexport const other = () => 1;", "a text"),
        ("export const handler = `app` as const;", "a text"),
        ("export const handler = true, other = 2;", "a boolean"),
        ("export const handler = { fetch(request) { return '}'; } };", "an object"),
        ("export const handler = [first, second]\n", "a list"),
        ("export class handler {}", "a class"),
        ("exports.handler = 'app.run';", "a text"),
        ("module.exports.handler = {};", "an object"),
        ("/* export const handler = make(); */\nexport const handler = 0x1f", "a number"),
    ],
)
def test_a_handler_that_plainly_cannot_be_called_is_refused(source: str, kind: str) -> None:
    with pytest.raises(BuildFailed, match=f"app.ts: handler is {kind}, which cannot be called") as caught:
        check(source)
    assert caught.value.hint == "let handler be a function of event and context"


@pytest.mark.parametrize(
    "source",
    [
        "export const handler = async () => 1;",
        "export const handler: Handler<{ a: 1 }> = (event) => ({ a: 1 });",
        "export const handler: (event: Event) => number = make({ a: 1 });",
        "export const handler = [log, trace].reduce((inner, outer) => outer(inner), run);",
        "export const handler = { run }.run;",
        "export const handler = [run]\n  .pop();",
        "export const handler = 'a'.concat.bind('b');",
        "export const handler = {} as unknown as Handler;",
        "export const handlers = 1;\nexport async function handler() {}",
        "/*\nexport const handler = 1;\n*/\nexport const handler = middy(run);",
        "export let handler = 1;\nhandler = run;",
        "exports.handler = 1;\nif (process.env.A) {\n  exports.handler = async () => 2;\n}",
        "exports.handler = 'x';\nmodule.exports = { handler };",
        'exports.handler = "x";\nexports["handler"] = run;',
        "const handler = 1;\nexport { run as handler };",
    ],
)
def test_a_handler_of_which_that_is_not_plain_is_believed(source: str) -> None:
    check(source)


def test_what_a_handler_is_a_property_of_need_not_be_called() -> None:
    check("export const api = { get: async () => 1 };", "api", inside=True)
    with pytest.raises(BuildFailed, match="default is an object"):
        check("export default { fetch };", "default")
