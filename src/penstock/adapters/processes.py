"""Whether a process of this machine is still there."""

from __future__ import annotations

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """True while the process runs; a zombie, which only waits for its parent, does not count."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # The state is the first field behind the command's name, which is in parentheses and may hold anything.
    return stat.rpartition(")")[2].split()[:1] == ["Z"]
