"""Whatever ends a command → one PenstockError, and its text: what, where, hint."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.model.errors import BuildsFailed, Interrupted, PenstockError, UsageError, WorkspaceInvalid

if TYPE_CHECKING:
    from rich.console import Console


class InternalError(PenstockError):
    """A fault of Penstock's own."""


def as_penstock_error(error: BaseException) -> PenstockError:
    """Any exception that reached the top, as one of ours."""
    if isinstance(error, PenstockError):
        return error
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Interrupted(
            "interrupted", hint="penstock status tells what is live; the same command goes on where this one stopped"
        )
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "penstock"
        return UsageError(error.format_message().rstrip("."), hint=f"{command} --help")
    if isinstance(error, click.ClickException):
        return PenstockError(error.format_message())
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT}:
        return PenstockError(
            f"{error.strerror}",
            where=str(error.filename or ""),
            hint="make room" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "make it readable and writable",
        )
    return InternalError(
        f"{type(error).__name__}: {error}",
        hint="this is a fault of Penstock: run it again with -vv and report what it prints",
    )


def seen_from(error: PenstockError, root: Path, here: Path) -> PenstockError:
    """The error with those of its paths that are files of the workspace as they are called from a folder.

    Penstock itself names them from the workspace's root; who stands elsewhere wants to click and to paste.
    """
    if root == here:
        return error
    if isinstance(error, WorkspaceInvalid):
        return WorkspaceInvalid(
            tuple(
                replace(one, file=_path(one.file, root, here), hint=_command(one.hint, root, here))
                for one in error.problems
            )
        )
    if isinstance(error, BuildsFailed):
        return BuildsFailed(
            tuple(
                replace(
                    one,
                    what=_places(one.what, root, here),
                    where=_path(one.where, root, here),
                    hint=_command(one.hint, root, here),
                )
                for one in error.failures
            ),
            total=error.total,
        )
    error.what = _places(error.what, root, here)
    error.where = _path(error.where, root, here)
    error.hint = _command(error.hint, root, here)
    return error


def _path(where: str, root: Path, here: Path) -> str:
    path, colon, line = where.partition(":")
    if not path or Path(path).is_absolute() or not (root / path).exists():
        return where
    return f"{os.path.relpath(root / path, here)}{colon}{line}"


def _places(what: str, root: Path, here: Path) -> str:
    """A compiler's `services/x/app.ts:3:5: …`, a line each."""
    return re.sub(r"^[^\s:]+(?=:\d)", lambda found: _path(found[0], root, here), what, flags=re.MULTILINE)


def _command(hint: str, root: Path, here: Path) -> str:
    """`uv lock --directory .` is meant for the workspace's root."""
    return re.sub(
        r"--directory (?P<folder>[^\s;,)]+)", lambda found: f"--directory {_path(found['folder'], root, here)}", hint
    )


def error_text(error: PenstockError) -> str:
    """The error as lines for standard error."""
    if isinstance(error, WorkspaceInvalid):
        return str(error)
    place = f"\n  at {error.where}" if error.where else ""
    hint = f"\n  → {error.hint}" if error.hint else ""
    return f"error: {error.what}{place}{hint}"


def print_error(error: PenstockError, console: Console) -> None:
    """The same, in colours."""
    console.print(error_text(error), style="red", markup=False, highlight=False, soft_wrap=True)
