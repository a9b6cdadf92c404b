"""Types that a service takes from outside itself and its packages: they are in no bundle, but decide what is right.

They also decide what the metadata of decorators says, so they are part of the recipe.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from penstock.adapters.builder_node_aliases import asked_for
from penstock.build import node, node_lock, node_reach, package_json, tsconfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from penstock.adapters.builder_files import SourceFile, SourceFiles
    from penstock.adapters.builder_node_parts import NodePart

_TYPED = (".ts", ".tsx", ".mts", ".cts")


def types_outside(
    files: SourceFiles, parts: Sequence[NodePart], configs: Iterable[tuple[str, str]], folders: Mapping[str, str]
) -> dict[str, str]:
    """Digests of such files by path, relative to the workspace; no digest where one would lie.

    `configs` are the tsconfigs that count for the parts, each with the folder of the one that extends it at last. Of
    what `files`, `include`, `typeRoots` and `types` take in, a folder that holds the parts themselves is left out: most
    of it is others'. `folders` are those of the workspace's packages by name, which lie in node_modules for whoever
    asks.
    """
    outside = _Outside(files, parts, folders)
    for place in _of_projects(files, configs, parts, folders):
        outside.look(place)
    for part in parts:
        for source, file in part.files.items():
            if source.endswith(node.EXTENSIONS):
                outside.follow(f"{part.folder}/{source}", file, part.folder)
    while outside.queue:
        outside.follow(*outside.queue.pop())
    return outside.found


class _Outside:
    """What was found so far, and the sources among it that are yet to be followed."""

    def __init__(self, files: SourceFiles, parts: Sequence[NodePart], folders: Mapping[str, str]) -> None:
        self._files = files
        self._parts = parts
        self._undeclared = {name: folder for name, folder in folders.items() if not _is_inside(folder, parts)}
        self.found: dict[str, str] = {}
        self.queue: list[tuple[str, SourceFile]] = []

    def look(self, path: str) -> None:
        """Look at a file, unless it is known, none of the workspace's, or one of the parts."""
        is_known = path in self.found or path.startswith("..") or "node_modules/" in path
        if is_known or _is_inside(path, self._parts):
            return
        file = self._files.file(path)
        self.found[path] = file.digest if file else ""
        if file and path.endswith(node.EXTENSIONS):
            self.queue.append((path, file))

    def follow(self, source: str, file: SourceFile, inside: str | None = None) -> None:
        """Look at the files that a source asks for, but not at those inside of a folder."""
        for module in asked_for(self._files, file):
            if not module.startswith("."):
                self._package(module)
                continue
            place = posixpath.normpath(posixpath.join(posixpath.dirname(source), module))
            if inside is None or not place.startswith(f"{inside}/"):
                for one in (*node_reach.may_mean(module, source), f"{place}.d.ts"):
                    self.look(one)

    def _package(self, module: str) -> None:
        """Look at all of a package of the workspace of which a module is, that nobody says they depend on."""
        folder = self._undeclared.pop(node_lock.package_of(module) or "", None)
        if folder is not None:
            for path in _below(self._files, folder, (*node.EXTENSIONS, "package.json")):
                self.look(path)


def _of_projects(
    files: SourceFiles, configs: Iterable[tuple[str, str]], parts: Sequence[NodePart], folders: Mapping[str, str]
) -> Iterator[str]:
    """Files outside that tsconfigs take in, those among them that others refer to with all that lies around these."""
    queue: list[tuple[str, str, str]] = [(config, home, "") for config, home in configs]
    seen: set[tuple[str, str]] = set()
    while queue:
        config, home, why = queue.pop()
        if (config, home) in seen:
            continue
        seen.add((config, home))
        text = files.setting(config) or ""
        content = tsconfig.read(text)
        yield from _included(files, config, content, home, parts)
        yield from _typed(files, config, content, home, parts)
        if why and not _is_inside(config, parts):
            yield config
            queue += [(one, home, "extended") for one in package_json.extended_by(config, text, folders)]
            if why == "project" and not _holds(posixpath.dirname(config), parts):
                yield from _below(files, posixpath.dirname(config), _TYPED)
        queue += [(one, posixpath.dirname(one), "project") for one in tsconfig.referred_to(config, content)]


def _is_inside(path: str, parts: Sequence[NodePart]) -> bool:
    return any(f"{path}/".startswith(f"{part.folder}/") for part in parts)


def _holds(folder: str, parts: Sequence[NodePart]) -> bool:
    return folder in {"", "."} or any(f"{part.folder}/".startswith(f"{folder}/") for part in parts)


def _below(files: SourceFiles, folder: str, endings: tuple[str, ...]) -> Iterator[str]:
    if files.has_folder(folder):
        yield from (f"{folder}/{path}" for path in files.walk(folder, outputs=True) if path.endswith(endings))


def _included(
    files: SourceFiles, config: str, content: Mapping[str, Any], home: str, parts: Sequence[NodePart]
) -> Iterator[str]:
    """Files outside that a tsconfig's `files` and `include` name."""
    for pattern in (*_texts(content.get("files")), *_texts(content.get("include"))):
        place = tsconfig.placed(posixpath.dirname(config), pattern, home)
        folder = place.partition("*")[0].rpartition("/")[0] if "*" in place else place
        if place.endswith(_TYPED) and "*" not in place:
            yield place
        elif _is_outside(folder, parts):
            yield from _below(files, folder, _TYPED)


def _typed(
    files: SourceFiles, config: str, content: Mapping[str, Any], home: str, parts: Sequence[NodePart]
) -> Iterator[str]:
    """Files outside that a tsconfig's `typeRoots` hold, or that its `types` name by relative paths."""
    base, options = posixpath.dirname(config), content.get("compilerOptions") or {}
    roots = [tsconfig.placed(base, one, home) for one in _texts(options.get("typeRoots"))]
    named = [one for one in _texts(options.get("types")) if one.startswith(".")]
    # TypeScript looks from its roots, then from the project; an older one from the tsconfig that says it.
    places = [posixpath.normpath(posixpath.join(above, one)) for one in named for above in (base, home, *roots)]
    for place in places:
        if _is_outside(place, parts):
            yield from (f"{place}{ending}" for ending in (*_TYPED, ".d.ts", "/index.d.ts", "/package.json"))
    for folder in (*roots, *places):
        if _is_outside(folder, parts):
            yield from _below(files, folder, (*_TYPED, "package.json"))


def _is_outside(folder: str, parts: Sequence[NodePart]) -> bool:
    """Whether a folder is one of the workspace's, with none of the parts in it, nor in one of these."""
    is_ours = not folder.startswith(("..", "/")) and "node_modules" not in folder.split("/")
    return is_ours and not _holds(folder, parts) and not _is_inside(folder, parts)


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
