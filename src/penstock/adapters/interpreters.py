"""The `Interpreters` port: which Python and Node versions this machine has, each run once to be sure."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.publish import remember
from penstock.model.errors import ToolMissing
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.ports import Commands

# A virtual environment's packages must not leak into functions, hence the interpreter that it was made from.
_ASK_PYTHON = (
    "import sys; print('python%d.%d' % sys.version_info[:2], sys.implementation.name, "
    "getattr(sys, '_base_executable', None) or sys.executable, sep='\\n')"
)
_PYTHON = re.compile(r"python3\.\d{1,2}")
_NODE = re.compile(r"nodejs\d{1,2}\.x")
_PATIENCE = 15.0


class RealInterpreters:
    """Looks on the path, then where version managers and systems install; remembers answers in a file.

    An answer is remembered by the program's path, size and time of change, also when it was a failure.
    """

    def __init__(self, commands: Commands, memory: Path) -> None:
        """`memory` is the JSON file in the cache that answers are kept in; it may be missing or unwritable."""
        self._commands = commands
        self._memory_file = memory
        self._known: dict[str, list[str]] | None = None
        self._found: dict[str, Path | None] = {}

    def find(self, runtime: str) -> Path | None:
        """The interpreter for `python3.13` or `nodejs20.x`; None when there is none, or the name is another."""
        if runtime not in self._found:
            self._found[runtime] = self._search(runtime)
        return self._found[runtime]

    def host_architecture(self) -> str:
        """`x86_64` or `arm64`."""
        return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"

    def _search(self, runtime: str) -> Path | None:
        if _PYTHON.fullmatch(runtime):
            candidates = _pythons(runtime)
        elif _NODE.fullmatch(runtime):
            candidates = _nodes(runtime)
        else:
            return None
        for candidate in candidates:
            version, path = self._ask(candidate)
            if version == runtime:
                return Path(path)
        return None

    def _ask(self, program: Path) -> tuple[str, str]:
        """What runtime a program is, and where it really lies; empty strings when it does not run."""
        try:
            status = program.stat()
        except OSError:
            return "", ""
        known = self._remembered()
        key = f"{program}:{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"
        answer = known.get(key)
        if answer is None or (answer[1] and not Path(answer[1]).exists()):
            answer = list(self._ask_python(program) if "python" in program.name else self._ask_node(program))
            known[key] = answer
            self._remember()
        return answer[0], answer[1]

    def _ask_python(self, program: Path) -> tuple[str, str]:
        lines = self._output(str(program), "-I", "-S", "-c", _ASK_PYTHON).splitlines()
        if len(lines) != 3 or lines[1] != "cpython":  # noqa: PLR2004 - what the question prints
            return "", ""
        return lines[0], lines[2]

    def _ask_node(self, program: Path) -> tuple[str, str]:
        version = re.match(r"v(\d+)\.", self._output(str(program), "--version"))
        return (f"nodejs{version[1]}.x", str(program)) if version else ("", "")

    def _output(self, *argv: str) -> str:
        try:
            result = self._commands.run(Command(argv=argv, timeout=_PATIENCE))
        except (ToolMissing, TimeoutError):
            return ""
        return result.stdout if result.status == 0 else ""

    def _remembered(self) -> dict[str, list[str]]:
        if self._known is None:
            try:
                content = json.loads(self._memory_file.read_text())
            except (OSError, ValueError):
                content = {}
            entries = content.items() if isinstance(content, dict) else ()
            self._known = {key: value for key, value in entries if isinstance(value, list) and len(value) == 2}  # noqa: PLR2004
        return self._known

    def _remember(self) -> None:
        remember(self._memory_file, json.dumps(self._known, sort_keys=True).encode())


def _pythons(runtime: str) -> Iterator[Path]:
    """Where an interpreter of that version may lie, best first; the same one may come more than once."""
    version = runtime.removeprefix("python")
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME", home / ".local/share"))
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", data / "uv/python"))
    yield from _on_path(runtime, besides=pyenv / "shims")
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == version:
        yield Path(sys.executable)
    yield from _versions(pyenv / "versions", version, "bin/python")
    yield from _versions(uv, f"cpython-{version}", "bin/python3")
    yield from _versions(data / "mise/installs/python", version, "bin/python")
    yield from _versions(home / ".asdf/installs/python", version, "bin/python")
    yield Path(f"/Library/Frameworks/Python.framework/Versions/{version}/bin/{runtime}")
    for folder in ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin", f"/opt/python/{version}/bin"):
        yield Path(folder, runtime)
    for name in ("python3", "python"):
        yield from _on_path(name, besides=pyenv / "shims")


def _nodes(runtime: str) -> Iterator[Path]:
    major = runtime.removeprefix("nodejs").removesuffix(".x")
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME", home / ".local/share"))
    yield from _on_path("node")
    yield from _versions(Path(os.environ.get("NVM_DIR", home / ".nvm")) / "versions/node", f"v{major}", "bin/node")
    yield from _versions(data / "fnm/node-versions", f"v{major}", "installation/bin/node")
    yield from _versions(data / "mise/installs/node", major, "bin/node")
    yield from _versions(home / ".volta/tools/image/node", major, "bin/node")
    for folder in (f"/opt/homebrew/opt/node@{major}/bin", "/usr/local/bin", "/usr/bin"):
        yield Path(folder, "node")


def _on_path(program: str, *, besides: Path | None = None) -> Iterator[Path]:
    """All programs of that name on the path. Shims are left out: they answer differently in each folder."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and Path(folder) != besides and (Path(folder) / program).is_file():
            yield Path(folder, program)


def _versions(folder: Path, prefix: str, program: str) -> Iterator[Path]:
    """`folder/3.13.*/program`, newest version first."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return
    matching = (name for name in names if re.match(rf"{re.escape(prefix)}(?!\d)", name))
    for name in sorted(matching, key=lambda name: [int(part) for part in re.findall(r"\d+", name)], reverse=True):
        yield folder / name / program
