"""A person at a real terminal: a pseudo-terminal that a command believes in, read and typed at as a person does."""

from __future__ import annotations

import errno
import os
import pty
import select
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from journeys.shop import PENSTOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journeys.shop import Shop

PATIENCE = 120.0
"""Seconds to wait for a text or for the end."""
CHUNK = 65_536


class Terminal:
    """One command and everything that was on its screen so far."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process = process
        self._master = master
        self.screen = ""

    def expect(self, text: str) -> None:
        """Wait until the text is on the screen. Fails, with the screen, when it does not come."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.screen:
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.screen}"
            assert self._read(), f"it ended without {text!r}:\n{self.screen}"

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        os.write(self._master, f"{line}\n".encode())

    def end(self) -> int:
        """Wait for the command's end; its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, f"it does not end:\n{self.screen}"
        return self._process.wait(PATIENCE)

    def _read(self) -> bool:
        """Take in what there is within a moment; False at the end."""
        if not select.select([self._master], [], [], 0.2)[0]:
            return True
        try:
            found = os.read(self._master, CHUNK)
        except OSError as error:
            if error.errno == errno.EIO:  # Linux's way to say that the other side is closed
                return False
            raise
        self.screen += found.decode(errors="replace")
        return bool(found)


@contextmanager
def at_a_terminal(shop: Shop, *arguments: str) -> Iterator[Terminal]:
    """`penstock …` with a terminal of its own; ended by its id when the test leaves it running."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [str(PENSTOCK), *arguments],
        cwd=shop.root,
        env=shop.environ | {"TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)
