""".gitignore, read for one question: whether a file that a package leads to is made rather than written.

Format: https://git-scm.com/docs/gitignore#_pattern_format
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN = re.compile(r"\*\*/|/\*\*$|\*+|\?|\[[^\]]+\]|.")


def ignored(path: str, rules: Iterable[tuple[str, str]], *, below: str) -> str | None:
    """The outermost folder (with a slash) or file on the way from the folder `below` to `path` that git ignores.

    `rules` are texts of .gitignore by the folders that they lie in, the outermost first; all paths are relative to the
    workspace. A file that was added to git all the same is none that git ignores, and is not known here.
    """
    known = [(folder, *rule) for folder, text in rules for rule in _rules(text)]
    inner = posixpath.relpath(path, below).split("/")
    for count in range(1, len(inner) + 1):
        place, is_folder = posixpath.join(below, *inner[:count]), count < len(inner)
        verdict = False
        for folder, pattern, is_for_folders, is_ignored in known:
            relative = posixpath.relpath(place, folder or ".")
            if (is_folder or not is_for_folders) and not relative.startswith("..") and pattern.fullmatch(relative):
                verdict = is_ignored
        if verdict:
            return f"{place}/" if is_folder else place
    return None


@lru_cache(maxsize=1024)
def _rules(text: str) -> tuple[tuple[re.Pattern[str], bool, bool], ...]:
    """Each line's pattern, whether it is for folders only, and whether it ignores what it fits."""
    found = []
    for line in text.splitlines():
        plain = line.rstrip()
        negates, plain = plain.startswith("!"), plain.removeprefix("!")
        words = plain.rstrip("/")
        if not words or line.startswith("#"):
            continue
        anywhere = "(?:.*/)?" if "/" not in words else ""
        body = "".join(_regex(token) for token in _TOKEN.findall(words.removeprefix("/")))
        found.append((re.compile(anywhere + body), plain.endswith("/"), not negates))
    return tuple(found)


def _regex(token: str) -> str:
    match token:
        case "**/":
            return "(?:.*/)?"
        case "/**":
            return "/.*"
        case "?":
            return "[^/]"
        case _ if token.startswith("*"):
            return "[^/]*"
        case _ if token.startswith("[") and len(token) > 1:
            inner = token[1:-1]
            return f"[^{re.escape(inner[1:])}]".replace(r"\-", "-") if inner[0] == "!" else f"[{inner}]"
        case _:
            return re.escape(token)
