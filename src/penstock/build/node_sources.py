"""Shared packages whose `main` or `exports` name what `tsc` makes, while no script of theirs makes it.

`tsc -b` at the root of a workspace does. A bundle needs no such results: it takes the TypeScript that they are made of,
found by `outDir` and `rootDir` (https://www.typescriptlang.org/tsconfig/#outDir, #rootDir), so that they can neither be
missing nor stale.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.build import tsconfig

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_MADE_OF = {".js": (".ts", ".tsx"), ".mjs": (".mts",), ".cjs": (".cts",), ".jsx": (".tsx",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Where `tsc` puts what it makes of a package; folders relative to the package, "." for itself."""

    out: str
    roots: tuple[str, ...]
    """Where the sources may begin, the likeliest first."""

    def makes(self, path: str) -> bool:
        """Whether a file of the package is a result."""
        return path.startswith(f"{self.out}/")

    def source(self, made: str, files: Collection[str]) -> str | None:
        """The source among `files` of what an entry leads to; None when there is none."""
        place = posixpath.normpath(made)
        if place != self.out and not self.makes(place):
            return None
        inner = posixpath.relpath(place, self.out)
        for root in self.roots:
            for candidate in _candidates(posixpath.normpath(posixpath.join(root, inner))):
                if candidate in files:
                    return candidate
        return None


def compiled(folder: str, chain: Iterable[tuple[str, Mapping[str, Any]]]) -> Compiled | None:
    """What a package's tsconfig says of its results; None when they do not go into a folder of the package.

    `chain` are the tsconfigs that count, by path, the strongest last.
    """
    out = root = None
    composite = False
    configs = list(chain)
    home = posixpath.dirname(configs[-1][0]) if configs else ""
    for path, content in configs:
        options = content.get("compilerOptions") or {}
        base = posixpath.dirname(path)
        out = tsconfig.placed(base, str(options["outDir"]), home) if "outDir" in options else out
        root = tsconfig.placed(base, str(options["rootDir"]), home) if "rootDir" in options else root
        composite = bool(options.get("composite", composite))
    if out is None:
        return None
    inside = posixpath.relpath(out, folder)
    if inside == "." or inside.startswith(".."):
        return None
    if root is not None:
        return Compiled(out=inside, roots=(posixpath.relpath(root, folder),))
    # Without rootDir: the tsconfig's folder for a composite project, else the folder that all sources have in common.
    return Compiled(out=inside, roots=(".",) if composite else ("src", "."))


def entries(exports: Any, main: Iterable[Any]) -> Mapping[str, tuple[str, ...]]:
    """The files of a package, in the order of preference, by what is asked of it: `.`, `./x`, `./*`."""
    if exports is None:
        return {".": tuple(one for one in main if isinstance(one, str)) or ("index.js",), "./*": ("./*",)}
    if isinstance(exports, dict) and any(key.startswith(".") for key in exports):
        return {key: tuple(_files(value)) for key, value in exports.items()}
    return {".": tuple(_files(exports))}


def asked(subpath: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Files that a package gives for `.` or `./x`, by Node's rule for patterns: the longest fitting one counts."""
    if subpath in known:
        return known[subpath]
    for pattern in sorted((key for key in known if "*" in key), key=len, reverse=True):
        head, _, tail = pattern.partition("*")
        if subpath.startswith(head) and subpath.endswith(tail) and len(subpath) >= len(head) + len(tail):
            inner = subpath[len(head) : len(subpath) - len(tail)]
            return tuple(path.replace("*", inner) for path in known[pattern])
    return ()


def _files(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for condition, inner in value.items():
                if condition != "types":
                    yield from _files(inner)
        case list():
            for inner in value:
                yield from _files(inner)
        case _:
            pass


def _candidates(place: str) -> Iterator[str]:
    stem, suffix = posixpath.splitext(place)
    yield from (f"{stem}{ending}" for ending in _MADE_OF.get(suffix, ()))
    if suffix not in _MADE_OF:
        yield from (f"{place}{ending}" for ending in _MADE_OF[".js"])
        yield from (posixpath.normpath(f"{place}/index{ending}") for ending in _MADE_OF[".js"])
