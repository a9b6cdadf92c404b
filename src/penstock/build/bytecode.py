"""Compiled modules beside the sources, whose bytes depend on the sources and the interpreter's version only.

Compiled files are `unchecked-hash` (https://docs.python.org/3/reference/import.html#pyc-invalidation): they are loaded
without a look at the source's time, which is 1980 in a ZIP of ours. `marshal` is asked for its version 2, which writes
no references: whether later versions write one depends on what else the process holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.ports import Command

if TYPE_CHECKING:
    from pathlib import Path

_COMPILE = """
import importlib.util, marshal, pathlib, sys
root, tag = pathlib.Path(sys.argv[1]), sys.implementation.cache_tag
for path in sorted(root.rglob("*.py")):
    data = path.read_bytes()
    try:
        code = compile(data, "/var/task/" + path.relative_to(root).as_posix(), "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        continue
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(data)
    target = path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(head + marshal.dumps(code, 2))
"""


def compile_command(interpreter: Path, folder: Path) -> Command:
    """Compile every module below the folder that can be compiled, as it will lie in /var/task."""
    env = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    return Command(argv=(str(interpreter), "-S", "-c", _COMPILE, str(folder)), env=env, timeout=600)


def strip_command(program: Path, file: Path) -> Command:
    """Take debugging symbols out of a native library; what the loader needs stays."""
    return Command(argv=(str(program), "--strip-debug", "--enable-deterministic-archives", str(file)), timeout=60)
