"""Remembers the workspace that an environment's files resolved to, for as long as `stat` says the same of all of them.

Most commands find the workspace as the one before left it. To be sure of that takes one `stat` for each manifest and
each folder (a folder's time tells whether a name came or went), where to open it anew takes listing, reading, parsing
and merging. As with git's index, nothing is kept that may have changed within its file system's clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from array import array
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from penstock.adapters import builder_seen, own_code
from penstock.adapters.publish import remember
from penstock.adapters.workspace_memory import load_remembered
from penstock.model import gates, rollouts
from penstock.model import workspace as model
from penstock.model.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from penstock.adapters.workspace_files import Looked
    from penstock.ports import Clock

_FORMAT = 1
_KIND = ""
"""Key of a value's class; a mapping of ours that has it as a key is not remembered."""
_KINDS = {
    kind.__name__: kind
    for module in (gates, rollouts, model)
    for kind in vars(module).values()
    if isinstance(kind, type) and is_dataclass(kind)
}


class Opened:
    """The workspace in `root` as it is in one environment. What lies in the folder `cache` may be lost at any time."""

    def __init__(self, root: Path, environment: str, cache: Path, clock: Clock) -> None:
        self._root = root
        self._environment = environment
        self._cache = cache
        self._clock = clock
        name = hashlib.sha256(environment.encode(errors="surrogatepass")).hexdigest()[:16]
        self._memory = cache / f"opened-{name}"

    def workspace(self) -> Workspace:
        """Remembered, or read and resolved. Raises what reading and loading raise."""
        return self._remembered() or self._read()

    def _remembered(self) -> Workspace | None:
        try:
            seal, state, places, content = self._memory.read_text(encoding="utf-8").split("\n", 3)
            if seal != self._seal(state, places, content) or state != self._state(json.loads(places), None):
                return None
            found = json.loads(content, object_hook=_made)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, Workspace) else None

    def _read(self) -> Workspace:
        from penstock.adapters.workspace_files import look_at  # noqa: PLC0415 - what is remembered is not read

        began = self._clock.now()
        looked = look_at(self._root)
        workspace = load_remembered(looked.source, self._environment, self._cache / "sound")
        with contextlib.suppress(OSError, _NotPlain):
            self._keep(workspace, looked, began)
        return workspace

    def _keep(self, workspace: Workspace, looked: Looked, began: float) -> None:
        there = frozenset(looked.source.files)
        places = sorted(looked.places)
        state = self._state(places, began, there)
        content = json.dumps(_plain(workspace))
        if state is not None and json.loads(content, object_hook=_made) == workspace:
            listed = json.dumps(places)
            remember(self._memory, "\n".join((self._seal(state, listed, content), state, listed, content)).encode())

    def _state(self, places: Iterable[str], began: float | None, there: frozenset[str] = frozenset()) -> str | None:
        """What `stat` says of all these, as one digest; paths are relative to the root.

        With `began` (seconds since 1970) None where something may have changed since without a trace, or where a file
        that was `there` is gone.
        """
        numbers = array("q")
        root = f"{self._root}/"
        for place in places:
            try:
                found = os.stat(root + place)  # noqa: PTH116 - thousands of times
            except (FileNotFoundError, NotADirectoryError):
                if place in there:
                    return None
                numbers.append(0)
                continue
            mtime, ctime = found.st_mtime_ns, found.st_ctime_ns
            if began is not None and not builder_seen.is_settled(mtime, ctime, began):
                return None
            size = 0 if stat.S_ISDIR(found.st_mode) else found.st_size
            numbers.extend((size, mtime, ctime, _signed(found.st_ino), found.st_mode))
        return hashlib.sha256(numbers.tobytes()).hexdigest()

    def _seal(self, *parts: str) -> str:
        code = own_code.stamp(("workspace", "workspace/checks", "model"))
        ours = own_code.stamp(("adapters",), "workspace_")
        scope = repr((_FORMAT, str(self._root), self._environment, builder_seen.boot(), code, ours))
        return hashlib.sha256("\n".join((scope, *parts)).encode(errors="surrogatepass")).hexdigest()


class _NotPlain(Exception):
    """A value that JSON would not give back as it is."""


def _plain(value: Any) -> Any:
    """JSON in which each value of the model bears its class's name. Fields that have their default are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        told = {field.name: getattr(value, field.name) for field in fields(value)}
        usual = {field.name: _default(field) for field in fields(value)}
        return {
            _KIND: type(value).__name__,
            **{name: _plain(one) for name, one in told.items() if usual[name] is MISSING or one != usual[name]},
        }
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        if _KIND in value or not all(isinstance(key, str) for key in value):
            raise _NotPlain
        return {key: _plain(one) for key, one in value.items()}
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise _NotPlain


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _made(found: dict[str, Any]) -> Any:
    """What `_plain` made this of, unchecked: whether it is what was written is known by its seal.

    `model.plain` checks each value by its annotation, which takes longer than to resolve the workspace.
    """
    name = found.pop(_KIND, None)
    if name is None:
        return found
    for key, value in found.items():
        if type(value) is list:
            found[key] = tuple(value)
    return _KINDS[name](**found)


def _signed(number: int) -> int:
    """Inode numbers have 64 bits without a sign."""
    return number - (1 << 64) if number >> 63 else number
