"""Which files of a Node.js service count for its types only, because no bundle can take them in."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from penstock.adapters.builder_node_aliases import TSCONFIGS, asked_for
from penstock.build import node, node_unread, tsconfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from penstock.adapters.builder_files import SourceFile, SourceFiles
    from penstock.adapters.builder_node_parts import NodePart
    from penstock.model.workspace import Workspace


def unread(
    files: SourceFiles, workspace: Workspace, service: NodePart, configs_of: Callable[[str], Iterable[tuple[str, str]]]
) -> frozenset[str] | None:
    """Files of the service that no bundle takes in; None where one of its sources might ask for such a file.

    `configs_of` gives the tsconfigs that count for a folder, each with the folder of the one that extends it at last.
    """
    functions = (each.functions for each in workspace.services if each.path == service.folder)
    handlers = [one.handler for each in functions for one in each]
    sources = {path: file for path, file in service.files.items() if path.endswith(node.EXTENSIONS)}
    asked = ((path, asked_for(files, file)) for path, file in sources.items())
    configs = dict.fromkeys(config for folder in _configured(service) for config in configs_of(folder))
    aliases = _aliases(files, service, configs)
    if not handlers or node_unread.are_asked_for(asked, handlers, service.folder, aliases):
        return None
    # The types of whatever file may be in the metadata of decorators.
    if any("emitDecoratorMetadata" in (files.setting(path) or "") for path, _ in configs):
        return None
    found = frozenset(path for path in service.files if node_unread.may_be_unread(path))
    return None if any(_computes(files, file) for path, file in sources.items() if path not in found) else found


def _configured(service: NodePart) -> set[str]:
    """The folders of the service for which a tsconfig of their own may count."""
    inner = (path for path in service.files if path.endswith(TSCONFIGS) and not node_unread.may_be_unread(path))
    return {service.folder, *(posixpath.dirname(f"{service.folder}/{path}") for path in inner)}


def _aliases(files: SourceFiles, service: NodePart, configs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Other names for the service's files: patterns of modules' names to patterns of places, from the workspace."""
    found: dict[str, tuple[str, ...]] = {}
    for path, home in configs:
        for name, places in tsconfig.aliases(path, files.setting(path) or "", home).items():
            found[name] = (*found.get(name, ()), *places)
    manifest = service.manifest
    own = {f"{manifest.name}{asked.removeprefix('.')}": paths for asked, paths in manifest.given.items()}
    for name, paths in (*manifest.imports.items(), *(own.items() if manifest.name else ())):
        inside = (posixpath.normpath(posixpath.join(service.folder, path)) for path in paths)
        found[name] = (*found.get(name, ()), *inside)
    return found


def _computes(files: SourceFiles, file: SourceFile) -> bool:
    found: bool = files.known("computes", file, lambda: node_unread.computes_names(file.read()))
    return found
