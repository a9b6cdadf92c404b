"""What to say of a name that nothing bears."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LISTED_MAX = 12
"""Names that a person still reads; a workspace may have a thousand."""


def instead_of(unknown: Iterable[str], known: Iterable[str]) -> str:
    """A hint: the names that may be meant, or else those that there are, as many as can be read."""
    there = sorted(set(known))
    near = [name for one in unknown for name in get_close_matches(one, there, n=1, cutoff=0.6)]
    if near:
        return f"did you mean: {', '.join(dict.fromkeys(near))}"
    listed = ", ".join(there[:_LISTED_MAX]) or "none"
    return f"one of: {listed}{f' … ({len(there)} in all)' if len(there) > _LISTED_MAX else ''}"
