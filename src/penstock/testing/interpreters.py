"""A machine with chosen runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence


class FakeInterpreters:
    """Has these runtimes (`python3.13`, `nodejs20.x`) and this architecture."""

    def __init__(
        self, runtimes: Sequence[str] = ("python3.13",), architecture: Literal["x86_64", "arm64"] = "x86_64"
    ) -> None:
        self._runtimes = frozenset(runtimes)
        self._architecture = architecture

    def find(self, runtime: str) -> Path | None:
        """A made-up path, or None."""
        return Path("/fake/bin") / runtime if runtime in self._runtimes else None

    def host_architecture(self) -> str:
        """The chosen architecture."""
        return self._architecture
