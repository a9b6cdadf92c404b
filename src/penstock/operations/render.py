"""`penstock render`: the Terraform roots of all environments and the modules they use, as files to commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.infra.render import render_root, root_text
from penstock.model.errors import PenstockError
from penstock.operations.terraform import ROOT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from penstock.model.workspace import Workspace
    from penstock.ports import Files


def wanted_files(root: Path, workspaces: Iterable[Workspace], modules: Mapping[str, bytes]) -> dict[Path, bytes]:
    """Every file that `render` writes, with its content."""
    roots = {
        root / "infra" / "environments" / workspace.environment.name / ROOT_FILE: root_text(
            render_root(workspace)
        ).encode()
        for workspace in workspaces
    }
    copies = {root / "infra" / "modules" / name: content for name, content in modules.items()}
    return roots | copies


def render(files: Files, wanted: Mapping[Path, bytes]) -> Sequence[Path]:
    """Write what differs; the paths that were written, sorted."""
    return [path for path, content in sorted(wanted.items()) if files.write(path, content)]


def check(files: Files, root: Path, wanted: Mapping[Path, bytes]) -> None:
    """Raise PenstockError naming every file that is not what `render` would write."""
    stale = [str(path.relative_to(root)) for path, content in sorted(wanted.items()) if files.read(path) != content]
    if stale:
        raise PenstockError(
            f"{len(stale)} generated file{'s are' if len(stale) != 1 else ' is'} not current: " + ", ".join(stale),
            where=str(root),
            hint="penstock render, then commit the result",
        )
