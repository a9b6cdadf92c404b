"""What sources ask for, and that a bundle took in nothing that its recipe does not speak of."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from penstock.build.metafile import package_folder
from penstock.build.node import EXTENSIONS
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from penstock.build.metafile import Metafile

_ASKED = re.compile(r"""(?:from|import|(?:require|import)\s*\()\s*["']([^"'\s]+)["']""")
_REFERENCED = re.compile(r"""^\s*///\s*<reference\s+(path|types)\s*=\s*["']([^"'\s]+)["']""", re.MULTILINE)
_TYPES = "types:"
"""What begins the names of files in the metafile of a bundle with metadata that were looked at for their types."""


def asked_for(source: bytes) -> list[str]:
    """Names of modules that a source file asks for, without Node's own."""
    text = source.decode(errors="replace")
    names = set(_ASKED.findall(text))
    for kind, name in _REFERENCED.findall(text):
        names.add(name if kind == "types" or name.startswith((".", "/")) else f"./{name}")
    return sorted(name for name in names if not name.startswith(("/", "node:")))


def may_mean(module: str, source: str) -> tuple[str, ...]:
    """Files that a module's name beginning with a dot may mean in a source file; both relative to one folder."""
    place = posixpath.normpath(posixpath.join(posixpath.dirname(source), module.partition("?")[0]))
    stem, ending = posixpath.splitext(place)
    of_types = [f"{stem}{ending.replace('j', 't')}", f"{stem}.tsx"] if ending in {".js", ".mjs", ".cjs", ".jsx"} else []
    endings = (*EXTENSIONS, ".json")
    return (place, *of_types, *(f"{place}{one}" for one in endings), *(f"{place}/index{one}" for one in endings))


def check_inputs(
    meta: Metafile,
    folders: Collection[str],
    files: Collection[str],
    made: tuple[str, ...],
    *,
    is_locked: Callable[[str], bool],
    where: str,
) -> None:
    """Raise BuildFailed when a bundle took in a file that no recipe speaks of, so that it could go stale.

    `files` are those that its recipe speaks of, `made` prefixes of what build scripts have made; `folders` those of the
    service and its packages. `is_locked` tells of a file in a node_modules whether the lock speaks for it.
    """
    for path in meta["inputs"]:
        if path.startswith(_TYPES):
            continue
        plain = path.partition(":")[2] if path.startswith(("file:", "disabled:", "(disabled):")) else path
        plain = plain if plain in files else plain.partition("?")[0]
        if plain in files or plain.startswith(("<", *made)):
            continue
        if "node_modules/" in plain:
            if is_locked(plain):
                continue
            raise unlocked(plain, where)
        if any(plain.startswith(f"{folder}/") for folder in folders):
            raise BuildFailed(
                f"the bundle takes in {plain}, which is left out by rule: nobody would notice when it changes",
                where=where,
                hint="put it elsewhere, or ask for it by a relative path: tests and results of builds are left out",
            )
        raise BuildFailed(
            f"the bundle takes in {plain}, which is neither in the service nor in a package it depends on",
            where=where,
            hint="make it a package of the workspace and name it in the service's package.json",
        )


def unlocked(path: str, where: str) -> BuildFailed:
    """The refusal of a package, by one of its files, that no lock of the service's has brought."""
    folder = package_folder(path) or path
    name = folder.rpartition("node_modules/")[2]
    hint = f"name {name} in the service's package.json, and lock it"
    if name.startswith("."):
        hint = "let what is generated go into the service or a package of the workspace, not into node_modules"
        hint += ' (Prisma: output = "../src/generated" in the schema\'s `generator client`)' * (name == ".prisma")
    return BuildFailed(
        f"it takes in {folder}, for which no lock speaks: nobody would notice when that changes",
        where=where,
        hint=hint,
    )


def copied(path: str, where: str, why: str) -> BuildFailed:
    """The refusal of a package, by one of its files, that is a copy of a folder which cannot be told from the lock."""
    return BuildFailed(
        f"it takes in {package_folder(path) or path}, a copy of a folder {why}: nobody would notice when it is old",
        where=where,
        hint="let it be a link: `workspace:*` without `injected` or `inject-workspace-packages` (pnpm), a member of "
        "the workspace or `link:` (Yarn), no `install-links` (npm)",
    )


def check_types(meta: Metafile, files: Collection[str], made: tuple[str, ...], where: str) -> None:
    """The same of files whose types are in the metadata of decorators."""
    for path in meta["inputs"]:
        plain = path.removeprefix(_TYPES)
        if plain != path and plain not in files and not plain.startswith(made):
            raise BuildFailed(
                f"the metadata of decorators comes from {plain}, too, and nobody would notice when that changes",
                where=where,
                hint="import its types by a relative path, or name it in the tsconfig's `files` or `include`",
            )
