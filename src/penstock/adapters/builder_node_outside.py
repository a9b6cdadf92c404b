"""Types that a service takes from outside itself and its packages: they are in no bundle, but decide what is right.

They also decide what the metadata of decorators says, so they are part of the recipe.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from penstock.adapters.builder_node_aliases import asked_for
from penstock.build import node, node_reach, tsconfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from penstock.adapters.builder_files import SourceFile, SourceFiles
    from penstock.adapters.builder_node_parts import NodePart

_TYPED = (".ts", ".tsx", ".mts", ".cts")


def types_outside(files: SourceFiles, parts: Sequence[NodePart], configs: Iterable[str]) -> dict[str, str]:
    """Digests of such files by path, relative to the workspace; no digest where one would lie.

    `configs` are the tsconfigs that count for the parts. Of what `files` and `include` take in, a folder that holds the
    parts themselves is left out: most of it is others'.
    """
    found: dict[str, str] = {}
    queue: list[tuple[str, SourceFile]] = []

    def look(path: str) -> None:
        is_known = path in found or path.startswith("..") or "node_modules/" in path
        if is_known or any(path.startswith(f"{part.folder}/") for part in parts):
            return
        file = files.file(path)
        found[path] = file.digest if file else ""
        queue.extend([(path, file)] if file and path.endswith(node.EXTENSIONS) else [])

    for config in configs:
        for place in _included(files, config, parts):
            look(place)
    for part in parts:
        for source, file in part.files.items():
            if source.endswith(node.EXTENSIONS):
                _follow(files, f"{part.folder}/{source}", file, look, part.folder)
    while queue:
        _follow(files, *queue.pop(), look)
    return found


def _follow(
    files: SourceFiles, source: str, file: SourceFile, look: Callable[[str], None], inside: str | None = None
) -> None:
    """Look at the files that a source asks for by relative paths, but not at those inside of a folder."""
    for module in asked_for(files, file):
        if not module.startswith("."):
            continue
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), module))
        if inside is None or not place.startswith(f"{inside}/"):
            for one in (*node_reach.may_mean(module, source), f"{place}.d.ts"):
                look(one)


def _included(files: SourceFiles, config: str, parts: Sequence[NodePart]) -> Iterator[str]:
    """Files outside that a tsconfig's `files` and `include` name."""
    content = tsconfig.read(files.setting(config) or "")
    named = [one for key in ("files", "include") for one in content.get(key) or () if isinstance(one, str)]
    for pattern in named:
        place = posixpath.normpath(posixpath.join(posixpath.dirname(config), pattern))
        folder = place.partition("*")[0].rpartition("/")[0] if "*" in place else place
        if place.endswith(_TYPED) and "*" not in place:
            yield place
        elif not any(f"{part.folder}/".startswith(f"{folder}/") for part in parts) and folder not in {"", "."}:
            inside = any(folder.startswith(f"{part.folder}/") for part in parts)
            if not inside and not folder.startswith("..") and files.has_folder(folder):
                walked = files.walk(folder, outputs=True)
                yield from (f"{folder}/{path}" for path in walked if path.endswith(_TYPED))
