"""What tells one version of Penstock's code from another, for memories that hold what code made of files."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import penstock


@cache
def stamp(folders: tuple[str, ...], prefix: str = "") -> str:
    """Python's version, ours, and names, sizes and times of the modules in these folders of ours, nothing below them.

    `prefix` is how their names begin. A memory that bears another stamp was made by other code.
    """
    package = Path(penstock.__file__).parent
    seen = []
    for folder in folders:
        with os.scandir(package / folder) as entries:
            for entry in entries:
                if entry.name.endswith(".py") and entry.name.startswith(prefix):
                    status = entry.stat()
                    seen.append((folder, entry.name, status.st_size, status.st_mtime_ns))
    return repr((sys.version_info[:3], penstock.__version__, sorted(seen)))
