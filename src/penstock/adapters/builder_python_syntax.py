"""Whether Python sources compile for their target: its own Python says so where this machine has it, else ours."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from penstock.build.handlers import SyntaxFault, syntax_command, syntax_fault, syntax_faults

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_python_parts import Part
    from penstock.ports import Commands, Interpreters

_OURS = f"{sys.version_info[0]}.{sys.version_info[1]}"


class PythonSyntax:
    """Judges each content once for each version, and remembers by whom."""

    def __init__(self, commands: Commands, files: SourceFiles, interpreters: Interpreters | None) -> None:
        self._commands = commands
        self._files = files
        self._interpreters = interpreters

    def check(self, part: Part, version: str = _OURS) -> None:
        """Raise BuildFailed with file and line for the first file that Python `version` cannot compile.

        Where that is not ours and not on this machine, what ours refuses may be newer syntax, and is let through; of
        what ours takes, that is refused which is known to be newer than `version`.
        """
        found = self._interpreters.find(f"python{version}") if self._interpreters and version != _OURS else None
        kind = f"compiles {version} by {version if found else _OURS}"
        sources = {path: file for path, file in part.files.items() if path.endswith(".py")}
        new = {path: file for path, file in sources.items() if not self._files.knows(kind, file)}
        if not new:
            return
        faults = self._faults(found, version, [file.read() for file in new.values()])
        for place, (path, file) in enumerate(new.items()):
            if place in faults:
                hint = "" if version == _OURS else f"it has to be read by Python {version}, the target's"
                raise faults[place].error(f"{part.folder}/{path}", hint)
            self._files.known(kind, file, lambda: True)

    def _faults(self, interpreter: Path | None, version: str, contents: Sequence[bytes]) -> dict[int, SyntaxFault]:
        if interpreter is not None:
            answer = self._commands.run(syntax_command(interpreter, contents))
            if answer.status == 0:
                return syntax_faults(answer.stdout)
        wanted = (int(version.partition(".")[0]), int(version.partition(".")[2]))
        found = ((place, syntax_fault(content, wanted)) for place, content in enumerate(contents))
        return {place: fault for place, fault in found if fault is not None}
