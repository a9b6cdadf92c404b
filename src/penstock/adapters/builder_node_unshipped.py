"""What to tell of files that a bundle's sources read beside themselves, and that the ZIP has not got."""

from __future__ import annotations

import posixpath
from functools import partial
from typing import TYPE_CHECKING

from penstock.build import metafile, node, node_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.adapters.builder_files import SourceFile, SourceFiles
    from penstock.adapters.builder_node_parts import NodePlan
    from penstock.adapters.builder_node_together import Bundled
    from penstock.build.archive import Member


def unshipped(
    files: SourceFiles, plan: NodePlan, made: Bundled, members: Sequence[Member], place: str
) -> Iterator[str]:
    """Each such file, as `file:line: what`; `place` is the bundle's own in the ZIP."""
    if not node_data.may_read_beside(made.code, is_esm=plan.service.manifest.format == "esm"):
        return
    used = frozenset(metafile.used(made.meta))
    shipped = {member.name for member in members}
    for part in (plan.service, *plan.packages):
        for inner, file in part.files.items():
            path = f"{part.folder}/{inner}"
            for line, name in _beside(files, file) if path in used and path.endswith(node.EXTENSIONS) else ():
                lies = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
                runs = posixpath.normpath(posixpath.join(posixpath.dirname(place), name))
                if lies.startswith(f"{part.folder}/") and runs not in shipped and files.has(lies):
                    yield (
                        f"{path}:{line}: it asks for {lies} when it runs, which is not in the ZIP; import it as a "
                        "value, or put both into a package of the workspace, named in [build] unbundled"
                    )


def _beside(files: SourceFiles, file: SourceFile) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = files.known("reads beside", file, partial(_read, file))
    return found


def _read(file: SourceFile) -> list[tuple[int, str]]:
    return node_data.read_beside(file.read())
