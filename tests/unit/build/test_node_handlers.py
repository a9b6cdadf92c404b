"""What a TypeScript file exports, and whether it can be called, by its text alone: sure of the no, never of the yes."""

from __future__ import annotations

import contextlib

import pytest

from penstock.build.node import Entry
from penstock.build.node_handlers import check_callable, check_commonjs_export, check_esm_export, may_export, taken_from
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
        ("const run = 5;\nexport { run as handler };", "a number"),
        ("class handler {}\nexport { handler };", "a class"),
        ("let run: Handler = [1];\nexport {\n  other,\n  run as handler,\n};\nconst other = 1;", "a list"),
        ("export let handler;", "undefined"),
        ("export let handler: (event: Event) => void;\n", "undefined"),
        ("export const handler = null;", "null"),
        ("export let handler = 5;", "a number"),
        ("class App { run() {} }\nexport const handler = new App();", "an object"),
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
        "const run = 1;\nfunction other() {\nconst run = 2;\n}\nexport { run as handler };",
        "const text = `\nconst run = 1;\n`;\nimport { run } from './run';\nexport { run as handler };",
        "exports.handler = undefined;\nexports.handler ??= run;",
        "exports.handler = null;\nexports.handler ||= run;",
        "export let handler;\nhandler = run;",
        "export let handler;\n({ handler } = make());",
        "export let handler;\nsetup((made) => { handler ??= made; });",
        "let run = 1;\nrun = async () => 1;\nexport { run as handler };",
        "export const handler = new Proxy(run, {});",
        "export const handler = new Function('event', 'return 1');",
        "class App { constructor() { return () => 1; } }\nexport const handler = new App();",
        "@callable\nclass App {}\nexport const handler = new App();",
        "class App extends Function {}\nexport const handler = new App();",
        "class App { run() {} }\nexport const handler = new App().run;",
        "class App { run() {} }\nexport const handler = new App() as unknown as Handler;",
        "export const handler = { braces: /\\}x/, run }.run;",
        "export const handler = { text: (x) => `${x ? `}` : ''}`, run }.run;",
        "exports.handler = undefined;\nconst route = '/api/*';\nexports.handler = run;\n/** doc */",
        "exports.handler = undefined;\nconst bare = (s) => s.replace(/\\/*$/, '');\nexports.handler = run;\n/** doc */",
    ],
)
def test_a_handler_of_which_that_is_not_plain_is_believed(source: str) -> None:
    check(source)


def test_what_a_handler_is_a_property_of_need_not_be_called() -> None:
    check("export const api = { get: async () => 1 };", "api", inside=True)
    with pytest.raises(BuildFailed, match="default is an object"):
        check("export default { fetch };", "default")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('export { handler } from "./core";', ("handler", "./core")),
        ("export { run as handler, other } from './core'", ("run", "./core")),
        ('export {\n  default as handler,\n} from "@w/core";', ("default", "@w/core")),
        ('import { run } from "./core";\nexport { run as handler };', ("run", "./core")),
        ('import { run as handler } from "./core";\nexport { handler };', ("run", "./core")),
        ('const text = `\nexport { handler } from "./core";\n`;\nexport const handler = run;', None),
        ('/*\nexport { handler } from "./core";\n*/\nexport { handler } from "./other";', None),
        ('import { run } from "./core";\nlet handler = run;\nexport { handler };', None),
        ('export { type handler } from "./core";', None),
        ('export * from "./core";', None),
    ],
)
def test_where_a_handler_is_taken_from_is_plain_or_not_said(source: str, found: tuple[str, str] | None) -> None:
    assert taken_from("handler", source) == found


@pytest.mark.parametrize(
    ("bundle", "fits"),
    [
        ("var a=1;export{a as handler};", True),
        ("var a=1;export{b as other,a as handler};/*! export { licence } */", True),
        ('export{a as"}",b as handler};', True),
        ("export {\n  other,\n  handler\n};\n", True),
        ('export*from"layered";', True),
        ("export{a as other};", False),
        ("export{a as handlers,b as $handler};", False),
        ("", False),
    ],
)
def test_what_a_bundle_lists_is_what_it_exports(bundle: str, fits: bool) -> None:
    found = Entry(source="app.ts", place="app.mjs", export="handler")
    refused = contextlib.nullcontext() if fits else pytest.raises(BuildFailed, match="does not export handler")
    with refused:
        check_esm_export(found, {"handler"}, bundle.encode(), where="service.toml")


@pytest.mark.parametrize(
    ("source", "fits"),
    [
        ("module.exports = { test() {} };", False),
        ("module.exports={run:function(){return 1}};", False),
        ("module.exports = { handler };", True),
        ("module.exports = { 'handler': run };", True),
        ("module.exports = { ...others };", True),
        ("module.exports = { [name]: run };", True),
        ("module.exports = { test() {} };\nmodule.exports.handler = run;", True),
        ("module.exports = { test() {} };\nObject.assign(exports, others);", True),
        ("module.exports = { test() {} };\nadd(module);", True),
        ("module.exports = make();", True),
        ("const handler = run;\nmodule.exports = { /* (event) => answer */ test() {}, route: '/api/*' };", False),
        ("module.exports = { test: `a`, text: 'it\\'s }' };", False),
        ("module.exports = /* all */ { handler };", True),
        ("module.exports = { clean: (s) => s.replace(/\\}/g, ''), handler: async () => ({}) };", True),
        ("module.exports = {\n  // closes with }\n  handler: async () => ({}),\n};", True),
        ("module.exports = { route: '/api/*', handler,\n  /** doc */\n  x };", True),
        ("module.exports = { route: `${base}/*`, handler,\n  /** doc */\n  x };", True),
        ("module.exports = { a: (x) => `${x ? `}` : ''}`, handler: async () => ({}) };", True),
        ("const quoted = /`/;\nmodule.exports = { route: `/*`, handler,\n  /** doc */\n  x };", True),
    ],
)
def test_an_object_that_is_all_that_commonjs_exports_is_asked_for_the_handler(source: str, *, fits: bool) -> None:
    found = Entry(source="app.js", place="app.js", export="handler")
    refused = contextlib.nullcontext() if fits else pytest.raises(BuildFailed, match="does not export handler")
    with refused:
        check_commonjs_export(found, {"default"}, source, b"export default run();", where="service.toml")
