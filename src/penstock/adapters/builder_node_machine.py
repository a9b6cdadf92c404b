"""What of the machine is in the results of build scripts: the Node.js that runs them, and variables that they ask for.

Babel's `targets: {node: "current"}` and `process.version` make other code under another Node.js.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from penstock.model.errors import ToolMissing
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from penstock.adapters.builder_files import SourceFiles
    from penstock.ports import Commands

_PINS = (".nvmrc", ".node-version", ".tool-versions", "mise.toml", ".mise.toml", "package.json")
"""Where version managers look, whose `node` is one program for all versions."""


class Machine:
    """Asks Node.js for its version, once for as long as it is the same program."""

    def __init__(self, root: Path, commands: Commands, files: SourceFiles) -> None:
        self._root = root
        self._commands = commands
        self._files = files

    def inputs(self, build_env: Iterable[str]) -> dict[str, str]:
        """What counts in recipes of what scripts have made; of variables the digests, for they may be secrets."""
        return {"tool node for build scripts": self._node(), **variables(build_env)}

    def _node(self) -> str:
        """`20.11`; empty where there is none."""
        program = self._commands.find("node")
        if program is None:
            return ""
        real = os.path.realpath(program)
        seen = [self._files.stamp(real), *(self._files.setting(name) for name in _PINS)]
        known = self._files.recall(f"node {program}")
        if known is None or known["seen"] != seen:
            try:
                said = self._commands.run(Command(argv=(str(program), "--version"), cwd=self._root, timeout=30)).stdout
            except (ToolMissing, TimeoutError):
                said = ""
            version = re.match(r"v(\d+\.\d+)", said)
            known = {"seen": seen, "version": version[1] if version else ""}
            self._files.remember(f"node {program}", known)
        return str(known["version"])


def variables(names: Iterable[str]) -> dict[str, str]:
    """Digests of variables' values, by the inputs of recipes that they are."""
    values = {name: os.environ.get(name) for name in names}
    return {
        f"variable {name}": "not set" if value is None else hashlib.sha256(value.encode()).hexdigest()
        for name, value in values.items()
    }
