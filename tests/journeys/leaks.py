"""Looking for a text in all the places where it must not be: files, archives, objects, logs, processes."""

from __future__ import annotations

import base64
import io
import os
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from journeys.bucket import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journeys.shop import Shop

FOREIGN = ("node_modules", ".pnpm-store", ".terraform")
"""What was downloaded, before any secret was there: libraries and providers."""
PAUSE = 0.02


def forms_of(text: str) -> tuple[bytes, ...]:
    """The text as it is, in hexadecimal, and in base64 wherever in a longer text it begins."""
    raw = text.encode()
    shifted = (base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3))
    return (raw, raw.hex().encode(), *shifted)


def holds(content: bytes, text: str) -> bool:
    """Whether the text is in it, in any form, or in any member when it is a ZIP (as saved plans are)."""
    if any(form in content for form in forms_of(text)):
        return True
    if not content.startswith(b"PK"):
        return False
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return any(holds(archive.read(name), text) for name in archive.namelist())


def files_with(root: Path, text: str) -> set[str]:
    """Every file below the folder that holds the text, by its path from there."""
    found = set()
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if name not in FOREIGN]
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink() and holds(path.read_bytes(), text):
                found.add(str(path.relative_to(root)))
    return found


def objects_with(shop: Shop, environment: str, text: str) -> set[str]:
    """Every object of the environment's bucket, old versions too, that holds the text."""
    return {key for key, body in objects(shop, environment) if holds(body, text)}


def log_lines(shop: Shop, environment: str) -> Iterator[str]:
    """Everything that functions and APIs of the environment logged."""
    logs = shop.client("logs", environment)
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            for events in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                yield from (event["message"] for event in events["events"])


class Watch:
    """Reads the command lines and environments of all processes, again and again, while it is entered.

    `programs` are the names of the processes that were seen; `leaks` those that carried the text.
    """

    def __init__(self, text: str) -> None:
        self._forms = forms_of(text)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.programs: set[str] = set()
        self.leaks: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(PAUSE):
            for process in Path("/proc").glob("[0-9]*"):
                self._look(process)

    def _look(self, process: Path) -> None:
        try:
            arguments, environ = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:  # it has ended, or is somebody else's
            return
        words = [Path(word.decode(errors="replace")).name for word in arguments.split(b"\0")[:2]]
        self.programs.update(words)
        for place, content in (("command line", arguments), ("environment", environ)):
            if any(form in content for form in self._forms):
                self.leaks.add(f"{place} of {' '.join(words)}")
