"""Whether what lies in a node_modules is what the lock speaks for, so that a recipe with the lock speaks of it, too."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters import whole_file
from penstock.build import node_installed, node_reach
from penstock.build.metafile import package_folder

if TYPE_CHECKING:
    from penstock.adapters.builder_node_parts import NodePlan

_STORE = re.compile(r"""virtualStoreDir"?:\s*["']?([^"',\n]+)""")


class Installed:
    """The packages that the lock of a plan has brought, as its text is now."""

    def __init__(self, plan: NodePlan) -> None:
        self._plan = plan
        text = _text(plan.top / plan.lock_name) if plan.lock_name else ""
        self._locked = node_installed.locked(plan.lock_name, text)
        self._known: dict[str, bool] = {}

    def is_locked(self, path: str) -> bool:
        """Whether the lock speaks for a file in a node_modules, by its path from the workspace.

        Raises BuildFailed for one of a copy of a folder of which no recipe speaks.
        """
        folder = package_folder(path) or ""
        self._check_copy(folder, path[len(folder) + 1 :])
        if folder not in self._known:
            self._known[folder] = bool(self._plan.lock_name) and self._is_locked(folder)
        return self._known[folder]

    def _is_locked(self, folder: str) -> bool:
        plan = self._plan
        above = "" if plan.top_folder == "." else f"{plan.top_folder}/"
        place = posixpath.relpath(folder, plan.top_folder)
        if place.startswith("../") or not folder.startswith(above):
            return self._lies_elsewhere(place)
        name = folder.rpartition("node_modules/")[2]
        by_script = plan.made_at_install and place == f"node_modules/{name}" and not name.startswith(".")
        return by_script or self._locked.speaks_for(place)

    def _lies_elsewhere(self, place: str) -> bool:
        """Whether a package is one of the lock's although it lies outside of the lock's folder.

        pnpm's `virtualStoreDir` may be anywhere, and what a linked folder needs npm locks and installs in that folder.
        """
        top = self._plan.top
        if self._plan.lock_name == "pnpm-lock.yaml":
            store = _STORE.search(_text(top / "node_modules" / ".modules.yaml"))
            inside = store is not None and _real(top / place).is_relative_to(_real(top / "node_modules" / store[1]))
            return inside and self._locked.speaks_for(place)
        return place in self._locked.places

    def _check_copy(self, folder: str, inner: str) -> None:
        plan, name = self._plan, folder.rpartition("node_modules/")[2]
        if name not in plan.copies:
            return
        of, where = plan.copies[name], plan.service.folder
        if of is None:
            raise node_reach.copied(folder, where, "that is not in the workspace")
        if any(part.is_made for part in plan.packages if part.folder == of):
            raise node_reach.copied(folder, where, "that its build script writes into afterwards")
        root = plan.top.parents[len(Path(plan.top_folder).parts) - 1] if plan.top_folder != "." else plan.top
        if _content(root / folder / inner) != _content(root / of / inner):
            raise node_reach.copied(folder, where, f"in which {inner} is another one by now")


def _content(path: Path) -> bytes | None:
    try:
        return whole_file.read(path)
    except OSError:
        return None


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
