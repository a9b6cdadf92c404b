"""An embedded AWS that is not started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.model.errors import NotFound
from penstock.ports import LocalStatus

if TYPE_CHECKING:
    from collections.abc import Sequence


class FakeLocalAws:
    """Runs or does not run; snapshots are names."""

    def __init__(self, url: str = "http://127.0.0.1:4747") -> None:
        self._url = url
        self._pid: int | None = None
        self._snapshots: set[str] = set()
        self.resets = 0

    def start(self) -> LocalStatus:
        """Run."""
        self._pid = self._pid or 4747
        return self.status()

    def stop(self) -> bool:
        """Stop; False when it did not run."""
        ran, self._pid = self._pid is not None, None
        return ran

    def status(self) -> LocalStatus:
        """What runs."""
        return LocalStatus(url=self._url, pid=self._pid, state=Path(".penstock/local"))

    def reset(self) -> None:
        """Count the resets."""
        self.resets += 1

    def snapshot(self, name: str) -> None:
        """Keep a name."""
        self._snapshots.add(name)

    def restore(self, name: str) -> None:
        """Accept a kept name. Raises NotFound for another."""
        if name not in self._snapshots:
            raise NotFound(f"there is no snapshot {name}", where="local restore")

    def snapshots(self) -> Sequence[str]:
        """Kept names, sorted."""
        return sorted(self._snapshots)

    def log(self) -> Path:
        """Where its log would lie."""
        return Path(".penstock/local/log")
