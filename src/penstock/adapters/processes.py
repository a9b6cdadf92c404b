"""Which machine this is, and whether a process of it is still there."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from pathlib import Path

from penstock.model.ledger import machine

BOOT = Path("/proc/sys/kernel/random/boot_id")
PROCESSES = Path("/proc/self/ns/pid")
"""The space of process ids: every container has one of its own."""


def this_machine(boot: Path = BOOT, processes: Path = PROCESSES) -> str:
    """This machine's name, and what tells it from another one of that name: process ids mean nothing there.

    Containers are often given one fixed name, and runners are clones of one image.
    """
    return machine(socket.gethostname(), hashlib.sha256(_traits(boot, processes).encode()).hexdigest()[:12])


def is_alive(pid: int) -> bool:
    """True while the process runs; a zombie, which only waits for its parent, does not count."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _traits(boot: Path, processes: Path) -> str:
    try:
        return f"{boot.read_text(encoding='ascii').strip()} {processes.readlink()}"
    except OSError:
        # No Linux. Without a network card it is a number of this process alone: nobody is taken for dead then.
        return str(uuid.getnode())


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # The state is the first field behind the command's name, which is in parentheses and may hold anything.
    return stat.rpartition(")")[2].split()[:1] == ["Z"]
