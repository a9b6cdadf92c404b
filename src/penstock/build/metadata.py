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
    found = ((path, _DISTRIBUTION.fullmatch(path)) for path in paths if path.endswith("/METADATA"))
    return {normalised(match["name"]): path for path, match in found if match}


def listed(metadata: str) -> list[str]:
    """All that a package needs, as it is written (PEP 508), for whatever target and extra."""
    return re.findall(r"^Requires-Dist:\s*(.+?)\s*$", metadata.partition("\n\n")[0], re.MULTILINE)


def by_name(content: bytes, mark: bytes) -> bytes:
    """The file with names alone where it asks for packages by URLs that `mark` stands in; extras and markers stay.

    Backends make of a path beside the package one of the folder that they work in, which nobody else has.
    """
    asked = rb"^(Requires-Dist:[^\r\n@]*?)\s*@\s*[^\s;]*" + re.escape(mark) + rb"[^\s;]*"
    return re.sub(asked, rb"\1", content, flags=re.MULTILINE)


def needed(listed: Iterable[str], target: Target) -> list[str]:
    """Those that hold on the target; extras are not looked at."""
    return [
        text for text in listed if not re.search(r"\bextra\b", marker := marker_of(text)) and applies(marker, target)
    ]


def unmet(metadata: str, there: Collection[str], target: Target) -> list[str]:
    """Names that a package needs on the target and that are not `there`."""
    names = (normalised(name_of(text)) for text in needed(listed(metadata), target))
    return [name for name in names if name not in there]
