"""Events as NDJSON on standard output: what `--json` prints."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from penstock.model.errors import BuildsFailed, WorkspaceInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.errors import PenstockError
    from penstock.model.events import Event


class NdjsonSink:
    """One JSON object per line, flushed at once; an error is the last."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failed = False

    def emit(self, event: Event) -> None:
        """Print the event; what threads of an interrupted command still tell after its error is dropped."""
        if not self._failed:
            self.put(event.to_json())

    def put(self, value: Mapping[str, Any]) -> None:
        """Print any JSON object as a line."""
        self._stream.write(json.dumps(value, default=str) + "\n")
        self._stream.flush()

    def fail(self, error: PenstockError) -> None:
        """Print the error as an event of its own."""
        problems = (
            [{"file": p.file, "line": p.line, "what": p.what, "hint": p.hint} for p in error.problems]
            if isinstance(error, WorkspaceInvalid)
            else None
        )
        failures = [asdict(one) for one in error.failures] if isinstance(error, BuildsFailed) else None
        what = error.summary if isinstance(error, BuildsFailed) else error.what  # the list is beside it
        told = {"event": "error", "error": type(error).__name__, "what": what, "where": error.where}
        told |= {"hint": error.hint}
        self._failed = True
        lists = {"problems": problems, "failures": failures}
        self.put(
            {**told, "exit_code": error.exit_code, **{key: each for key, each in lists.items() if each is not None}}
        )

    def close(self) -> None:
        """Nothing is open."""
