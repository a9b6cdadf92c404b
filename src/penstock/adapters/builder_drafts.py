"""What is being written: files that are moved to where they belong when whole, and folders for one step's files.

They lie in a folder of the cache, on its file system. A process that is killed leaves its own behind; who makes room in
the cache deletes what nobody has touched for a day.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import ThreadPoolExecutor


class Drafts:
    """Names for drafts, and folders, which no other thread or process has."""

    def __init__(self, place: Path) -> None:
        """`place` is made when it is first needed, and again when somebody has deleted it."""
        self._place = place
        self._guard = threading.Lock()
        self._begin = ""
        """How the paths of drafts begin."""
        self._count = itertools.count()
        self._spare: list[Path] = []
        """Empty folders for the steps to come."""
        self._many = 0
        """How many builds at once say that there are such."""
        self._deleting: ThreadPoolExecutor | None = None
        """Deletes what steps have left in theirs."""

    @contextlib.contextmanager
    def draft(self) -> Iterator[str]:
        """The path of a file that is to be written, and then moved; gone when that fails.

        When the first has been moved, another may be written there.
        """
        if not (self._many and self._begin):
            self._place.mkdir(parents=True, exist_ok=True)
            self._begin = f"{self._place}{os.sep}{os.getpid()}-{os.urandom(8).hex()}-"
        path = f"{self._begin}{next(self._count)}"
        try:
            yield path
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108
            raise

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder, gone afterwards. Raises OSError when there can be none."""
        path = self._folder()
        try:
            yield path
        except BaseException:  # who began to write there may be at it still
            shutil.rmtree(path, ignore_errors=True)
            raise
        if not (self._many and self._is_emptied(path) and self._is_kept(path)):
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def many_steps(self) -> Iterator[None]:
        """Meanwhile steps take over each other's folders: to delete one takes file systems milliseconds.

        What lies in them, an installation's hundreds, is deleted beside the steps to come.
        """
        with self._guard:
            self._many += 1
            self._begin = "" if self._many == 1 else self._begin  # the folder may be gone since
        try:
            yield
        finally:
            with self._guard:
                self._many -= 1
                spare, self._spare = ([], self._spare) if self._many else (self._spare, [])
                deleting, self._deleting = (None, self._deleting) if self._many else (self._deleting, None)
            if deleting is not None:
                deleting.shutdown()
            for path in spare:
                with contextlib.suppress(OSError):
                    path.rmdir()

    def _folder(self) -> Path:
        with self._guard, contextlib.suppress(IndexError):
            return self._spare.pop()
        return Path(self._new())

    def _new(self) -> str:
        try:
            return tempfile.mkdtemp(dir=self._place)
        except FileNotFoundError:
            self._place.mkdir(parents=True, exist_ok=True)
            return tempfile.mkdtemp(dir=self._place)

    def _is_emptied(self, folder: Path) -> bool:
        """Whether the folder could be emptied; folders in it go aside, and somebody else sees to them."""
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        self._delete(entry.path)
                    else:
                        os.unlink(entry.path)  # noqa: PTH108 - many
        except OSError:
            return False
        return True

    def _delete(self, place: str) -> None:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow, and here by now

        aside = self._new()
        os.rename(place, aside)  # noqa: PTH104
        with self._guard:
            if self._deleting is None:
                self._deleting = ThreadPoolExecutor(1, thread_name_prefix="delete")
            deleting = self._deleting
        try:
            deleting.submit(shutil.rmtree, aside, ignore_errors=True)
        except RuntimeError:  # there may be no more threads
            shutil.rmtree(aside, ignore_errors=True)

    def _is_kept(self, path: Path) -> bool:
        with self._guard:
            if self._many:
                self._spare.append(path)
            return self._many > 0


def opened(draft: str) -> IO[bytes]:
    """A draft to write to; its folder is nearly always there."""
    try:
        return open(draft, "wb")  # noqa: PTH123
    except FileNotFoundError:
        os.makedirs(os.path.dirname(draft), exist_ok=True)  # noqa: PTH103, PTH120
        return open(draft, "wb")  # noqa: PTH123
