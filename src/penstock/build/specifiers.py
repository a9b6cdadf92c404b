"""Which versions a requirement allows, by `packaging`: its parts are loaded when they are first needed, as slowly.

Format: https://packaging.python.org/en/latest/specifications/dependency-specifiers/.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_PLAIN = re.compile(r"\s*[\w.-]+\s*(?P<open>\()?(?P<versions>[\w.\s<>=!~,*+-]*)(?(open)\))\s*", re.ASCII)
"""A requirement of a name and versions, in brackets as older tools write them, and nothing else."""


def versions(requirement: str) -> SpecifierSet | None:
    """Those that it allows; None for a URL, and for what is none."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415

    plain = _PLAIN.fullmatch(requirement)
    if plain is not None:
        try:
            return SpecifierSet(plain["versions"])
        except InvalidSpecifier:
            return None
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - as slow again

    try:
        found = Requirement(requirement)
    except InvalidRequirement:
        return None
    return None if found.url else found.specifier
