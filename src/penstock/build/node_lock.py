"""pnpm-lock.yaml and package-lock.json, read for what some folders of a workspace reach in them.

A forecast of which services a lock's change touches; a build itself takes the whole lock for an input, because esbuild
also finds packages that nobody declared. Formats: https://pnpm.io/pnpm-lock.yaml (versions 5 to 9),
https://docs.npmjs.com/cli/configuring-npm/package-lock-json (versions 2 and 3).
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

_KINDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_TOOLS = frozenset({"esbuild", "typescript"})
"""Packages of the lock's own folder that decide what becomes of every service."""
_LINE = re.compile(r"(?P<key>'(?:[^']|'')*'|.+?):(?:\s+(?P<value>.*))?")
_PNPM_KEY = re.compile(r"/?(?P<name>(?:@[^/]+/)?[^/@]+)[@/](?P<version>[^(_]+)")
"""`zod@3.25.1(peer@1.0.0)`; before version 9 `/zod@3.25.1`, before version 6 `/zod/3.25.1_peer@1.0.0`."""
_SCALARS = frozenset({"|", "|-", "|+", ">", ">-", ">+"})


Lock = dict[str, Any]
"""A lock of either kind, parsed."""


def parse(name: str, text: str) -> Lock | None:
    """The lock in a file of that name; None for one of a form that is not understood."""
    try:
        if name == "pnpm-lock.yaml":
            return _blocks(text)
        if name == "package-lock.json":
            packages = json.loads(text)["packages"]
            return {"packages": packages, "npm": True} if isinstance(packages, dict) else None
    except (ValueError, LookupError, TypeError):
        pass
    return None


def part(lock: Lock, folders: Iterable[str], asked: Collection[str]) -> str | None:
    """A digest of what these folders (relative to the lock) reach, the tools of its own folder included.

    Args:
        lock: from `parse`.
        folders: a service and the packages it depends on.
        asked: packages that their sources import, declared or not.

    None when it holds something that is not understood: then all of it counts.
    """
    found = _reach(lock, folders, asked)
    return None if found is None else hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def versions(lock: Lock, folders: Iterable[str], asked: Collection[str]) -> dict[str, str] | None:
    """Versions by name of the packages that these folders reach, as `part` takes them; several with a comma between."""
    found = _reach(lock, folders, asked)
    if found is None:
        return None
    by_name: dict[str, set[str]] = {}
    for key, about in (found if "npm" in lock else found["packages"]).items():
        if "npm" in lock:
            by_name.setdefault(key.rpartition("node_modules/")[2], set()).add(str(about.get("version", "")))
        elif named := pnpm_named(key):
            by_name.setdefault(named[0], set()).add(named[1])
    return {name: ", ".join(sorted(each)) for name, each in by_name.items()}


def package_of(module: str) -> str | None:
    """The package that a module is of: `@a/b` of `@a/b/c.js`; None for a path or one of Node's own."""
    match = re.match(r"(?:@[^/]+/)?[^./@][^/]*", module)
    return None if match is None or module.startswith(("node:", "#")) else match[0]


def _reach(lock: Lock, folders: Iterable[str], asked: Collection[str]) -> dict[str, Any] | None:
    try:
        return _of_npm(lock["packages"], folders, asked) if "npm" in lock else _of_pnpm(lock, folders, asked)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


# ------------------------------------------------------------------------------------------ pnpm


def _of_pnpm(lock: dict[str, Any], folders: Iterable[str], asked: Collection[str]) -> dict[str, Any]:
    importers = lock.get("importers") or {".": lock}
    known = {**lock.get("packages", {}), **lock.get("snapshots", {})}
    direct = {folder: dict(_versions(importers.get(folder, {}), _any)) for folder in folders}
    above = importers.get(".", {})
    direct.setdefault(".", dict(_versions(above, lambda one: one in asked or _decides(one))))

    def keys(name: str, version: str) -> Iterator[str]:
        if not version.startswith("link:"):
            found = [each for each in pnpm_keys(name, version) if each in known]
            yield found[0]

    seeds = [key for versions in direct.values() for name, version in versions.items() for key in keys(name, version)]

    def asks(key: str) -> Iterator[str]:
        for name, version in _versions(known[key], _any):
            yield from keys(name, version)

    plain = lock.get("packages", {})
    packages = {key: [known[key], plain.get(key.partition("(")[0])] for key in _reached(seeds, asks)}
    return {"version": lock["lockfileVersion"], "direct": direct, "packages": packages}


def pnpm_keys(name: str, version: str) -> tuple[str, ...]:
    """What a package may be called in pnpm's locks, by version of the format and with or without an alias."""
    return (f"{name}@{version}", version, f"/{name}@{version}", f"/{name}/{version}")


def pnpm_named(key: str) -> tuple[str, str] | None:
    """Name and version of the package that has this key in one of pnpm's locks."""
    match = _PNPM_KEY.match(key)
    return None if match is None else (match["name"], match["version"])


def _versions(about: dict[str, Any], wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        for name, said in (about.get(kind) or {}).items():
            if wanted(name):
                yield name, said["version"] if isinstance(said, dict) else said


def _blocks(text: str) -> dict[str, Any]:
    """The part of YAML that pnpm writes: mappings by indentation; lists and `{…}` stay texts. Raises ValueError."""
    root: dict[str, Any] = {}
    stack = [(-1, root)]
    skipped_from: int | None = None
    for line in text.splitlines():
        body = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if not body or body.startswith("#") or (skipped_from is not None and indent > skipped_from):
            continue
        skipped_from = None
        while stack[-1][0] >= indent:
            stack.pop()
        holder = stack[-1][1]
        if body.startswith("- "):
            holder[body] = ""
            continue
        match = _LINE.fullmatch(body)
        if match is None or body.startswith(("? ", "---")):
            raise ValueError(body)
        key, value = _unquoted(match["key"]), match["value"]
        if value in _SCALARS:
            skipped_from = indent
        elif value and value != "{}":
            holder[key] = _unquoted(value)
        else:
            holder[key] = {}
            stack.append((indent, holder[key]))
    return root


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'") if text[:1] == "'" == text[-1:] else text


# ------------------------------------------------------------------------------------------ npm


def _of_npm(packages: dict[str, Any], folders: Iterable[str], asked: Collection[str]) -> dict[str, Any]:
    ours = ["" if folder == "." else folder for folder in folders]
    tools = {name for kind in _KINDS for name in packages.get("", {}).get(kind, {}) if _decides(name)}
    seeds = {found for folder in ours for found in _asked_by(packages, folder)}
    seeds |= {found for folder in ours for name in {*asked, *tools} for found in installed(packages, name, folder)}
    return {key: packages[key] for key in _reached(seeds, lambda key: _asked_by(packages, key))}


def _asked_by(packages: dict[str, Any], key: str) -> Iterator[str]:
    """Places of what a package (of a folder: what is for its development, too) depends on."""
    for kind in _KINDS:
        if kind != "devDependencies" or "node_modules" not in key:
            for name in packages[key].get(kind, {}):
                yield from installed(packages, name, key)


def installed(packages: Mapping[str, Any], name: str, start: str) -> Iterator[str]:
    """Where Node finds a package from a folder upwards; nothing for one that is not there, or is a folder of ours."""
    above = start
    while (found := posixpath.join(above, "node_modules", name)) not in packages:
        if not above:
            return
        above = posixpath.dirname(above)
    if not packages[found].get("link"):
        yield found


# ------------------------------------------------------------------------------------------ both


def _reached(seeds: Iterable[str], asks: Callable[[str], Iterable[str]]) -> list[str]:
    found: set[str] = set()
    queue = list(seeds)
    while queue:
        key = queue.pop()
        if key not in found:
            found.add(key)
            queue += asks(key)
    return sorted(found)


def _decides(name: str) -> bool:
    return name in _TOOLS or name.startswith("@types/")


def _any(_name: str) -> bool:
    return True
