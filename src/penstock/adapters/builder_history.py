"""What was built last on this machine, and from which inputs: for `why`, and for how much a ZIP has grown."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from penstock.build import changes
from penstock.build.changes import Reason
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from penstock.adapters.builder_cache import Entry, ZipCache
    from penstock.adapters.builder_files import SourceFiles
    from penstock.build.changes import InputChange
    from penstock.model.artifact import Recipe

_LOCKS_MAX = 8
"""Texts of locks that are kept: of the last two builds, on a few branches."""


class History:
    """Remembers the last two builds of each unit."""

    def __init__(self, cache: ZipCache, files: SourceFiles) -> None:
        self._cache = cache
        self._files = files
        self._locks: set[str] = set()

    def remember(self, recipe: Recipe, digest: str, entry: Entry) -> int | None:
        """Note what was built last; by how many bytes it outgrew the build before for its target, None for the first.

        `digest` is the recipe's.
        """
        known = self._files.recall(f"built {recipe.unit}") or {"recipe": None, "before": None}
        if known["recipe"] != digest:
            if self._cache.note("recipe", digest) is None:
                with contextlib.suppress(BuildFailed):  # a cache that cannot be written: `why` will know less
                    self._cache.keep_note("recipe", digest, {"inputs": changes.parts(recipe)})
            self._files.remember(f"built {recipe.unit}", {"recipe": digest, "before": known["recipe"]})
            if known["before"] not in {None, digest, known["recipe"]}:
                self._cache.drop_note("recipe", known["before"])
        return self._growth(recipe, digest, entry.size)

    def _growth(self, recipe: Recipe, digest: str, size: int) -> int | None:
        key = f"size {recipe.unit} {recipe.target} {recipe.target.platform}"
        known = self._files.recall(key)
        if known is None or known["recipe"] != digest:
            growth = None if known is None else size - known["size"]
            known = {"recipe": digest, "size": size, "growth": growth}
            self._files.remember(key, known)
        found: int | None = known["growth"]
        return found

    def keep_lock(self, path: Path, digest: str) -> None:
        """Keep the text of a lock that counts whole, so that `reason` can name the packages in which two differ."""
        if digest in self._locks:
            return
        self._locks.add(digest)
        if self._cache.note("lock", digest) is None:
            with contextlib.suppress(BuildFailed, OSError, UnicodeDecodeError):
                text = path.read_text(encoding="utf-8")
                if hashlib.sha256(text.encode()).hexdigest() == digest:
                    self._cache.keep_note("lock", digest, {"text": text}, most=_LOCKS_MAX)

    def lock(self, digest: str) -> str | None:
        """The text that was kept of a lock."""
        kept = self._cache.note("lock", digest)
        return None if kept is None else str(kept.get("text", ""))

    def reason(
        self, recipe: Recipe, digest: str, packages: Callable[[str], Mapping[str, str]] = lambda _: {}
    ) -> Reason:
        """What sets a recipe apart from that of the last build, or else that one from the build before.

        `packages` gives, for the digest of a lock that counts whole, versions by name; none when they are not known.
        """
        name = recipe.unit
        known = self._files.recall(f"built {name}")
        last = self._cache.note("recipe", known["recipe"]) if known else None
        if known is None or last is None:
            return Reason(unit=name, state="never")
        if known["recipe"] != digest:
            found = _changes(last["inputs"], changes.parts(recipe), packages)
            return Reason(unit=name, state="stale", changes=found)
        earlier = self._cache.note("recipe", known["before"]) if known["before"] else None
        found = _changes(earlier["inputs"], last["inputs"], packages) if earlier else ()
        return Reason(unit=name, state="current", changes=found)


def _changes(
    before: Mapping[str, str], now: Mapping[str, str], packages: Callable[[str], Mapping[str, str]]
) -> tuple[InputChange, ...]:
    found = changes.between(before, now)
    locks = [one.input for one in found if one.what == "changed" and one.input.startswith("lock ") and not one.now]
    inner = [packages(lock[name]) for name in locks for lock in (before, now)]
    if not inner or not all(inner):
        return found
    return (*found, *(one for pair in zip(inner[::2], inner[1::2], strict=True) for one in changes.of_packages(*pair)))
