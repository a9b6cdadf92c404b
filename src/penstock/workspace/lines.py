"""Where each key of a TOML text stands. `tomllib` knows what a file says but not where.

The text must be one that `tomllib` has accepted: the scanner follows its structure and checks nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.workspace.findings import KeyPath

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACES = re.compile(r"[ \t]*")
_KEY_PART = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'([^'\n]*)'|([A-Za-z0-9_-]+)")
_SCALAR = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' + r"|'''.*?'{3,5}" + r'|"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'" + r"|[^,\]}\n#]+",
    re.DOTALL,
)


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a key, or of the closest table around it that has one."""
    for length in range(len(path), 0, -1):
        if (line := lines.get(path[:length])) is not None:
            return line
    return None


def locate(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key, table header and array element of the document."""
    return _Scanner(text).document()


class _Scanner:
    """One pass over the text. `_at` is where it stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._found: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._array_header()
            elif self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._found

    def _header(self) -> KeyPath:
        line = self._line()
        self._at += 1
        path = self._through_arrays(self._key())
        self._skip(_SPACES)
        self._at += 1
        self._record(path, line)
        return path

    def _array_header(self) -> KeyPath:
        line = self._line()
        self._at += 2
        key = self._key()
        self._skip(_SPACES)
        self._at += 2
        array = (*self._through_arrays(key[:-1]), key[-1])
        index = self._counts.get(array, 0)
        self._counts[array] = index + 1
        self._record((*array, index), line)
        return (*array, index)

    def _through_arrays(self, key: KeyPath) -> KeyPath:
        """`[a.b]` after `[[a]]` speaks of the last element of `a`."""
        path: KeyPath = ()
        for part in key:
            path = (*path, part)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = (*table, *self._key())
        self._record(path, line)
        self._skip(_SPACES)
        self._at += 1  # the equals sign
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip(_SPACES)
        sign = self._text[self._at : self._at + 1]
        if sign == "[":
            self._array(path)
        elif sign == "{":
            self._inline(path)
        elif match := _SCALAR.match(self._text, self._at):
            self._at = match.end()
        else:
            self._at = len(self._text)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        for index in range(len(self._text)):
            self._between()
            if self._closed("]"):
                return
            self._record((*path, index), self._line())
            self._value((*path, index))

    def _inline(self, path: KeyPath) -> None:
        self._at += 1
        while True:
            self._between()
            if self._closed("}"):
                return
            self._pair(path)

    def _between(self) -> None:
        self._skip(_BLANK)
        while self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_BLANK)

    def _closed(self, sign: str) -> bool:
        if self._at >= len(self._text):
            return True
        if self._text[self._at] != sign:
            return False
        self._at += 1
        return True

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            self._skip(_SPACES)
            match = _KEY_PART.match(self._text, self._at)
            if match is None:
                self._at = len(self._text)
                return (*parts, "")
            self._at = match.end()
            double, single, bare = match.groups()
            parts.append(_unescaped(double) if double is not None else single if single is not None else bare)
            self._skip(_SPACES)
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _record(self, path: KeyPath, line: int) -> None:
        for length in range(len(path), 0, -1):
            if path[:length] in self._found:
                break
            self._found[path[:length]] = line

    def _line(self) -> int:
        return bisect_right(self._breaks, self._at - 1) + 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    simple = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}

    def one(match: re.Match[str]) -> str:
        code = match[1]
        return simple.get(code, code) if len(code) == 1 else chr(int(code[1:], 16))

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|.)", one, text)
