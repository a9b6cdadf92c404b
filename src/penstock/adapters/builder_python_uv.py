"""uv: where it is, which version, and how it is run so that its cache is asked before the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.build import python
from penstock.model.errors import BuildFailed, ToolMissing
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.adapters.builder_files import SourceFiles
    from penstock.ports import CommandResult, Commands


class Uv:
    """Finds uv once and runs it."""

    def __init__(self, commands: Commands, files: SourceFiles) -> None:
        self._commands = commands
        self._files = files
        self._program: Path | None = None

    @property
    def program(self) -> Path:
        """Where it is. Raises ToolMissing."""
        if self._program is None:
            self._program = _find_uv(self._commands)
        return self._program

    def version(self) -> str:
        """Its version, remembered by its file's times: it is big."""
        stamp = self._files.stamp(str(self.program))
        known = self._files.recall(f"uv {self.program}")
        if known is None or known["stamp"] != stamp:
            known = {"stamp": stamp, "version": self._ask_version()}
            self._files.remember(f"uv {self.program}", known)
        return str(known["version"])

    def run(
        self,
        command: Callable[[bool], Command],
        *,
        what: str,
        where: str,
        told: Mapping[str, str] | None = None,
        cache_first: bool = True,
        explain: Callable[[str], BuildFailed | None] = lambda _: None,
    ) -> CommandResult:
        """Run from uv's cache alone, and only when that does not do, with the network.

        `told` maps paths of ours to what the person knows them as. Without `cache_first` the network is asked at
        once: what lies in the cache would decide which version is the newest. Raises BuildFailed, in the words of
        `explain` when it knows better.
        """
        result = self._commands.run(command(cache_first))
        if result.status != 0 and cache_first:
            result = self._commands.run(command(False))  # noqa: FBT003 - the other way
        if result.status != 0:
            explained = explain(result.stderr)
            said = result.stderr
            if python.is_unreachable(said):
                what = "uv cannot reach the index"
            for ours, theirs in (told or {}).items():
                said = said.replace(ours, theirs)
            raise explained or BuildFailed(f"{what}:\n{python.diagnosis(said)}", where=where)
        return result

    def _ask_version(self) -> str:
        result = self._commands.run(Command(argv=(str(self.program), "--version"), timeout=30))
        return result.stdout.split()[1] if result.status == 0 else result.stdout


def _find_uv(commands: Commands) -> Path:
    import uv  # noqa: PLC0415 - only builds need it

    try:
        return Path(uv.find_uv_bin())
    except FileNotFoundError:
        found = commands.find("uv")
    if found is None:
        raise ToolMissing("uv is not on this machine", hint="pip install uv")
    return found
