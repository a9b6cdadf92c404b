"""What build scripts of shared packages read besides the package itself, as far as their words tell."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from penstock.adapters.builder_node_aliases import asked_for
from penstock.build import node, node_reach
from penstock.build.folders import upwards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_node_parts import NodePart
    from penstock.build.package_json import PackageJson

_LOOKED_FOR_ABOVE = (".browserslistrc", ".swcrc", *(f"babel.config.{end}" for end in ("js", "cjs", "mjs", "json")))
"""Settings that compilers take from a folder above without being told."""
_RESULTS = frozenset({"dist", "build"})


def named_by_scripts(
    files: SourceFiles, part: NodePart, top: str, manifest: Callable[[str], PackageJson | None]
) -> dict[str, str]:
    """Digests of files that a package's scripts name, and of those that these import, by path from the workspace.

    No digest where such a file would lie. `top` is the folder of the lock, relative to the workspace (empty for
    itself); `manifest` reads the package.json of a folder. What another package's script makes is left out: what that
    is made from speaks for it.
    """
    found: dict[str, str] = {}
    queue = [place for word in part.manifest.named for place in _meant(files, part, word)]
    queue += [posixpath.join(above, name) for above in upwards(part.folder)[1:] for name in _LOOKED_FOR_ABOVE]
    queue += [posixpath.join(top, "package.json")] if part.manifest.in_workspace else []
    own = tuple(f"{part.folder}/{one}" for one in part.results)
    while queue:
        path = queue.pop()
        inner = path.removeprefix(f"{part.folder}/")
        counts_anyway = path in found or (inner != path and inner in part.files)
        if counts_anyway or _is_outside(path) or path.startswith(own) or _is_result(path, manifest):
            continue
        found[path] = files.digest(files.root / path) if files.has(path) else ""
        file = files.file(path) if path.endswith(node.EXTENSIONS) else None
        for module in asked_for(files, file) if file else ():
            queue += node_reach.may_mean(module, path) if module.startswith(".") else ()
    return found


def _meant(files: SourceFiles, part: NodePart, word: str) -> Iterator[str]:
    """The files that a word may mean: itself, or all below it; of a folder around the package its package.json."""
    place = posixpath.normpath(posixpath.join(part.folder, word))
    yield place
    if _is_outside(place) or place == part.folder or place.startswith(f"{part.folder}/"):
        return
    if place == "." or part.folder.startswith(f"{place}/"):
        yield posixpath.normpath(posixpath.join(place, "package.json"))
    elif files.has_folder(place):
        yield from (f"{place}/{path}" for path in files.walk(place))


def _is_outside(path: str) -> bool:
    """Whether nothing is to be looked at there: above the workspace, or what the lock speaks for."""
    return path.startswith(("..", "/", "~")) or "node_modules" in path.split("/")


def _is_result(path: str, manifest: Callable[[str], PackageJson | None]) -> bool:
    """Whether a path lies where a package's build script puts what it makes."""
    parts = path.split("/")
    owners = (manifest("/".join(parts[:at]) or ".") for at, name in enumerate(parts[:-1]) if name in _RESULTS)
    return any(owner is not None and owner.build_script is not None for owner in owners)
