"""What was built last on this machine, and from which inputs: for `why`, and for how much a ZIP has grown."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from penstock.build import changes
from penstock.build.changes import Reason
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from penstock.adapters.builder_cache import Entry, ZipCache
    from penstock.adapters.builder_files import SourceFiles
    from penstock.model.artifact import Recipe


class History:
    """Remembers the last two builds of each unit."""

    def __init__(self, cache: ZipCache, files: SourceFiles) -> None:
        self._cache = cache
        self._files = files

    def remember(self, recipe: Recipe, digest: str, entry: Entry) -> int | None:
        """Note what was built last; by how many bytes it outgrew the build before, None for the first.

        `digest` is the recipe's.
        """
        known = self._files.recall(f"built {recipe.unit}")
        if known is not None and known["recipe"] == digest:
            return None if known["size_before"] is None else known["size"] - known["size_before"]
        before = known or {"recipe": None, "size": None}
        if self._cache.note("recipe", digest) is None:
            with contextlib.suppress(BuildFailed):  # a cache that cannot be written: `why` will know less
                self._cache.keep_note("recipe", digest, {"inputs": changes.parts(recipe)})
        self._files.remember(
            f"built {recipe.unit}",
            {"recipe": digest, "size": entry.size, "before": before["recipe"], "size_before": before["size"]},
        )
        return None if before["size"] is None else entry.size - before["size"]

    def reason(self, recipe: Recipe, digest: str) -> Reason:
        """What sets a recipe apart from that of the last build, or else that one from the build before."""
        name = recipe.unit
        known = self._files.recall(f"built {name}")
        last = self._cache.note("recipe", known["recipe"]) if known else None
        if known is None or last is None:
            return Reason(unit=name, state="never")
        if known["recipe"] != digest:
            return Reason(unit=name, state="stale", changes=changes.between(last["inputs"], changes.parts(recipe)))
        earlier = self._cache.note("recipe", known["before"]) if known["before"] else None
        changed = changes.between(earlier["inputs"], last["inputs"]) if earlier else ()
        return Reason(unit=name, state="current", changes=changed)
