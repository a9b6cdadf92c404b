"""Results on standard output: lines of text or of JSON, and tables."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from penstock.cli.settings import Settings

_GAP = "  "
"""Between two columns."""


def say(text: str) -> None:
    """A line of data on standard output."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def talk(text: str) -> None:
    """A line for people on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def put(value: Mapping[str, Any]) -> None:
    """A JSON object on standard output, as one line."""
    say(json.dumps(value, default=str))


def table(
    settings: Settings,
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str],
    kind: str,
    numbers: Collection[str] = (),
    spare: Collection[str] = (),
) -> None:
    """Rows as a table on a terminal, as aligned columns elsewhere, as one JSON object each with `--json`.

    Args:
        settings: the global flags.
        rows: values by column name; `--json` prints them whole, text shows `columns` only.
        columns: what text shows, in order; a column's title is its name with blanks for `_`.
        kind: the value of `event` in the JSON objects.
        numbers: columns that are aligned at the right.
        spare: columns that are left out on a terminal that is too narrow for all.
    """
    if settings.json:
        for row in rows:
            put({"event": kind, **row})
        return
    columns, texts = list(columns), _texts(rows, columns)
    is_seen = sys.stdout.isatty()
    if is_seen and spare and _width(columns, texts) > shutil.get_terminal_size().columns:
        columns = [column for column in columns if column not in spare]
        texts = _texts(rows, columns)
    titles = [column.replace("_", " ") for column in columns]
    right = [column in numbers for column in columns]
    if is_seen:
        _rich_table(settings, titles, texts, right)
    else:
        say(_aligned([titles, *texts], right))


def _texts(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[list[str]]:
    return [["" if row.get(column) is None else str(row[column]) for column in columns] for row in rows]


def _width(titles: Sequence[str], texts: Sequence[Sequence[str]]) -> int:
    return len(_GAP) * (len(titles) - 1) + sum(max(map(len, column)) for column in zip(titles, *texts, strict=True))


def _aligned(lines: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "\n".join(
        _GAP.join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _rich_table(
    settings: Settings, titles: Sequence[str], texts: Sequence[Sequence[str]], right: Sequence[bool]
) -> None:
    from rich.console import Console  # noqa: PLC0415 - only where somebody looks
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title, is_right in zip(titles, right, strict=True):
        shown.add_column(title, overflow="fold", justify="right" if is_right else "left")
    for line in texts:
        shown.add_row(*(Text(cell) for cell in line))
    Console(no_color=not settings.color).print(shown)
