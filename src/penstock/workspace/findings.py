"""What is wrong, before its line is known: a file, a key's path in it, a sentence and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""Where in a document: `("functions", "worker", "on", 0, "batch")`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. `line` is given where the finder knows it; else `path` is looked up when problems are shown."""

    file: str
    path: KeyPath
    what: str
    hint: str = ""
    line: int | None = None


def dotted(path: KeyPath) -> str:
    """`functions.worker.on[0].batch`, as people write it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def shown(value: object, limit: int = 60) -> str:
    """A value of the user's on one line, quoted, without control characters, cut when it is long."""
    text = repr(value) if not isinstance(value, str) else repr(value)[1:-1].replace("\\'", "'")
    text = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return f'"{text}"' if isinstance(value, str) else text


def on_one_line(text: str) -> str:
    """The text with escapes for whatever a terminal might obey or a log might break at."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
