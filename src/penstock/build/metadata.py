"""What a built package says that it needs, in its METADATA.

Format: https://packaging.python.org/en/latest/specifications/core-metadata/#requires-dist-multiple-use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.build.markers import applies, marker_of
from penstock.build.requirements import name_of, normalised

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from penstock.model.artifact import Target

_DISTRIBUTION = re.compile(r"(?P<name>[^/]+)-[^/-]+\.dist-info/METADATA")


def distributions(paths: Iterable[str]) -> dict[str, str]:
    """Normalised names of the packages whose METADATA lies among these paths, each with that path."""
    found = ((path, _DISTRIBUTION.fullmatch(path)) for path in paths)
    return {normalised(match["name"]): path for path, match in found if match}


def unmet(metadata: str, there: Collection[str], target: Target) -> list[str]:
    """Names that a package needs on the target and that are not `there`; its extras are not looked at."""
    head = metadata.partition("\n\n")[0]
    needed = re.findall(r"^Requires-Dist:\s*(.+?)\s*$", head, re.MULTILINE)
    return [
        name
        for text in needed
        if (name := normalised(name_of(text))) not in there
        and not re.search(r"\bextra\b", marker := marker_of(text))
        and applies(marker, target)
    ]
