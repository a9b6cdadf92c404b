"""Which versions a requirement allows, by `packaging`: its parts are loaded when they are first needed, as slowly.

Format: https://packaging.python.org/en/latest/specifications/dependency-specifiers/.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_PLAIN = re.compile(r"[\w.-]+ ?(?P<open>\( ?)?(?P<versions>[<>=!~][\w. <>=!~,*+-]*)?(?(open)\))", re.ASCII)
"""A requirement of a name and versions, in brackets as older tools write them, and nothing else; with single blanks.

No two parts can take the same letter: whoever wrote it may wish that this takes long.
"""


def versions(requirement: str) -> SpecifierSet | None:
    """Those that it allows; None for a URL, and for what is none."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415

    plain = _PLAIN.fullmatch(" ".join(requirement.split()))
    if plain is not None:
        try:
            return SpecifierSet(plain["versions"] or "")
        except InvalidSpecifier:
            return None
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - as slow again

    try:
        found = Requirement(requirement)
    except InvalidRequirement:
        return None
    return None if found.url else found.specifier
