"""Compressed files of earlier installations: another version of one package leaves all others as they were."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.build import archive
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from penstock.adapters.builder_cache import ZipCache
    from penstock.build.archive import Member

_EARLIER_MAX = 4
"""Installations whose compressed files are offered to the next."""


class Earlier:
    """What was compressed before: it lies in ZIPs of the cache, whose digests are checked. Equal content is taken."""

    def __init__(self, cache: ZipCache, key: str) -> None:
        """`key` stands for everything that decides how content is compressed."""
        self._cache = cache
        self._key = key
        note = cache.note("installations", key) or {}
        self._sets = [str(one) for one in note.get("sets", ())]
        self._members: dict[str, list[Member]] = {}
        for one in self._sets:
            entry = cache.get("installation", one)
            for member in cache.members(entry) if entry else ():
                self._members.setdefault(member.name, []).append(member)

    def packed(self, name: str, content: bytes, *, executable: bool) -> Member:
        """The content as a member under its name."""
        candidates = [one for one in self._members.get(name, ()) if one.size == len(content)]
        if candidates:
            crc = zlib.crc32(content)
            for one in candidates:
                if one.crc == crc and one.content() == content:
                    return replace(one, executable=executable)
        return archive.pack(name, content, executable=executable)

    def add(self, set_key: str) -> None:
        """Offer a new installation to those that follow."""
        with contextlib.suppress(BuildFailed):  # a cache that cannot be written only costs time
            kept = [set_key, *(one for one in self._sets if one != set_key)][:_EARLIER_MAX]
            self._cache.keep_note("installations", self._key, {"sets": kept})
