"""Does the canary really get its weight? Who calls around the alias is neither shifted nor brought back.

API Gateway and an alias draw every request at random, so in `n` calls at weight `w` the canary should get `n·w`, with
the variance `n·w·(1-w)`. A share that chance does not explain, and that is a good part away from the weight, is a
finding; so are calls that went to no alias at all. A finding stops nothing: the judge compares rates, not numbers. It
tells people that less is rolled out, or rolled back, than the weight says.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENOUGH = 200
"""Calls of a function below which nothing is said of those around its aliases."""
LEAST = 25.0
"""Calls that each side should have had: with fewer, chance is more lopsided than its standard deviation tells."""
SIGMAS = 5.0
"""Standard deviations that chance is allowed: one false finding in 10⁵ looks, and a rollout has some hundred."""
AWAY = 0.25
"""Part of the weight by which the share must differ: what is real, and too small to matter, is not told."""
AROUND = 0.01
"""Share of a function's calls around its aliases from which on it is told."""
WHOLE = 100

Kind = Literal["share", "around"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Calls of one function in one minute: through its aliases on each side, and in all where that is known."""

    function: str
    minute: int
    stable: int
    canary: int
    all: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One function since the rollout began. `expected` and `variance` are of the canary's calls, by the weights."""

    calls: int = 0
    canary: int = 0
    expected: float = 0.0
    variance: float = 0.0
    around: int = 0
    """Calls that went to no alias, of those minutes in which all calls are known …"""
    known: int = 0
    """… and all calls of those minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What does not fit, in a sentence that names the function."""

    function: str
    kind: Kind
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Services that may call a function, by name.

    `users` have it in their `uses.services`, which allows them its aliases and nothing else; `others` may call it by
    its name or a version by a statement of their own.
    """

    users: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def tally(before: Mapping[str, Tally], shares: Iterable[Share], percent: int) -> Mapping[str, Tally]:
    """The tallies with some more minutes, in which the canary had this percent."""
    found = dict(before)
    weight = percent / WHOLE
    for share in shares:
        old = found.get(share.function, Tally())
        calls = share.stable + share.canary
        known = share.all is not None and share.all >= calls  # else a part of it came too late
        found[share.function] = Tally(
            calls=old.calls + calls,
            canary=old.canary + share.canary,
            expected=old.expected + calls * weight,
            variance=old.variance + calls * weight * (1 - weight),
            around=old.around + ((share.all or 0) - calls if known else 0),
            known=old.known + ((share.all or 0) if known else 0),
        )
    return found


def findings(tallies: Mapping[str, Tally], callers: Mapping[str, Callers] | None = None) -> tuple[Finding, ...]:
    """What does not fit, by function, with those among the `callers` that it may be."""
    found = callers or {}
    return tuple(
        finding
        for function, counted in sorted(tallies.items())
        for finding in (
            _share(function, counted, found.get(function)),
            _around(function, counted, found.get(function)),
        )
        if finding is not None
    )


def _share(function: str, counted: Tally, callers: Callers | None) -> Finding | None:
    away = counted.canary - counted.expected
    if min(counted.expected, counted.calls - counted.expected) < LEAST:
        return None
    if abs(away) < max(SIGMAS * sqrt(counted.variance), AWAY * counted.expected):
        return None
    share, meant = (WHOLE * calls / counted.calls for calls in (counted.canary, counted.expected))
    why = (
        "some of its callers name a slot's alias or a version themselves and stay on the stable release"
        if away < 0
        else "some of its callers reach the candidate without being drawn"
    )
    told = f"{share:.1f} % of {counted.calls:,} calls reached the candidate instead of {meant:.1f} %"
    likely = "" if callers is None else _likely((*callers.users, *callers.others))
    sentence = f"{function}: {told}: {why}{likely}"
    return Finding(function=function, kind="share", sentence=sentence)


def _around(function: str, counted: Tally, callers: Callers | None) -> Finding | None:
    if counted.known < ENOUGH or counted.around < AROUND * counted.known:
        return None
    likely = "" if callers is None else _likely(callers.others)
    sentence = (
        f"{function}: {counted.around:,} of {counted.known:,} calls went around its aliases: their callers name the "
        f"function alone, or a version, and neither follow a rollout nor come back with it; let them call "
        f"{function}:live{likely}"
    )
    return Finding(function=function, kind="around", sentence=sentence)


def _likely(services: Iterable[str]) -> str:
    names = ", ".join(sorted(set(services)))
    return f"; likely {names}" if names else "; no service of the workspace says that it may"
