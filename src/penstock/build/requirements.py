"""requirements.txt: pinned packages, and packages of the workspace by their paths.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/. `-r` and `-c` are followed; paths are
relative to the file that holds them, as people write them.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from penstock.build.markers import marker_of
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

_NAME = r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?P<extras>\[[^\]]*\])?"
_PINNED = re.compile(rf"{_NAME}\s*===?\s*(?P<version>[^\s;,*]+)\s*(;.*|\s--hash.*|$)")
_DIRECT = re.compile(rf"{_NAME}\s*@\s*(?P<url>\S+)")
_NAMED = re.compile(rf"{_NAME}\s*(?P<rest>([<>=!~(;]|\s--hash).*)?$")
_COMMIT = re.compile(r"@[0-9a-f]{40}(#|$)")
_PATH = r"""(?P<path>"[^"]+"|'[^']+'|\S+)"""
_INCLUDE = re.compile(rf"(-r|--requirement)[\s=]*{_PATH}")
_CONSTRAIN = re.compile(rf"(-c|--constraint)[\s=]*{_PATH}")
_EDITABLE = re.compile(r"(-e|--editable)[\s=]*(?P<path>.+)")
_OPTION = re.compile(r"--?[a-z]")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz")
_VIA = re.compile(r"^\s*#\s+via\b(?P<first>.*)$")
_FOR_US = re.compile(r"(--hash|--index-url|--extra-index-url|-i|--find-links|-f|--pre|--no-index)(?=[\s=]|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One requirement. `text` is as uv reads it, `where` is file and line."""

    name: str
    text: str
    where: str
    pinned: bool

    @property
    def hashed(self) -> bool:
        """Whether it says which bytes are meant."""
        return "--hash" in self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a requirements file and those that it includes say.

    `pins` are the lines of constraint files; `folders` and `archives` lie in the workspace, relative to its root, and
    so do `files`: those that were read. `conditions` has the markers of folders that not every target needs, of which
    one has to apply.
    """

    lines: tuple[Line, ...]
    pins: tuple[Line, ...]
    options: tuple[str, ...]
    folders: tuple[str, ...]
    archives: tuple[str, ...]
    files: tuple[str, ...]
    conditions: Mapping[str, tuple[str, ...]]
    extras: Mapping[str, tuple[str, ...]]
    """Those that are asked of folders."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to find out: pip's own rule is that with hashes every package has a line."""
        return all(line.hashed for line in self.lines)

    def text(self) -> str:
        """The file that uv is given."""
        return _text((*self.options, *(line.text for line in sorted(self.lines, key=lambda one: (one.name, one.text)))))

    def constraints(self) -> str:
        """The constraints that uv is given, without hashes: those are for the result."""
        return _text(sorted({without_hashes(line.text) for line in self.pins}))


def compiled(path: str, option: str = "") -> str:
    """What to do for a listing that says which version of everything is meant; `option` is one of uv's and a blank."""
    source = f"{posixpath.splitext(path)[0]}.in"
    return f"keep what you wrote in {source}, then: uv pip compile {option}{source} -o {path}"


def parse(
    path: str,
    files: Mapping[str, str],
    *,
    without: Collection[str] = (),
    resolves: bool = False,
    root: str = "",
    exists: Callable[[str], bool] = lambda _: True,
) -> Requirements:
    """Read a requirements file and those it includes, all given as texts by path relative to the workspace.

    `without` are packages that stay out, with those that the file's `# via` notes say only they need. `resolves` says
    that lines without a version are no fault. `root` is the workspace's folder, for absolute paths into it.
    `exists` says whether there is such a place below it: pip takes a path from the folder that it is started in, so
    what is not beside the file is looked for from the folders above. Raises BuildFailed for such a line, with its
    number.
    """
    found = _Found([], [], [], [], [], {})
    read: set[str] = set()
    _read(path, files, found, seen=read, constraining=False, exists=exists)
    folders: dict[str, list[str]] = {}
    extras: dict[str, tuple[str, ...]] = {}
    for place, marker, asked in found.folders:
        folders.setdefault(_inside(root, place), []).append(marker)
        extras[_inside(root, place)] = (*extras.get(_inside(root, place), ()), *asked)
    pinned = {line.name for line in found.pins if line.pinned}
    loose = next((line for line in found.lines if not line.pinned and line.name not in pinned), None)
    if loose is not None and not resolves:
        raise BuildFailed(
            f"{loose.text.split(maxsplit=1)[0]} is not pinned to one version, so the build could not be repeated",
            where=loose.where,
            hint=f"{compiled(path)}; or let "
            'service.toml say as of which day it means them: [build] resolve = "2026-01-31"',
        )
    dropped = set(without) | only_for(found.via, without)
    return Requirements(
        lines=tuple(line for line in found.lines if line.name not in dropped),
        pins=tuple(found.pins),
        options=tuple(dict.fromkeys(_rooted(root, option) for option in found.options)),
        folders=tuple(folders),
        archives=tuple(dict.fromkeys(_inside(root, place) for place in found.archives)),
        files=tuple(sorted(read)),
        conditions={place: tuple(markers) for place, markers in folders.items() if "" not in markers},
        extras={place: asked for place, asked in extras.items() if asked},
    )


def includes(path: str, text: str) -> tuple[str, ...]:
    """Paths of the files that a requirements file includes by `-r` and `-c`."""
    matches = (_INCLUDE.match(line) or _CONSTRAIN.match(line) for _, line in _logical_lines(text))
    return tuple(_relative(path, _unquoted(match["path"])) for match in matches if match)


def name_of(requirement: str) -> str:
    """The name in a PEP 508 requirement; empty when there is none."""
    match = re.match(rf"\s*{_NAME}", requirement)
    return match["name"] if match else ""


def extras_of(requirement: str) -> tuple[str, ...]:
    """The extras that a requirement, or the path of a folder, asks for in brackets."""
    match = re.search(r"\[(?P<extras>[^\]]*)\]", requirement.partition(";")[0])
    return tuple(one.strip() for one in match["extras"].split(",") if one.strip()) if match else ()


def archive_line(place: str, path: str) -> str:
    """How uv is told to install an archive: `place` gives its name, `path` is where it lies."""
    stem = re.sub(r"\.(whl|zip|tar\.\w+)$", "", posixpath.basename(place))
    name = stem.split("-")[0] if place.endswith(".whl") else re.split(r"-(?=\d)", stem)[0]
    return f"{name} @ file://{quote(path)}"


def placed(text: str, folder: str) -> str:
    """A listing of uv's with the archives that it names by paths from `folder` told by name and place."""
    lines = []
    for line in plain_lines(text):
        path, _, rest = line.partition(" ")
        is_path = "/" in path and is_archive(path) and "://" not in path
        lines.append(
            f"{archive_line(path, posixpath.normpath(posixpath.join(folder, path)))} {rest}".rstrip()
            if is_path
            else line
        )
    return _text(lines)


def is_archive(path: str) -> bool:
    """Whether a file's name is that of a wheel or of packed sources."""
    return path.endswith(_ARCHIVES)


def normalised(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(text: str) -> frozenset[str]:
    """Normalised names of all packages in a listing that uv made."""
    return frozenset(normalised(name) for line in plain_lines(text) if (name := name_of(line)))


def plain_lines(text: str) -> list[str]:
    """The lines of a listing without comments, continuations joined."""
    return [line for _, line in _logical_lines(text)]


def without_names(text: str, names: Collection[str]) -> str:
    """The listing without the packages of these normalised names; its options stay."""
    lines = plain_lines(text)
    return "".join(f"{line}\n" for line in lines if normalised(name_of(line)) not in names)


def without_hashes(text: str) -> str:
    """A line without its `--hash` options."""
    return re.sub(r"\s+--hash[=\s]\S+", "", text)


def pinned_versions(text: str) -> dict[str, str]:
    """`name: version` of every pinned line of a listing that uv made."""
    matches = (_PINNED.match(line) for _, line in _logical_lines(text))
    return {normalised(match["name"]): match["version"] for match in matches if match}


def alternatives(text: str) -> dict[str, list[str]]:
    """All versions that lines of a listing pin each package to: markers choose between them."""
    found: dict[str, list[str]] = {}
    for line in plain_lines(text):
        for name, version in pinned_versions(without_hashes(line)).items():
            found.setdefault(name, []).append(version)
    return found


def is_same(version: str, pin: str) -> bool:
    """Whether a version is what `==` and that pin mean, however the two are written (PEP 440)."""
    if "+" not in pin:
        version = version.partition("+")[0]
    one, other = ([re.sub(r"^0+(?=\d)", "", part) for part in re.findall(r"\d+", text)] for text in (version, pin))
    count = max(len(one), len(other))
    return one + ["0"] * (count - len(one)) == other + ["0"] * (count - len(other))


def only_for(via: Mapping[str, Collection[str]], roots: Collection[str]) -> set[str]:
    """Packages that nobody but `roots` needs, by `# via` notes; one without a note is needed by the person."""
    found: set[str] = set()
    growing = True
    while growing:
        more = {name for name, by in via.items() if by and name not in roots and set(by) <= found | set(roots)} - found
        growing = bool(more)
        found |= more
    return found


def vias(text: str) -> dict[str, tuple[str, ...]]:
    """Who needs each package, as the comments of a compiled listing say: names, or `-r file` for the person."""
    found: dict[str, list[str]] = {}
    current, listing = "", False
    for raw in text.splitlines():
        if note := _VIA.match(raw):
            listing = True
            first = note["first"].strip()
            found[current] += [first] if first else []
        elif listing and raw.lstrip().startswith("#") and raw.lstrip("# \t").strip():
            found[current].append(raw.lstrip("# \t").strip())
        elif match := re.match(_NAME, raw):
            current, listing = normalised(match["name"]), False
            found.setdefault(current, [])
        else:
            listing = False
    return {
        name: tuple(by if by.startswith("-") or "(" in by else normalised(by.split("[")[0]) for by in needed)
        for name, needed in found.items()
        if name
    }


@dataclass(frozen=True, slots=True)
class _Found:
    lines: list[Line]
    pins: list[Line]
    options: list[str]
    folders: list[tuple[str, str, tuple[str, ...]]]
    """Each with its marker and extras."""
    archives: list[str]
    via: dict[str, tuple[str, ...]]


def _read(
    path: str,
    files: Mapping[str, str],
    found: _Found,
    *,
    seen: set[str],
    constraining: bool,
    exists: Callable[[str], bool],
) -> None:
    if path in seen:
        return
    seen.add(path)
    if not constraining:
        found.via.update(vias(files[path]))
    for number, line in _logical_lines(files[path]):
        where = f"{path}:{number}"
        if include := (_INCLUDE.match(line) or _CONSTRAIN.match(line)):
            inner = _relative(path, _unquoted(include["path"]))
            if inner not in files:
                raise BuildFailed(f"{include['path']} is not there", where=where)
            also = constraining or _CONSTRAIN.match(line) is not None
            _read(inner, files, found, seen=seen, constraining=also, exists=exists)
        elif local := _local(line):
            place = _from_above(path, local, exists)
            if is_archive(place):
                found.archives.append(place)
            else:
                found.folders.append((place, marker_of(line), extras_of(line)))
        elif editable := _EDITABLE.match(line):
            raise BuildFailed(
                f"{editable['path']} is not in the workspace, so it cannot be editable",
                where=where,
                hint="write: name @ git+https://…@<commit>",
            )
        elif _OPTION.match(line):
            found.options.extend([_option(path, line)] if _FOR_US.match(line) else [])
        else:
            (found.pins if constraining else found.lines).append(_requirement(line, where))


def _option(path: str, line: str) -> str:
    """The option with a path of the workspace that it names told from the workspace's root."""
    links = re.match(r"(--find-links|-f)[\s=]+(?P<path>[^\s:]+)$", line)
    return f"--find-links {_relative(path, links['path'])}" if links else line


def _requirement(line: str, where: str) -> Line:
    pinned = _PINNED.match(line) or _DIRECT.match(line)
    named = pinned or _NAMED.match(line)
    if named is None:
        url = re.match(r"(git\+)?(https?|ssh)://", line)
        hint = f"write the package's name before it: name @ {line}" if url else "write one such as name==1.2.3"
        raise BuildFailed(f"{line.split(maxsplit=1)[0]} is not a requirement", where=where, hint=hint)
    if (direct := _DIRECT.match(line)) and direct["url"].startswith("git+") and not _COMMIT.search(direct["url"]):
        raise BuildFailed(
            f"{named['name']} is not pinned to a commit: a branch or tag of git may be another one tomorrow",
            where=where,
            hint=f"{direct['url'].partition('#')[0]}@<the commit's 40 digits>: git ls-remote tells it",
        )
    return Line(name=normalised(named["name"]), text=line, where=where, pinned=pinned is not None)


def _local(line: str) -> str | None:
    """The path of a line that means a folder or an archive of the workspace, or None."""
    if editable := _EDITABLE.match(line):
        line = re.sub(r"#egg=[^\s\[]*", "", _unquoted(editable["path"].strip()))
    elif direct := _DIRECT.match(line):
        line = direct["url"]
    line = line.split(" ;")[0].split(" --")[0].strip()
    if line.startswith("file:"):
        return unquote(re.sub(r"^file:(//(localhost)?(?=/))?(//(?=[^/]))?", "", line).split("#")[0])
    is_path = line.startswith(("./", "../", "/")) or line in {".", ".."} or re.match(r"\.\.?\[", line)
    if is_path or (is_archive(line) and "://" not in line):
        return line.split(";")[0].split("[")[0].strip()
    return line.split("[")[0] if editable and "://" not in line else None


def _unquoted(path: str) -> str:
    """A path of an option, which pip reads as a shell does."""
    return re.sub(r"""^(["'])(.*?)\1""", r"\2", path)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with continuations joined and comments taken away, with the number of their first line."""
    result = []
    pending, begin = "", 0
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
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


def _rooted(root: str, option: str) -> str:
    mark, _, path = option.partition(" ")
    return f"{mark} {posixpath.join(root, path)}" if mark == "--find-links" and "://" not in path else option


def _inside(root: str, place: str) -> str:
    return posixpath.relpath(place, root) if root and place.startswith("/") else place


def _from_above(path: str, target: str, exists: Callable[[str], bool]) -> str:
    beside = _relative(path, target)
    folder = posixpath.dirname(path)
    while not target.startswith("/") and folder and not exists(_relative(f"{folder}/x", target)):
        folder = posixpath.dirname(folder)
    found = _relative(f"{folder}/x" if folder else "x", target)
    return found if exists(found) else beside


def _relative(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
