"""PASS: a bet against "the canary's share of bad calls is more than `margin` above the stable side's".

A minute's factor is a likelihood ratio of an alternative (both sides bad with probability q) to the point (a, b) of the
hypothesis, a = b + margin:

    (q/a)^bad ((1-q)/(1-a))^good of the canary · (q/b)^bad ((1-q)/(1-b))^good of the stable side

Where the true shares are a + u and b + u, a canary call's factor has mean 1 - u·(a-q)/(a(1-a)), a stable call's
1 + u·(q-b)/(b(1-b)). With b such that

    canary calls · (a-q)/(a(1-a)) = stable calls · (q-b)/(b(1-b))

the mean of the product is at most 1 wherever the hypothesis is true, because log(1+x) ≤ x; also when shares differ from
call to call. This is the reverse information projection of Turner & Grünwald, "Safe sequential testing and effect
estimation in stratified count data" (AISTATS 2023). Where no share of the stable side is known but that it is not
negative, b = 0, a = margin and the canary stands alone: with q = 0 each clean call multiplies by 1/(1 - margin), and
459 of them reach 100 at a margin of 1 %.

q may depend on what was seen before the minute, and in the lone form also on the stable side's calls of that minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, inf, log, log1p

BOLD = 0.99
"""The share of the stake that bets all on "no bad calls at all" while the stable side has none. It cannot be much
less: under the hypothesis 459 calls are clean with probability 0.99 %, so a test with alpha = 1 % that ends there has
hardly anything left for releases with some bad calls."""

CLOSE = 1e-12
"""How near to the balanced point the search ends, as a share of it."""

BRACKET = 60.0
"""The balanced point is no smaller than e^-60 of the hoped share, whatever the sides' calls."""

LEAST = 1e-9
"""Smaller shares of bad calls are taken for this one in forecasts."""

MEMORY = 3000.0
"""Stable calls after which what was seen before counts half."""

FASTEST = 0.7
"""What is remembered of earlier minutes at least, however many calls a minute has."""


@dataclass(frozen=True, slots=True)
class Base:
    """What is known of the stable side before a minute: calls and bad ones, earlier ones fading."""

    calls: float = 0.0
    bad: float = 0.0

    def then(self, calls: int, bad: int) -> Base:
        """The same with one more minute."""
        if calls == 0:
            return self
        kept = max(FASTEST, 2.0 ** (-calls / MEMORY))
        return Base(self.calls * kept + calls, self.bad * kept + bad)


def log_factors(  # the pair of both bets, which share everything but their courage
    base: Base, *, margin: float, canary: int, canary_bad: int, stable: int, stable_bad: int
) -> tuple[float, float]:
    """Logs of a minute's factors for the bold and the careful bet; -inf where the bold one lost everything."""
    if canary == 0:
        return 0.0, 0.0
    if base.bad > 0.0 and stable > 0:
        hoped = (base.bad + 1.0) / (base.calls + 0.5 / margin)
        both = _beside(
            max(hoped, margin / 50),
            margin=margin,
            canary=canary,
            canary_bad=canary_bad,
            stable=stable,
            stable_bad=stable_bad,
        )
        return both, both
    calls = base.calls + stable
    bad = base.bad + stable_bad
    if bad > 0.0:
        hoped = (bad + 1.0) / (calls + 0.5 / margin)
        alone = _alone(hoped, margin, canary, canary_bad)
        return alone, alone
    bold = 0.0 if calls >= 3.0 / margin else margin / 10
    return _alone(bold, margin, canary, canary_bad), _alone(margin / 4, margin, canary, canary_bad)


def log_wealth(bold: float, careful: float) -> float:
    """Log of the e-value: both bets, each by its share of the stake."""
    high, low = log(BOLD) + bold, log1p(-BOLD) + careful
    if low > high:
        high, low = low, high
    return high + log1p(exp(low - high)) if low > -inf else high


def capped(bold: float, careful: float, most: float) -> tuple[float, float]:
    """Both bets' log capitals, lowered alike where their e-value would be above `most` (a logarithm)."""
    excess = max(0.0, log_wealth(bold, careful) - most)
    return bold - excess, careful - excess


def clean_calls(margin: float, alpha: float, *, bold: float = 0.0, careful: float = 0.0) -> int:
    """How many more clean canary calls reach 1/alpha while the stable side has no bad ones. 459 for 1 % and 1 %."""
    goal = -log(alpha)
    per_call = -log1p(-margin)
    per_careful = log1p(-margin / 4) + per_call

    def enough(calls: int) -> bool:
        return log_wealth(bold + calls * per_call, careful + calls * per_careful) >= goal

    few, many = 0, 1
    while not enough(many):
        few, many = many, many * 2
    if enough(0):
        return 0
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many


def growth(share: float, *, margin: float, beside: float) -> float:
    """Mean log growth for each canary call when both sides are bad with this share.

    Args:
        share: of bad calls, on both sides.
        margin: tolerated above it.
        beside: stable calls for each canary call.
    """
    if share + margin >= 1.0:
        return 0.0
    if share < LEAST:
        return -log1p(-margin)
    thousand = 1000
    calls = max(1, ceil(beside * thousand))
    low = _balanced(share, margin, thousand, calls)
    above = low + margin
    return (
        share * log(share / above)
        + (1 - share) * log((1 - share) / (1 - above))
        + beside * (share * log(share / low) + (1 - share) * log((1 - share) / (1 - low)))
    )


def more_calls(share: float, *, margin: float, alpha: float, beside: float, log_e: float) -> int | None:
    """About how many more canary calls a pass needs at this share of bad calls; None when it is out of reach."""
    rate = growth(share, margin=margin, beside=beside)
    return ceil(max(0.0, -log(alpha) - log_e) / rate) if rate > 0.0 else None


def _alone(hoped: float, margin: float, canary: int, canary_bad: int) -> float:
    """Log factor of the canary's calls against a share of exactly `margin`."""
    if hoped >= margin or margin >= 1.0:
        return 0.0
    lost = 0.0
    if canary_bad:
        lost = canary_bad * log(hoped / margin) if hoped > 0.0 else -inf
    return lost + (canary - canary_bad) * log((1.0 - hoped) / (1.0 - margin))


def _beside(hoped: float, *, margin: float, canary: int, canary_bad: int, stable: int, stable_bad: int) -> float:
    """Log factor of both sides' calls against the balanced point of the hypothesis."""
    if hoped + margin >= 1.0:
        return 0.0
    low = _balanced(hoped, margin, canary, stable)
    above = low + margin
    return (
        canary_bad * log(hoped / above)
        + (canary - canary_bad) * log((1.0 - hoped) / (1.0 - above))
        + stable_bad * log(hoped / low)
        + (stable - stable_bad) * log((1.0 - hoped) / (1.0 - low))
    )


def _balanced(hoped: float, margin: float, canary: int, stable: int) -> float:
    """The b between 0 and `hoped` of the module's second formula.

    The right side grows without bound as b falls to 0, so there is exactly one; found by Newton steps on log b, which
    never leave the bracket. The result errs on neither side by more than CLOSE of itself.
    """
    high = log(hoped)
    low = high - BRACKET
    first = hoped + margin
    place = high - log1p(canary / stable * margin * (1.0 - hoped) / (first * (1.0 - first)))
    for _ in range(60):
        b = exp(place)
        a = b + margin
        value = canary * (a - hoped) / (a * (1.0 - a)) - stable * (hoped - b) / (b * (1.0 - b))
        if value > 0.0:
            high = place
        else:
            low = place
        in_a = (a * (1.0 - a) - (a - hoped) * (1.0 - 2.0 * a)) / (a * (1.0 - a)) ** 2
        in_b = -(b * (1.0 - b) + (hoped - b) * (1.0 - 2.0 * b)) / (b * (1.0 - b)) ** 2
        step = value / (b * (canary * in_a - stable * in_b))
        tried = place - step
        if abs(step) < CLOSE:
            break
        place = tried if low < tried < high else (low + high) / 2.0
    return exp(place)
