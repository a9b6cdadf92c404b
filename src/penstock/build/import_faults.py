"""How it is told that imports of an artifact find nothing, or could not be looked at."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from penstock.build.ignore import skips_folder
from penstock.build.proof_imports import Modules, with_packages
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from penstock.build.proof_imports import Missing


def reasons(found: Iterable[Missing], ours: Mapping[str, str]) -> list[str]:
    """One line for each, with the file as the person knows it: `ours` maps the ZIP's paths to the workspace's."""
    return [f"{ours.get(one.file, one.file)}:{one.line}: import of {one.module}: {one.why}" for one in found]


def not_found(missing: Sequence[Missing], ours: Mapping[str, str]) -> BuildFailed:
    """The error about all of them, with what to do about the first."""
    first, *further = missing
    lines = reasons(further, ours)
    what = f"import of {first.module}: {first.why}" + "".join(f"\n{line}" for line in lines)
    return BuildFailed(what, where=f"{ours.get(first.file, first.file)}:{first.line}", hint=_hint(first, ours))


def unread(lines: Mapping[str, int], ours: Mapping[str, str], version: str) -> str:
    """What the person has to know of files that Penstock's Python cannot read; `lines` by the ZIP's paths."""
    (path, line), *more = sorted(lines.items())
    also = f" and {len(more)} more" if more else ""
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (
        f"{ours.get(path, path)}:{line}{also}: Python {running}, on which Penstock runs, does not read this, so imports"
        f" and handlers there are not checked, and syntax only where Python {version} is on this machine"
    )


def _hint(missing: Missing, ours: Mapping[str, str]) -> str:
    name = missing.module.split(".")[0]
    if not name:
        return "write the import without dots, or let the handler name the package: package.module.function"
    own = Modules(ours)
    within = next((package for package in with_packages(missing.module)[:-1] if package in own.files), "")
    if within:
        # Whatever a layer brings, Python looks for it there.
        return f"{within} is {ours[own.files[within]]}: write what it lacks, or import what it has"
    provided = missing.module if own.has(name) else name
    if not missing.ours:
        hint = f"lock what has {name}: a package that is locked needs it"
    elif own.has(name):
        hint = f"write {missing.module}, or add what has it to the dependencies and lock again"
    else:
        hint = f"add what has {name} to the dependencies and lock again"
        if skips_folder(name):
            hint += f"; a folder {name} at the top of a service or package is left out by rule: call it something else"
    return f'{hint}; if a layer brings it, in service.toml: [build] provided = ["{provided}"]'
