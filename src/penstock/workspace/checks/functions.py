"""One function at a time: runtime, files, limits that hold between several keys, variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from penstock.model.credentials import secret
from penstock.workspace.catalog import (
    MAX_BATCH,
    MAX_ENV_BYTES,
    MAX_REST_TIMEOUT,
    OWN_ENV,
    RESERVED_ENV,
    RETENTION_DAYS,
    RUNTIMES,
    RUNTIMES_REVIEWED,
)
from penstock.workspace.checks.scene import function_tables, suggestion
from penstock.workspace.durations import seconds
from penstock.workspace.findings import Finding, KeyPath, dotted, shown
from penstock.workspace.layers import OWN, table
from penstock.workspace.text import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.workspace.checks.scene import FunctionScene, Scene
    from penstock.workspace.layers import Document
    from penstock.workspace.tree import ServiceFiles

EVENT_OPTIONS = {
    "stream": ("batch", "window", "filters", "starting_position", "bisect", "report_failures", "retries"),
    "queue": ("batch", "window", "filters", "report_failures", "concurrency"),
    "schedule": (),
    "topic": ("filters",),
    "bucket": ("events", "prefix", "suffix"),
    "bus": ("pattern",),
}
"""Which keys of `on` mean something to which kind."""

_NODE_SUFFIXES = (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx")
_MAX_WINDOW = 300
_SMALL_BATCH = 10


def check(scene: Scene) -> Iterator[Finding]:
    """Everything about functions."""
    root = scene.tree.root
    yield from _settings(root.file, ("defaults",), table(root.document, "defaults"))
    for name, values in table(root.document, "environments").items():
        yield from _settings(root.file, ("environments", name, "defaults"), table(values, "defaults"))
    for service in scene.tree.services:
        yield from _forms(service)
        for path, values in function_tables(service.manifest.document):
            yield from _settings(service.manifest.file, path, values)
            yield from _verify(scene, service, path, values)
            for index, event in enumerate(values.get("on", ())):
                yield from _event(scene, service.manifest.file, (*path, "on", index), event)
    seen: dict[tuple[str, str | None], list[Document]] = {}
    for environment in scene.environments:
        languages: dict[str, str] = {}
        for function in environment.functions:
            before = seen.setdefault((function.service.path, function.short), [])
            if function.values not in before:
                before.append(function.values)
                yield from _merged(scene, function)
            yield from _language(function, languages)


def _settings(file: str, path: KeyPath, values: Document) -> Iterator[Finding]:
    """What can be said of one table alone."""
    runtime = values.get("runtime")
    if runtime is not None and (end := RUNTIMES.get(runtime)) is None:
        current = [name for name, date in RUNTIMES.items() if date > RUNTIMES_REVIEWED]
        hint = suggestion(runtime, current, f"write one of {', '.join(current)}")
        yield Finding(file, (*path, "runtime"), f"unknown runtime {shown(runtime)}", hint)
    elif runtime is not None and end is not None and end <= RUNTIMES_REVIEWED:
        family = runtime[:6]
        newer = [name for name, date in RUNTIMES.items() if name.startswith(family) and date > RUNTIMES_REVIEWED]
        what = f"AWS has deprecated the runtime {runtime} on {end}"
        yield Finding(file, (*path, "runtime"), what, f"write one of {', '.join(newer)}")
    health = values.get("health")
    if health is not None and (not health.startswith("GET ") or "{" in health):
        what = f"health {shown(health)} cannot be asked without arguments"
        yield Finding(file, (*path, "health"), what, 'write a GET route without parameters, as "GET /users/health"')
    days = values.get("log_retention")
    if days is not None and days not in RETENTION_DAYS:
        closest = min(RETENTION_DAYS, key=lambda one: abs(one - days))
        what = f"CloudWatch Logs cannot keep logs for {days} days"
        yield Finding(file, (*path, "log_retention"), what, f"write {closest}, or another of its values")
    for name in table(values, "env"):
        if name in RESERVED_ENV:
            yield Finding(file, (*path, "env", name), f"{name} is set by Lambda itself", "take another name")
        elif name.startswith("PENSTOCK_"):
            yield Finding(file, (*path, "env", name), f"{name} is set by Penstock itself", "take another name")


def _forms(service: ServiceFiles) -> Iterator[Finding]:
    """A service is one function, or several."""
    document, file = service.manifest.document, service.manifest.file
    for path, values in (
        ((), document),
        *((("environments", name), one) for name, one in table(document, "environments").items()),
    ):
        if "functions" in document:
            for key in OWN:
                if key in values:
                    first = min(table(document, "functions"), default="NAME")
                    what = f"{key} stands at the top level of a service with [functions]"
                    yield Finding(file, (*path, key), what, f"move it to [functions.{first}]")


def _verify(scene: Scene, service: ServiceFiles, path: KeyPath, values: Document) -> Iterator[Finding]:
    event = values.get("verify")
    if event is None:
        return
    file, place = f"{service.path}/{event}", (*path, "verify")
    if file not in scene.source.listing and file not in scene.source.files:
        hint = "write the event that proves the function there"
        yield Finding(service.manifest.file, place, f"there is no file {shown(file)}", hint)
        return
    raw = scene.source.files.get(file)
    parsed = parse_json(file, raw) if raw is not None else None
    if isinstance(parsed, Finding):
        yield parsed


def _event(scene: Scene, file: str, path: KeyPath, event: Document) -> Iterator[Finding]:
    kinds = [kind for kind in EVENT_OPTIONS if kind in event]
    if not kinds and any(one == file and place[: len(path)] == path for one, place in scene.broken):
        return  # the source is there, and wrong
    if len(kinds) != 1:
        what = f"{dotted(path)} names {' and '.join(kinds) or 'no source'}"
        yield Finding(file, path, what, f"write exactly one of {', '.join(EVENT_OPTIONS)}")
        return
    kind = kinds[0]
    for key in event:
        if key != kind and key not in EVENT_OPTIONS[kind]:
            allowed = ", ".join(EVENT_OPTIONS[kind]) or "none"
            what = f"{key} means nothing to a {kind}"
            yield Finding(file, (*path, key), what, f"take it away; a {kind} knows: {allowed}")
    if kind == "bus" and "pattern" not in event:
        yield Finding(file, path, "a bus needs a pattern", 'add pattern = { source = ["…"] }')
    window = seconds(event["window"]) if "window" in event else None
    if window is not None and window > _MAX_WINDOW:
        yield Finding(file, (*path, "window"), f"window {event['window']} is longer than 5m", 'write at most "5m"')
    batch = event.get("batch", 1)
    if kind in MAX_BATCH and batch > MAX_BATCH[kind]:
        yield Finding(file, (*path, "batch"), f"batch = {batch} is too large", f"write at most {MAX_BATCH[kind]}")
    elif kind == "queue" and batch > _SMALL_BATCH and not window:
        what = f"batch = {batch} of a queue needs a window"
        yield Finding(file, (*path, "batch"), what, f'write at most {_SMALL_BATCH}, or add window = "5s"')


def _merged(scene: Scene, function: FunctionScene) -> Iterator[Finding]:
    """What can be said once every layer is there."""
    values, (home, home_path) = function.values, function.home
    if "handler" not in values:
        if not scene.is_broken(home, "handler"):
            hint = 'add handler = "module.function"'
            yield Finding(home, home_path, f"function {function.key} has no handler", hint)
    else:
        yield from _handler(scene, function)
    if values["timeout"] > MAX_REST_TIMEOUT and (values.get("routes") or values.get("health")):
        file, path = function.place("timeout")
        what = f"timeout = {values['timeout']} of {function.key}, which has routes: API Gateway waits 29 s"
        yield Finding(file, path, what, "write at most 29, or move the long work to a function with a queue")
    concurrency = table(values, "concurrency")
    reserved, provisioned = concurrency.get("reserved"), concurrency.get("provisioned")
    if reserved is not None and provisioned is not None and provisioned > reserved:
        file, path = function.place("concurrency", "provisioned")
        what = f"provisioned = {provisioned} is more than reserved = {reserved}"
        yield Finding(file, path, what, f"write at most {reserved}")
    yield from _variables(function)


def _handler(scene: Scene, function: FunctionScene) -> Iterator[Finding]:
    handler, runtime = function.values["handler"], function.values["runtime"]
    module, _, _ = handler.rpartition(".")
    file, path = function.place("handler")
    folder = function.service.path
    python = _python_files(folder, module)
    node = [f"{folder}/{top}{module}{suffix}" for top in ("", "src/") for suffix in _NODE_SUFFIXES]
    own, other = (python, node) if runtime.startswith("python") else (node, python)
    listing = scene.source.listing
    if any(one in listing for one in own):
        return
    if found := next((one for one in other if one in listing), None):
        family = "nodejs22.x" if runtime.startswith("python") else "python3.13"
        what = f"handler {shown(handler)} is {found}, but the runtime is {runtime}"
        yield Finding(file, path, what, f'write runtime = "{family}"')
        return
    what = f"handler {shown(handler)}: there is no file {own[0]}"
    yield Finding(file, path, what, "write it, or correct the handler; src/ is looked into as well")


def _python_files(folder: str, module: str) -> list[str]:
    inner = module.replace(".", "/")
    return [f"{folder}/{top}{inner}{end}" for top in ("", "src/") for end in (".py", "/__init__.py")]


def _language(function: FunctionScene, languages: dict[str, str]) -> Iterator[Finding]:
    language = re.sub(r"\d.*", "", function.values["runtime"])
    first = languages.setdefault(function.service.path, language)
    if language != first:
        file, path = function.place("runtime")
        what = f"function {function.key} is {language}, another of its service is {first}"
        yield Finding(file, path, what, "make it a service of its own: a service has one language")


def _variables(function: FunctionScene) -> Iterator[Finding]:
    env: dict[str, Any] = table(function.values, "env")
    size = sum(len(name) + (len(value.encode()) if isinstance(value, str) else 0) for name, value in env.items())
    file, path = function.place("env")
    if size > MAX_ENV_BYTES:
        what = f"variables of {function.key} take {size:,} bytes; Lambda takes {MAX_ENV_BYTES:,}"
        yield Finding(file, path, what, "move large values to [parameters]")
    for name, value in env.items():
        found = secret(value.encode()) if isinstance(value, str) else None
        if found is not None:
            file, path = function.place("env", name)
            yield Finding(
                file,
                path,
                f"{name} looks like {found[0]}, and would be in the clear in files that are committed and on AWS",
                f"take it out here and revoke it; then: [secrets.{name.lower()}], and "
                f"penstock secrets set -e ENVIRONMENT {name.lower()}",
            )
    own = {f"{prefix}{name}": place for prefix, name, place in _own_variables(function)}
    for name in sorted(env.keys() & own.keys()):
        file, path = function.place("env", name)
        yield Finding(file, path, f"{name} is set by Penstock, from {own[name]}", "take another name")


def _own_variables(function: FunctionScene) -> Iterator[tuple[str, str, str]]:
    document = function.service.manifest.document
    uses = table(document, "uses")
    for prefix in OWN_ENV[1:]:
        kind = f"{prefix[:-1].lower()}s"
        for place, names in ((f"[{kind}]", table(document, kind)), (f"[uses] {kind}", uses.get(kind, ()))):
            for name in names:
                yield prefix, name.upper().replace("-", "_"), place
