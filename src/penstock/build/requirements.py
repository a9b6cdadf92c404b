"""requirements.txt: pinned packages, and packages of the workspace by their paths.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/. `-r` is followed; paths are relative to the
file that holds them, as people write them.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_PINNED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*===?\s*[^\s;,*]+\s*(;.*|\s--hash.*|$)")
_DIRECT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*@\s*(?P<url>\S+)")
_INCLUDE = re.compile(r"(-r|--requirement)[\s=]+(?P<path>\S+)")
_EDITABLE = re.compile(r"(-e|--editable)[\s=]+(?P<path>\S+)")
_OPTION = re.compile(r"--?[a-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """`lines` as uv installs them, by normalised name; `folders` of local packages, relative to the root."""

    lines: Mapping[str, str]
    options: tuple[str, ...]
    folders: tuple[str, ...]

    def text(self) -> str:
        """The file that uv is given."""
        return "".join(f"{line}\n" for line in (*self.options, *(self.lines[name] for name in sorted(self.lines))))


def parse(path: str, files: Mapping[str, str], *, without: Collection[str] = ()) -> Requirements:
    """Read a requirements file and those it includes, all given as texts by path relative to the workspace.

    Raises BuildFailed for a line that is not pinned to one version, with its number.
    """
    lines: dict[str, str] = {}
    options: list[str] = []
    folders: list[str] = []
    _read(path, files, (lines, options, folders), seen=set())
    kept = {name: line for name, line in lines.items() if name not in without}
    return Requirements(lines=kept, options=tuple(options), folders=tuple(dict.fromkeys(folders)))


def includes(path: str, text: str) -> tuple[str, ...]:
    """Paths of the files that a requirements file includes by `-r`."""
    matches = (_INCLUDE.match(line) for _, line in _logical_lines(text))
    return tuple(_relative(path, match["path"]) for match in matches if match)


def normalised(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(
    path: str, files: Mapping[str, str], found: tuple[dict[str, str], list[str], list[str]], *, seen: set[str]
) -> None:
    lines, options, folders = found
    if path in seen:
        return
    seen.add(path)
    for number, line in _logical_lines(files[path]):
        where = f"{path}:{number}"
        if include := _INCLUDE.match(line):
            inner = _relative(path, include["path"])
            if inner not in files:
                raise BuildFailed(f"{include['path']} is not there", where=where)
            _read(inner, files, found, seen=seen)
        elif local := _local(line):
            folders.append(_relative(path, local))
        elif pinned := _PINNED.match(line) or _DIRECT.match(line):
            lines[normalised(pinned["name"])] = line
        elif _OPTION.match(line):
            options.append(line)
        else:
            raise BuildFailed(
                f"{line.split()[0]} is not pinned to one version, so the build could not be repeated",
                where=where,
                hint=f"keep what you wrote in requirements.in, then: uv pip compile requirements.in -o {path}",
            )


def _local(line: str) -> str | None:
    """The path of a line that means a folder, or None."""
    if editable := _EDITABLE.match(line):
        line = editable["path"]
    elif direct := _DIRECT.match(line):
        line = direct["url"]
    if line.startswith("file:") and not line.startswith("file://"):
        return line.removeprefix("file:")
    return line.split(";")[0].split("[")[0].strip() if line.startswith(("./", "../", ".")) else None


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with continuations joined and comments taken away, with the number of their first line."""
    result = []
    pending, begin = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        begin = begin if pending else number
        if line.endswith("\\"):
            pending += line[:-1].rstrip() + " "
            continue
        joined = (pending + line).strip()
        pending = ""
        if joined:
            result.append((begin, joined))
    if pending.strip():
        result.append((begin, pending.strip()))
    return result


def _relative(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
