"""The ``/_penstock/`` endpoints: health, snapshots, reset."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.persistence import Keeper
    from penstock.localaws.settings import Settings

PREFIX = "/_penstock/"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PARTS = ("s3", "lambda-blobs")
_GET, _POST = "GET", "POST"


class Control:
    """What tests and the CLI ask of the server itself."""

    def __init__(
        self, ministack: Ministack, settings: Settings, keeper: Keeper, facts: Callable[[], dict[str, Any]]
    ) -> None:
        self._ministack = ministack
        self._settings = settings
        self._keeper = keeper
        self._facts = facts

    def answer(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON body of a control request. Runs on the event loop: nothing else moves meanwhile."""
        verb, _, name = path[len(PREFIX) :].partition("/")
        plain = {
            (_GET, "health"): self._health,
            (_GET, "snapshots"): lambda: {"snapshots": self._names()},
            (_POST, "reset"): self._reset,
        }
        if (method, verb) in plain:
            return 200, plain[method, verb]()
        if method == _POST and verb in {"snapshot", "restore"}:
            return self._named(verb, name)
        return 404, {
            "message": f"{method} {path} is not one of: GET health, GET snapshots, POST snapshot/NAME, "
            "POST restore/NAME, POST reset"
        }

    def _health(self) -> dict[str, Any]:
        return {"status": "ready", "pid": os.getpid(), "state": str(self._settings.state), **self._facts()}

    def _named(self, verb: str, name: str) -> tuple[int, dict[str, Any]]:
        if not _NAME.fullmatch(name):
            return 400, {"message": f"a snapshot is named by letters, digits, '.', '_' and '-', not {name!r}"}
        if verb == "snapshot":
            self._snapshot(name)
            return 200, {"snapshot": name}
        if name not in self._names():
            return 404, {"message": f"there is no snapshot {name!r}; there are: {', '.join(self._names())}"}
        self._restore(name)
        return 200, {"restored": name}

    def _names(self) -> list[str]:
        folder = self._settings.snapshots
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def _snapshot(self, name: str) -> None:
        self._keeper.save()
        target = self._settings.snapshots / name
        fresh = self._settings.snapshots / f".{name}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for part in _PARTS:
            _link_tree(self._settings.state / part, fresh / part)
        self._keeper.copy_database(fresh / "state.db")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)

    def _restore(self, name: str) -> None:
        source = self._settings.snapshots / name
        self._wipe()
        for part in _PARTS:
            _link_tree(source / part, self._settings.state / part)
        self._keeper.replace_database(source / "state.db")
        self._ministack.s3._load_persisted_data()
        self._keeper.load()

    def _reset(self) -> dict[str, Any]:
        self._wipe()
        self._keeper.save()
        return {"reset": True}

    def _wipe(self) -> None:
        self._ministack.app._reset_all_state()
        for module in self._ministack.state_modules:
            module.reset()
        for part in _PARTS:
            shutil.rmtree(self._settings.state / part, ignore_errors=True)
            (self._settings.state / part).mkdir(parents=True, exist_ok=True)
        self._keeper.forget()


def _link_tree(source: Path, target: Path) -> None:
    """Copy a tree by hard links: files are only ever replaced, never written in place."""
    if not source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    shutil.copytree(source, target, copy_function=os.link, dirs_exist_ok=True)


def encode(body: dict[str, Any]) -> bytes:
    """A control answer as JSON."""
    return json.dumps(body, sort_keys=True).encode() + b"\n"
