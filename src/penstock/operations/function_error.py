"""A function's own error in a few lines: what was raised, where in the workspace's sources, and what explains it.

Lambda answers with JSON whose frames name files in the deployed package; the log tail repeats them between its own
START, END and REPORT lines. People want the exception once, and their own files.
Source: https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from penstock.infra.variables import environment_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from penstock.model.workspace import Function
    from penstock.operations.world import World
    from penstock.ports import Invocation

EXCERPT = 300
"""Characters of an answer that is no error's JSON."""
MESSAGE = 1000
"""Characters of an exception's own words."""
FRAMES = 5
LOG_LINES = 6

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>[^\s\\]+)')
_NODE_FRAME = re.compile(r"^\s*at .*")
_PACKAGE = re.compile(r"(?:file://)?(?:/var/task/|/\S*?/code/[0-9a-f]{16,}/)")
"""Where a deployed package is unpacked: Lambda's folder, or that of the embedded AWS."""
_LAMBDAS_OWN = re.compile(r"^(INIT_START|INIT_REPORT|START|END|REPORT|XRAY TraceId)\b")
_MISSING = re.compile(r"^'((?:TABLE|SECRET|PARAMETER|QUEUE|TOPIC|BUCKET|SERVICE)_)[A-Z0-9_]+'$")


def explain(world: World, function: Function, answer: Invocation) -> list[str]:
    """The lines that tell why the call failed; empty when neither the answer nor the log says anything."""
    log = [line for line in answer.log_tail.splitlines() if line.strip() and not _LAMBDAS_OWN.match(line)]
    if answer.error is None:
        return log[-LOG_LINES:]
    try:
        told = json.loads(answer.payload)
        kind, text = str(told["errorType"]), str(told["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return [f"{answer.error}: {answer.payload[:EXCERPT]}", *log[-LOG_LINES:]]
    # A module that fails while it is loaded has its frames in the log alone.
    trace = "".join(map(str, told.get("stackTrace") or ())) or "\n".join(log)
    frames = list(_own_frames(world, function, trace)) or list(_any_frames(told.get("trace") or ()))
    lines = [f"{kind}: {text[:MESSAGE]}", *(f"  at {frame}" for frame in frames[-FRAMES:][::-1])]
    if kind == "KeyError" and (missing := _MISSING.match(text)):
        lines.append(f"  {_variables(world, function, missing[1])}")
    if not frames and not trace:
        return lines
    return lines if frames else [*lines, *(line for line in log[-LOG_LINES:] if text not in line)]


def _own_frames(world: World, function: Function, trace: str) -> Iterator[str]:
    for frame in _FRAME.finditer(trace):
        source = _source(world, function, _PACKAGE.sub("", frame["file"]))
        if source:
            yield f"{source}:{frame['line']} in {frame['name']}"


def _source(world: World, function: Function, path: str) -> str | None:
    """The file of the workspace that was packed under that path; None for those of dependencies."""
    if path.startswith(("/", "<")) or ".." in path.split("/"):
        return None
    workspace = world.workspace
    folders = [workspace.service(function.service).path, *(package.path for package in workspace.packages)]
    candidates = [f"{folder}/{inner}{path}" for folder in folders for inner in ("src/", "")]
    return next((one for one in candidates if world.files.read(world.root / one) is not None), None)


def _any_frames(trace: Iterable[object]) -> list[str]:
    """Node's frames, outermost first; a bundle's lines are its own."""
    found = [str(line) for line in trace if _NODE_FRAME.match(str(line))]
    return [_PACKAGE.sub("", line).strip().removeprefix("at ") for line in found][::-1]


def _variables(world: World, function: Function, prefix: str) -> str:
    """Which variables of that kind the function has."""
    manifest = f"{world.workspace.service(function.service).path}/service.toml"
    found = sorted(name for name in environment_variables(world.workspace, function) if name.startswith(prefix))
    has = f"it has {', '.join(found)}" if found else f"it has no {prefix}…"
    return f"{has}; what a function may use stands in {manifest}"
