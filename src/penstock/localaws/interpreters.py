"""Which program runs a function: the declared runtime's own interpreter where the machine has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from penstock.localaws.settings import Settings

_PROBE_SECONDS = 10


class NoInterpreterError(RuntimeError):
    """The machine has no program for the declared runtime; the message says how to get one."""


class Interpreters:
    """Finds interpreters once and remembers them."""

    def __init__(self, settings: Settings, home: Path | None) -> None:
        self._settings = settings
        self._home = home
        self._find = lru_cache(maxsize=None)(self._search)

    def of(self, runtime: str) -> str:
        """The program for a Lambda runtime such as ``python3.13`` or ``nodejs22.x``.

        Raises:
            NoInterpreterError: there is none; says how to get one.
        """
        return self._find(runtime)

    def known(self) -> dict[str, str]:
        """What the settings name, for the health endpoint."""
        return dict(self._settings.interpreters)

    def _search(self, runtime: str) -> str:
        given = self._settings.interpreters.get(runtime)
        if given:
            return given
        if runtime.startswith("nodejs"):
            if self._settings.node:
                return self._settings.node
            raise NoInterpreterError(
                f"{runtime} needs Node.js, which is not on this machine; install it, or start the embedded AWS "
                "with --node PATH"
            )
        if runtime.startswith("python"):
            version = runtime.removeprefix("python")
            for candidate in self._candidates(version):
                if _version_of(candidate) == version:
                    return candidate
            raise NoInterpreterError(
                f"{runtime} is not on this machine; install it (for example: uv python install {version}), or start "
                f"the embedded AWS with --interpreter {runtime}=PATH"
            )
        raise NoInterpreterError(f"the embedded AWS runs Python and Node.js functions, not {runtime}")

    def _candidates(self, version: str) -> Iterator[str]:
        yield sys.executable
        if self._home is not None:
            for pattern in (
                f".pyenv/versions/{version}*/bin/python{version}",
                f".local/share/uv/python/cpython-{version}*/bin/python{version}",
            ):
                yield from sorted((str(path) for path in self._home.glob(pattern)), reverse=True)
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            found = shutil.which(f"python{version}", path=folder)
            if found:
                yield found


def _version_of(program: str) -> str | None:
    """``3.13`` for a working Python 3.13; None for what does not run (a pyenv shim without its version)."""
    if program == sys.executable:
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        done = subprocess.run(
            [program, "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            check=True,
            text=True,
            timeout=_PROBE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
