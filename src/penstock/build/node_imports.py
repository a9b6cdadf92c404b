"""What a bundle asks Node.js and Lambda's runtime for when it runs: whether they have it, as far as that is known.

A module that is certainly not there is refused where it is certainly asked for when the function starts. Whatever is
not certain (`require` and `import()` may be in a `try`, the runtime may have a newer SDK) is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from penstock.build import metafile, node_lock, node_runtime
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any

    from penstock.build.metafile import Metafile

_STATEMENT = "import-statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A module that is not in the bundle, the files (from the workspace) that ask for it, and whether at the start."""

    module: str
    files: tuple[str, ...]
    at_start: bool


def asked(meta: Metafile, entry: str) -> tuple[Asked, ...]:
    """What the bundle of that entry asks its surroundings for."""
    inputs: Mapping[str, Any] = meta["inputs"]
    kinds: dict[str, set[str]] = {}
    for output in meta["outputs"].values():
        for one in output.get("imports", ()):
            if one.get("external"):
                kinds.setdefault(one["path"], set()).add(one["kind"])
    used = frozenset(metafile.used(meta))
    askers: dict[str, dict[str, set[str]]] = {}
    for path, about in inputs.items():
        for one in about.get("imports", ()) if path in used else ():
            if one.get("external") and one["path"] in kinds:
                askers.setdefault(one["path"], {}).setdefault(path, set()).add(one["kind"])
    # What runs whenever the entry does: statements lead there, no `require` and no `import()`.
    first = frozenset(metafile.reached_inputs(entry, inputs, kind=_STATEMENT))
    return tuple(
        Asked(
            module=module,
            files=tuple(sorted(askers.get(module, ()))),
            # Of ES modules all statements stand first in the bundle; of CommonJS each becomes a `require` in its place.
            at_start=_STATEMENT in kinds[module]
            or (
                module in askers
                and all(path in first and found == {_STATEMENT} for path, found in askers[module].items())
            ),
        )
        for module in sorted(kinds)
    )


def check_own_modules(
    found: Collection[Asked], version: str, let: Collection[str], read: Callable[[str], str | None], *, where: str
) -> tuple[str, ...]:
    """Warnings of modules of Node.js itself that Node.js `version` may lack. Raises BuildFailed for one that it lacks.

    `let` are names and patterns of what others bring, by the person's word; `read` gives the text of a file.
    """
    told = []
    for one in found:
        name = one.module.removeprefix("node:")
        is_own = name != one.module or node_runtime.is_own_module(name)
        has = node_runtime.has_module(name, version) if is_own else "yes"
        if has == "yes" or is_let(one.module, let):
            continue
        place = _place(one, read) or where
        if has == "no" and one.at_start:
            raise BuildFailed(
                f"Node.js {version} has no module {one.module}",
                where=place,
                hint=f"take a newer runtime, or leave {one.module} out: the function cannot start with it",
            )
        if any(map(_is_ours, one.files)):
            told.append(f"{place}: {one.module} is no module of Node.js {version}, as far as Penstock knows")
    return tuple(told)


def undeclared_sdk(
    found: Collection[Asked],
    manifests: Collection[str],
    lock: Callable[[], str],
    let: Collection[str],
    read: Callable[[str], str | None],
) -> Iterator[str]:
    """Warnings of packages of the SDK that nobody names, and of which nobody knows that the runtime has them.

    `manifests` are names that package.json files depend on, `lock` gives the text of the lock.
    """
    for one in found:
        package = node_lock.package_of(one.module) or ""
        if not package.startswith(("@aws-sdk/", "@smithy/")) or is_let(one.module, let):
            continue
        if package in manifests or node_runtime.is_in_sdk(package) or not any(map(_is_ours, one.files)):
            continue
        if not re.search(rf"{re.escape(package)}(?![\w-])", lock()):
            yield f"{_place(one, read)}: no package.json names {package}: is it in the runtime's SDK?"


def is_let(module: str, patterns: Collection[str]) -> bool:
    """Whether a module is one of those that are named: by its name, its package's or a pattern, as esbuild does."""
    return any(module == one or module.startswith(f"{one}/") or fnmatchcase(module, one) for one in patterns)


def _is_ours(path: str) -> bool:
    return "node_modules/" not in path


def _place(one: Asked, read: Callable[[str], str | None]) -> str:
    """File and line that ask for it, of the workspace's own files if there are any."""
    path = min(one.files, key=lambda file: (not _is_ours(file), file), default="")
    text = (read(path) or "") if path else ""
    named = re.compile(rf"""["'`]{re.escape(one.module)}["'`]""")
    line = next((number for number, line in enumerate(text.splitlines(), 1) if named.search(line)), None)
    return path if line is None else f"{path}:{line}"
