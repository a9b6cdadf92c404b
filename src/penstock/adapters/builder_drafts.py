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
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor

_Made = TypeVar("_Made")


class Drafts:
    """Names for drafts, and folders, which no other thread or process has."""

    def __init__(self, place: Path) -> None:
        """`place` need not be there yet."""
        self._place = place
        self._guard = threading.Lock()
        self._begin = f"{place}{os.sep}{os.getpid()}-{os.urandom(8).hex()}-"
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
        """The path of a file that is to be written, by `made_in` its folder, and then moved; gone when that fails.

        When the first has been moved, another may be written there.
        """
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
        return made_in(self._place, lambda: tempfile.mkdtemp(dir=self._place))

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


def made_in(folder: str | Path, make: Callable[[], _Made]) -> _Made:
    """What `make` makes in a folder that nearly always is there: else it is not yet, or somebody has deleted it."""
    try:
        return make()
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        return make()
