"""Files of a Node.js service that no bundle takes in: tests beside the sources, documents, settings of linters.

They count for its types, and for nothing else. Where a source might reach one of them after all, all of them count. A
bundle that has one nevertheless is refused by what esbuild says of it, as any file that no recipe speaks of.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from penstock.build import tsconfig
from penstock.build.ignore import is_of_tests

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_LINTERS = re.compile(
    r"\.(prettier|eslint|stylelint|lintstaged|markdownlint|commitlint|nyc|mocha|c8)(rc|ignore)?(\.\w+)?"
    r"|(prettier|commitlint|lint-staged|stylelint)\.config\.\w+|biome\.jsonc?"
)
_COMPUTED = re.compile(rb"""\b(?:import|require)\s*\((?!\s*["'][^"'\n]*["']\s*[,)])""")
_ENDINGS = ("", ".ts", ".json", "/index.ts")
"""One of each kind that a module's name may lack."""
_SPOKEN_OF = re.compile(r"(^|/)(__tests__|__mocks__|docs)(/|$)|\.(test|spec)\b")


def may_be_unread(path: str) -> bool:
    """Whether a file, by its path below the service, is one that no bundle takes in unless somebody asks for it."""
    return path.startswith("docs/") or is_of_tests(path) or bool(_LINTERS.fullmatch(path.rpartition("/")[2]))


def computes_names(source: bytes) -> bool:
    """Whether a source asks for modules by names that are not there to be read: esbuild takes in all that fit."""
    return _COMPUTED.search(source) is not None


def are_asked_for(
    asked: Iterable[tuple[str, Collection[str]]],
    handlers: Collection[str],
    folder: str = "",
    aliases: Mapping[str, tuple[str, ...]] | None = None,
) -> bool:
    """Whether sources may reach files that `may_be_unread`.

    Args:
        asked: sources, by their paths below the service, with the names of modules that each asks for.
        handlers: those of the service, such as `src/app.handler`.
        folder: the service's.
        aliases: patterns of modules' names to patterns of places; these and `folder` are relative to the workspace.
    """
    if any(may_be_unread(f"{handler.rpartition('.')[0]}.ts") for handler in handlers):
        return True
    for source, modules in asked:
        for module in () if may_be_unread(source) else modules:
            if not module.startswith(".") and _SPOKEN_OF.search(module):
                return True
            places = _places(source, module.partition("?")[0], folder, aliases or {})
            if any(may_be_unread(f"{place}{one}") for place in places for one in _ENDINGS):
                return True
    return False


def _places(source: str, module: str, folder: str, aliases: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """What a module's name may mean, relative to the service."""
    if module.startswith("."):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(source), module))
        return
    for alias, places in aliases.items():
        meant = (tsconfig.means(module, alias, place) for place in places)
        yield from (posixpath.relpath(place, folder or ".") for place in meant if place is not None)
