"""Metrics that a test decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.ports import FunctionHealth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.ports import TableHealth

SILENT = FunctionHealth(invocations=0, errors=0, throttles=0, p95=None)


class FakeHealth:
    """Answers from two dicts, open to tests; functions that are not in them had no calls."""

    def __init__(self) -> None:
        self.by_function: dict[str, FunctionHealth] = {}
        self.by_table: dict[str, TableHealth] = {}

    def functions(self, names: Sequence[str], minutes: int) -> Mapping[str, FunctionHealth]:  # noqa: ARG002 - the port's
        """Metrics per physical function name."""
        return {name: self.by_function.get(name, SILENT) for name in names}

    def tables(self, names: Sequence[str], minutes: int) -> Mapping[str, TableHealth]:  # noqa: ARG002 - the port's
        """State per physical table name; missing tables are left out."""
        return {name: self.by_table[name] for name in names if name in self.by_table}
