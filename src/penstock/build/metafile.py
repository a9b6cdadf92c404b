"""What esbuild tells of a bundle: which files are in it, and what each of them asks for.

Format: https://esbuild.github.io/api/#metafile
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.build import node_addon, node_lock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Metafile = Mapping[str, Any]
"""As esbuild wrote it: `inputs` and `outputs`, by paths relative to the workspace."""


def reached_inputs(entry_point: str, inputs: Mapping[str, Any], *, kind: str | None = None) -> list[str]:
    """The files of a metafile that an entry takes in, directly or not; `kind` leaves imports of other kinds out."""
    reached: dict[str, None] = {}
    queue = [entry_point]
    while queue:
        path = queue.pop()
        if path in inputs and path not in reached:
            reached[path] = None
            imports = (one for one in inputs[path].get("imports", ()) if kind in {None, one.get("kind")})
            queue += [one["path"] for one in imports if not one.get("external")]
    return sorted(reached)


def used(meta: Metafile) -> tuple[str, ...]:
    """The files of which something is left in what was made."""
    inputs = (output.get("inputs", {}) for output in meta["outputs"].values())
    return tuple(path for each in inputs for path, about in each.items() if about.get("bytesInOutput"))


def packages_in(meta: Metafile) -> frozenset[str]:
    """Folders of the packages (relative to the workspace) that a bundle took something from."""
    return packages_of(meta["inputs"])


def packages_of(paths: Iterable[str]) -> frozenset[str]:
    """Folders of the packages that these files are of, as far as they lie in a node_modules."""
    found = (package_folder(path) for path in paths)
    return frozenset(folder for folder in found if folder is not None)


def asked_of(meta: Metafile, beside: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Packages of `beside` that a bundle asks for when it runs, with the files (from the workspace) that do."""
    asked: dict[str, tuple[str, ...]] = {}
    for path, about in meta["inputs"].items():
        for one in about["imports"]:
            name = node_lock.package_of(one["path"]) if one.get("external") else None
            if name is not None and name in beside:
                asked[name] = (*asked.get(name, ()), path)
    return asked


def addons_in(meta: Metafile) -> list[str]:
    """Files with native code that a bundle asks for, and that cannot be in it."""
    return sorted(path for path in meta["inputs"] if node_addon.is_addon(path))


def looking_for_files(meta: Metafile) -> frozenset[str]:
    """Names of the packages that ask by `require.resolve` for files beside their own: they cannot be in one file."""
    found = set()
    for path, about in meta["inputs"].items():
        asked = (one for one in about["imports"] if one.get("kind") == "require-resolve" and one.get("external"))
        folder = package_folder(path)
        if folder is not None and any(one["path"].startswith(".") for one in asked):
            found.add(folder.rpartition("node_modules/")[2])
    return frozenset(found)


def package_folder(path: str) -> str | None:
    """The folder of the package that a file of node_modules is of; None for any other file."""
    head, mark, tail = path.rpartition("node_modules/")
    parts = tail.split("/")
    return head + mark + "/".join(parts[: 2 if parts[0].startswith("@") else 1]) if mark else None


def exported(meta: Metafile) -> frozenset[str]:
    """Names that the one output of a metafile exports."""
    return frozenset(name for output in meta["outputs"].values() for name in output.get("exports", ()))


def meant(meta: Metafile, path: str, module: str) -> str:
    """The file of a bundle that one of its files imports by that name; empty when there is none."""
    imports = meta["inputs"].get(path, {}).get("imports", ())
    found = {one["path"] for one in imports if one.get("original") == module and not one.get("external")}
    return str(found.pop()) if len(found) == 1 else ""


def bundled(meta: Metafile) -> dict[str, str]:
    """Packages with code in a bundle: `node_modules` folder of each → its name, from esbuild's metafile."""
    found: dict[str, str] = {}
    for path in used(meta):
        folder, _, inner = path.rpartition("node_modules/")
        if folder or path.startswith("node_modules/"):
            parts = inner.split("/")
            name = "/".join(parts[:2]) if inner.startswith("@") else parts[0]
            found[posixpath.join(folder, "node_modules", name)] = name
    return found


def left_external(meta: Metafile, supplied: Iterable[str]) -> tuple[str, ...]:
    """Packages that a bundle asks its runtime for, among those that match `@aws-sdk/*` and the like, sorted."""
    scopes = tuple(pattern.removesuffix("*") for pattern in supplied)
    imports = (each for output in meta["outputs"].values() for each in output.get("imports", ()))
    paths = {each["path"] for each in imports if each.get("external")}
    return tuple(sorted({"/".join(path.split("/")[:2]) for path in paths if path.startswith(scopes)}))
