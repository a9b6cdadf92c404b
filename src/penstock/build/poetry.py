"""poetry.lock: what a project reaches in it, as requirements and pins that uv understands.

Format: lock versions 2.0 and 2.1 (Poetry 1.5 and later), https://python-poetry.org/docs/basic-usage/#installing-with-poetrylock.
The lock says which versions; what the target needs of them is for uv to find out, which knows the target's markers.
Constraints such as `^1.2` are Poetry's own: https://python-poetry.org/docs/dependency-specification/.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.build.markers import marker_of
from penstock.build.requirements import Line, normalised
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_BY_POETRY_1 = "2.0"
"""Version of its locks, which knew no `[project]`."""
_KEYS = ("version", "extras", "markers", "python", "platform", "optional", "git", "path", "url", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoetryLocked:
    """What a project reaches. `folders` and `archives` are relative to the project.

    `packages` maps `name version` to a digest of everything that the lock says about it.
    """

    roots: tuple[Line, ...]
    pins: tuple[Line, ...]
    options: tuple[str, ...]
    folders: Mapping[str, str]
    conditions: Mapping[str, tuple[str, ...]]
    """Markers of folders that not every target needs, of which one has to apply."""
    archives: tuple[str, ...]
    packages: Mapping[str, str]


def reached(
    lock: str,
    project: str,
    *,
    where: str,
    groups: Collection[str] = (),
    extras: Collection[str] = (),
    without: Collection[str] = (),
) -> PoetryLocked:
    """What the project (its pyproject.toml's text) needs of its lock, `groups` and `extras` of it included.

    `without` are packages that stay out with what only they need. `where` is the lock's path. Raises BuildFailed when
    the lock cannot be read, lacks something, or is older than the manifest.
    """
    packages, version = _packages(lock, where)
    manifest = tomllib.loads(project)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for package in packages:
        by_name.setdefault(normalised(package["name"]), []).append(package)
    by = posixpath.join(posixpath.dirname(where), "pyproject.toml")
    wanted = list(_roots(manifest, by, groups, extras, is_union=version == _BY_POETRY_1))
    missing = next((line.name for line in wanted if line.name not in by_name), None)
    if missing is not None:
        raise BuildFailed(f"{missing} is not in the lock", where=where, hint="poetry lock")
    roots: list[Line] = []
    folders: dict[str, str] = {}
    conditions: dict[str, tuple[str, ...]] = {}
    archives: list[str] = []
    seen: dict[str, list[dict[str, Any]]] = {}
    queue = [line for line in wanted if line.name not in without]
    direct = set()
    while queue:
        line = queue.pop(0)
        local = [
            package for package in by_name.get(line.name, ()) if _source(package) in {"directory", "file", "git", "url"}
        ]
        if not local:
            roots.append(line)
        for package in local:
            if line.name in direct:
                continue
            direct.add(line.name)
            source = package["source"]
            if _source(package) == "directory":
                folders[line.name] = posixpath.normpath(source["url"])
                conditions[line.name] = _conditions(package, [one.text for one in wanted if one.name == line.name])
                queue += [one for one in _needs(package, where) if one.name not in without]
            elif _source(package) == "file":
                archives.append(posixpath.normpath(source["url"]))
                roots += [one for one in _needs(package, where) if one.name not in without]
            else:
                roots.append(_remote(package, line, where))
        _close(by_name, line.name, seen, without)
    kept = [package for found in seen.values() for package in found]
    # Locks before 2.1 have no marker that sums up who asks, so that one who is asked for by a package is always meant.
    by_others = {
        normalised(inner)
        for package in kept
        for inner in package.get("dependencies", {})
        if not any("markers" in one for one in by_name.get(normalised(inner), ()))
    }
    return PoetryLocked(
        roots=tuple(dict.fromkeys(roots)),
        pins=tuple(pin for found in seen.values() for pin in _pins(found, where)),
        options=tuple(sorted({option for package in kept for option in _index(package)})),
        folders=folders,
        conditions={
            name: markers
            for name, markers in conditions.items()
            if markers and "" not in markers and name not in by_others
        },
        archives=tuple(archives),
        packages={f"{normalised(package['name'])} {package['version']}": _digest(package) for package in kept},
    )


def needs(dependencies: Mapping[str, Any], where: str) -> Iterator[Line]:
    """A table of dependencies in Poetry's words, as requirements; those of extras are not among them."""
    for name, value in dependencies.items():
        if name != "python":
            yield from _written(name, value, where, ())


def specifier(constraint: str) -> str:
    """PEP 440 for one of Poetry's constraints: `>=1.2,<2` for `^1.2`; empty when everything will do."""
    if "||" in constraint or " | " in constraint or constraint.strip() in {"*", ""}:
        return ""
    parts = [part for part in re.split(r"\s*,\s*|(?<=[\w*])\s+(?=[<>=!~^])", constraint.strip()) if part]
    return ",".join(_part(part.replace(" ", "")) for part in parts)


def _part(text: str) -> str:
    mark, version = text[:1], text[1:]
    if mark == "^":
        return f">={version},<{_above(version, caret=True)}"
    if mark == "~" and not version.startswith("="):
        return f">={version},<{_above(version, caret=False)}"
    return text if mark in "<>=!~" else f"=={text}"


def _above(version: str, *, caret: bool) -> str:
    """The first version that `^` or `~` does not take."""
    numbers = [int(part) for part in re.findall(r"\d+", re.split(r"[abcr+-]", version)[0])]
    if caret:
        position = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    else:
        position = min(1, len(numbers) - 1)
    return ".".join(map(str, [*numbers[:position], numbers[position] + 1]))


def _packages(text: str, where: str) -> tuple[list[dict[str, Any]], str]:
    """The packages of a lock, and its version."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BuildFailed(f"not valid TOML: {error}", where=where, hint="poetry lock") from error
    version = str(content.get("metadata", {}).get("lock-version", ""))
    packages = content.get("package", [])
    if not version.startswith("2.") or not all({"name", "version"} <= package.keys() for package in packages):
        raise BuildFailed(
            f"this lock is of version {version or 'unknown'}, not 2",
            where=where,
            hint="poetry lock, with Poetry 1.5 or later",
        )
    return list(packages), version


def _roots(
    manifest: Mapping[str, Any], where: str, groups: Collection[str], extras: Collection[str], *, is_union: bool
) -> Iterator[Line]:
    """What the manifest asks for; with `is_union` of the standard's tables and of Poetry's own, whichever is there."""
    project, tool = manifest.get("project", {}), manifest.get("tool", {}).get("poetry", {})
    in_project = set()
    for text in project.get("dependencies", ()):
        line = _line(text, where)
        in_project.add(line.name)
        yield line
    standard = _by_name(project.get("optional-dependencies", {}))
    tables = _by_name(tool.get("extras", {}))
    optional = {normalised(name) for extra in extras for name in tables.get(normalised(extra), ())}
    for extra in extras:
        if normalised(extra) not in standard and normalised(extra) not in tables:
            raise BuildFailed(f"there is no extra named {extra}", where=where, hint="correct [build] extras")
        yield from (_line(text, where) for text in standard.get(normalised(extra), ()))
    counts = {True, False} if is_union else _counting(project)
    for name, value in tool.get("dependencies", {}).items():
        if normalised(name) not in in_project and name != "python":  # else it only says where from
            yield from _written(name, value, where, optional, counts)
    yield from _grouped(manifest, groups, where, optional, is_union=is_union)


def _counting(project: Mapping[str, Any]) -> set[bool]:
    """Whether entries of Poetry's own table count, those that are optional (True) and others (False).

    Beside dependencies of `[project]` they only say where those come from, unless it calls the others dynamic:
    https://python-poetry.org/docs/dependency-specification/#projectdependencies-and-toolpoetrydependencies.
    """
    is_optional = {True} if any(project.get("optional-dependencies", {}).values()) else set()
    there = is_optional | ({False} if project.get("dependencies") else set())
    is_dynamic = not {"dependencies", "optional-dependencies"}.isdisjoint(project.get("dynamic", ()))
    return {True, False} - there if is_dynamic or not there else set()


def _grouped(
    manifest: Mapping[str, Any], groups: Collection[str], where: str, optional: Collection[str], *, is_union: bool
) -> Iterator[Line]:
    """Those of the groups and of the groups that they include, of whichever of the two tables."""
    standard = _by_name(manifest.get("dependency-groups", {}))
    tables = _groups(manifest.get("tool", {}).get("poetry", {}))
    queue = [(group, "") for group in groups]
    seen = set()
    while queue:
        group, by = queue.pop(0)
        name = normalised(group)
        if name in seen or (by and name == "main"):  # the project's own are there in any case
            continue
        seen.add(name)
        if name not in standard and name not in tables:
            raise BuildFailed(
                f"there is no dependency group named {group}{f', which {by} includes' if by else ''}",
                where=where,
                hint="correct the group" if by else "correct [build] groups",
            )
        entries, table = standard.get(name, ()), tables.get(name, {})
        in_group = [_line(entry, where) for entry in entries if isinstance(entry, str)]
        yield from in_group
        if is_union or not in_group:  # else Poetry's own table only says where from
            for one, value in table.get("dependencies", {}).items():
                yield from _written(one, value, where, optional)
        included = [entry["include-group"] for entry in entries if isinstance(entry, dict) and "include-group" in entry]
        queue += [(inner, group) for inner in (*included, *table.get("include-groups", ()))]


def _groups(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Poetry's own groups; `dev-dependencies`, as they were written before there were groups, are in `dev`."""
    tables = _by_name(tool.get("group", {}))
    before = tool.get("dev-dependencies", {})
    if before:
        dev = tables.get("dev", {})
        tables["dev"] = {**dev, "dependencies": {**before, **dev.get("dependencies", {})}}
    return tables


def _by_name(table: Mapping[str, Any]) -> dict[str, Any]:
    """By names as they are compared: groups and extras may be spelled in several ways."""
    return {normalised(name): value for name, value in table.items()}


def _written(
    name: str, value: Any, where: str, optional: Collection[str], counts: Collection[bool] = (True, False)
) -> Iterator[Line]:
    """A dependency in Poetry's own words: a constraint, a table, or several of them for different markers.

    Of those that are optional (True in `counts`) only the names in `optional` are taken.
    """
    for one in value if isinstance(value, list) else [value]:
        table = {"version": one} if isinstance(one, str) else {key: one[key] for key in _KEYS if key in one}
        is_optional = bool(table.get("optional"))
        if is_optional not in counts or (is_optional and normalised(name) not in optional):
            continue
        asked = ",".join(table.get("extras", ()))
        markers = [f"({table['markers']})"] if "markers" in table else []
        markers += [f'sys_platform == "{table["platform"]}"'] if "platform" in table else []
        markers += [_python_marker(specifier(table["python"]))] if specifier(table.get("python", "")) else []
        text = f"{name}[{asked}]" if asked else name
        text += specifier(table.get("version", "")) + (f" ; {' and '.join(markers)}" if markers else "")
        yield Line(name=normalised(name), text=text, where=where, pinned=False)


def _python_marker(specifiers: str) -> str:
    found = []
    for one in specifiers.split(","):
        match = re.match(r"([<>=!~]+)(.*)", one)
        if match:
            name = "python_full_version" if match[2].count(".") > 1 else "python_version"
            found.append(f'{name} {match[1]} "{match[2]}"')
    return " and ".join(found)


def _line(text: str, where: str) -> Line:
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", text)
    if match is None:
        raise BuildFailed(f"{text!r} is not a requirement", where=where)
    # What Poetry says in brackets and with `@` stands in the lock as a source.
    plain = re.sub(r"\s*@\s*[^;\s]+", "", text) if "@" in text else text
    return Line(name=normalised(match[1]), text=plain, where=where, pinned=False)


def _needs(package: Mapping[str, Any], where: str) -> Iterator[Line]:
    yield from needs(package.get("dependencies", {}), where)


def _close(
    by_name: Mapping[str, list[dict[str, Any]]],
    first: str,
    seen: dict[str, list[dict[str, Any]]],
    without: Collection[str],
) -> None:
    """Add everything that a package may need on some platform."""
    queue = [first]
    while queue:
        name = queue.pop()
        if name in seen or name in without:
            continue
        seen[name] = by_name.get(name, [])
        queue += [normalised(inner) for package in seen[name] for inner in package.get("dependencies", {})]


def _pins(packages: Iterable[Mapping[str, Any]], where: str) -> Iterator[Line]:
    ordinary = [package for package in packages if _source(package) in {"", "legacy"}]
    for package in ordinary:
        name = normalised(package["name"])
        hashes = "".join(f" --hash={file['hash']}" for file in package.get("files", ()) if "hash" in file)
        marker = _marker(package) if len(ordinary) > 1 else ""
        text = f"{name}=={package['version']}{f' ; {marker}' if marker else ''}{hashes}"
        yield Line(name=name, text=text, where=where, pinned=True)


def _marker(package: Mapping[str, Any]) -> str:
    """Where this one of several versions is meant."""
    value = package.get("markers")
    if isinstance(value, dict):
        value = value.get("main") or next(iter(value.values()), None)
    if isinstance(value, str):
        return value
    return _python_marker(specifier(str(package.get("python-versions", ""))))


def _conditions(package: Mapping[str, Any], asked: Iterable[str]) -> tuple[str, ...]:
    """When a package is meant: the lock says so since its version 2.1, and before only who asks for it."""
    markers = package.get("markers")
    if isinstance(markers, dict):
        return tuple(str(marker) for marker in markers.values())
    return (markers,) if isinstance(markers, str) else tuple(marker_of(text) for text in asked)


def _remote(package: Mapping[str, Any], line: Line, where: str) -> Line:
    source, asked = package["source"], re.search(r"\[[^\]]*\]", line.text)
    url = source["url"]
    if _source(package) == "git":
        url = f"git+{url}@{source.get('resolved_reference') or source.get('reference')}"
        url += f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
    return Line(name=line.name, text=f"{line.name}{asked[0] if asked else ''} @ {url}", where=where, pinned=True)


def _index(package: Mapping[str, Any]) -> Iterator[str]:
    if _source(package) == "legacy":
        yield f"--extra-index-url {package['source']['url']}"


def _source(package: Mapping[str, Any]) -> str:
    return str(package.get("source", {}).get("type", ""))


def _digest(package: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(package, sort_keys=True, default=str).encode()).hexdigest()
