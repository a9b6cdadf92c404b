"""Brings packages that this machine did not install, being for another platform, exactly as they are locked."""

from __future__ import annotations

import io
import tarfile
import threading
import zlib
from typing import TYPE_CHECKING

from penstock.adapters.builder_room import NPM
from penstock.build import node_locked, node_native
from penstock.build.limits import FILES_MAX
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_node_parts import NodePlan
    from penstock.adapters.node_tools import NodeTools
    from penstock.build.node_lock import Lock
    from penstock.build.node_locked import Asker, Locked
    from penstock.model.artifact import Target

_ANEW = {
    "package-lock.json": "npm install --package-lock-only; if that adds nothing: "
    "rm -rf node_modules package-lock.json && npm install",
    "npm-shrinkwrap.json": "npm install --package-lock-only",
    "pnpm-lock.yaml": "pnpm install --lockfile-only --fix-lockfile",
    "yarn.lock": "yarn install",
}
"""What to type where a lock lacks something."""
_UNPACKED_MAX = 1 << 30
"""Bytes, four times what Lambda takes of a whole function: files for other platforms are left out of it."""


class ForeignPackages:
    """Archives of packages, kept in the cache as the registry gave them, and checked against the lock at every use."""

    def __init__(self, root: Path, cache: ZipCache, tools: NodeTools) -> None:
        self._root = root
        self._cache = cache
        self._tools = tools
        self._locks: dict[str, Lock | None] = {}
        self._one_at_a_time = threading.Lock()

    def fetch(  # noqa: PLR0917 - who asks for what, and where it goes
        self, name: str, wanted: str, asker: Asker, plan: NodePlan, target: Target, scratch: Path
    ) -> Path | None:
        """Unpack an optional package below `scratch`, if it is for the target.

        Raises BuildFailed when the lock does not name it, or when what comes is not what was locked.
        """
        where = (plan.top / plan.lock_name).relative_to(self._root).as_posix()
        locked = self._find(name, wanted, asker, plan)
        if locked is None:
            if not node_native.for_target(name, target):
                return None
            who = f"{asker.name} {asker.version}".strip()
            lacks = f"it does not name {name}, which {who} needs on {target}"
            raise BuildFailed(
                lacks if self._locks[plan.lock] else f"its form is not understood, and {who} needs {name} of it",
                where=where,
                hint=_ANEW[plan.lock_name],
            )
        if not node_locked.is_well_named(locked):
            raise BuildFailed(
                f"{locked.name} {locked.version} is no name and version of a package",
                where=where,
                hint=_ANEW[plan.lock_name],
            )
        fits = node_native.fits(locked.platform, target) if locked.platform else node_native.for_target(name, target)
        if not fits:
            return None
        if not locked.integrity and not _is_berry(self._locks[plan.lock]):
            raise BuildFailed(
                f"it names no integrity for {name} {locked.version}: two machines might get different ones",
                where=where,
                hint=_ANEW[plan.lock_name],
            )
        place = scratch / f"{locked.name.replace('/', '+')}-{locked.version}"
        if not place.is_dir():
            unpack(self._archive(locked, plan), place, locked)
        return place

    def _find(self, name: str, wanted: str, asker: Asker, plan: NodePlan) -> Locked | None:
        with self._one_at_a_time:
            if plan.lock not in self._locks:
                text = (plan.top / plan.lock_name).read_text(encoding="utf-8")
                self._locks[plan.lock] = node_locked.parse(plan.lock_name, text)
            lock = self._locks[plan.lock]
        return node_locked.find(lock, asker, name, wanted) if lock else None

    def _archive(self, locked: Locked, plan: NodePlan) -> bytes:
        """The package's archive, from the cache when it is there and sound, else from the registry."""
        kept = self._cache.fetched(NPM, f"{locked.name.replace('/', '+')}-{locked.version}.tgz")
        with self._one_at_a_time:
            if kept.is_file() and node_locked.is_what_is_locked(content := kept.read_bytes(), locked.integrity):
                return content
            for fresh in (False, True):  # what npm itself has kept may be as wrong
                with self._cache.scratch() as scratch:
                    draft = self._tools.pack(f"{locked.name}@{locked.version}", plan.top, scratch, fresh=fresh)
                    content = draft.read_bytes()
                    if node_locked.is_what_is_locked(content, locked.integrity):
                        kept.parent.mkdir(parents=True, exist_ok=True)
                        draft.replace(kept)
                        return content
        raise BuildFailed(
            f"what the registry gives for {locked.name} {locked.version} is not what was locked",
            where=(plan.top / plan.lock_name).relative_to(self._root).as_posix(),
            hint="find out who changed it: the lock names another integrity",
        )


def _is_berry(lock: Lock | None) -> bool:
    return bool(lock and lock.get("berry"))


def unpack(content: bytes, place: Path, locked: Locked) -> None:
    """Unpack an npm archive without its top folder, which has any name; only its files, no links and devices.

    Raises BuildFailed for one that holds more than any function could, or that leads out of `place`.
    """
    told = f"the archive of {locked.name} {locked.version}"
    members, size = [], 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as packed:
            for count, member in enumerate(packed, 1):
                size += member.size
                if count > FILES_MAX or size > _UNPACKED_MAX:  # and nothing of it has been unpacked
                    raise BuildFailed(
                        f"{told} holds more than {FILES_MAX:,} files or {_UNPACKED_MAX / 2**30:.0f} GiB",
                        hint="find out what it is: no function could ship it",
                    )
                if member.isfile() and "/" in member.name:
                    member.name = member.name.partition("/")[2]
                    members.append(member)
            packed.extractall(place, members, filter="data")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise BuildFailed(f"{told} cannot be unpacked: {error}") from error
