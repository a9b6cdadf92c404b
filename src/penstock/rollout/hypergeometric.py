"""The mean of ψ^K for a hypergeometric K: exact, in log space, for strata of any size.

K is the number of bad calls that the canary gets when `bad` of `total` calls are bad and `canary` of them went to the
canary by lot. With (x)_j = x(x-1)…(x-j+1), Vandermonde's identity gives a sum of positive terms for ψ > 1:

    E[ψ^K] = Σ_j C(bad, j) (ψ-1)^j (canary)_j / (total)_j

Neighbouring terms have a ratio of four products, and only those near the largest matter: a few standard deviations,
not min(bad, canary) many.
"""

from __future__ import annotations

from math import ceil, exp, fsum, lgamma, log, sqrt

NEGLIGIBLE = 1e-17
"""Terms below this share of the sum are beyond a double's last digit."""

FROM_ZERO = 64
"""Up to this place of the largest term the sum starts at j = 0, whose term is 1: it cannot overflow."""


def log_mean_power(psi: float, *, canary: int, total: int, bad: int) -> float:
    """Log of E[ψ^K], ψ > 1, 0 ≤ canary ≤ total, 0 ≤ bad ≤ total.

    Sums about 12 standard deviations of K at most: 10^5 calls a minute with 3 % bad need some 600 terms.
    """
    if bad == 0 or canary == 0:
        return 0.0
    if canary == total:
        return bad * log(psi)
    tilt = psi - 1.0
    if bad == 1:
        return log(1.0 + tilt * canary / total)
    largest = _largest(tilt, canary, total, bad)
    if largest <= FROM_ZERO:
        return log(_upwards(tilt, canary, total, bad, 0) + 1.0)
    scale = _log_term(tilt, canary, total, bad, largest)
    around = 1.0 + _upwards(tilt, canary, total, bad, largest) + _downwards(tilt, canary, total, bad, largest)
    return scale + log(around)


def log_probability(hits: int, *, canary: int, total: int, bad: int) -> float:
    """Log of P(K = hits); -inf outside of what is possible."""
    if hits < max(0, canary + bad - total) or hits > min(canary, bad):
        return float("-inf")
    return _choose(bad, hits) + _choose(total - bad, canary - hits) - _choose(total, canary)


def mean_and_variance(*, canary: int, total: int, bad: int) -> tuple[float, float]:
    """Of K: what the canary's share of the bad calls would be by lot."""
    share = canary / total
    if total == 1:
        return bad * share, 0.0
    return bad * share, bad * share * (1.0 - share) * (total - bad) / (total - 1)


def _largest(tilt: float, canary: int, total: int, bad: int) -> int:
    """The j of the largest term: where the ratio of neighbours falls below 1, the smaller root of a quadratic."""
    constant = tilt * bad * canary - total
    if constant <= 0:
        return 0
    linear = tilt * (bad + canary) + total - 1.0
    square = linear * linear - 4.0 * (tilt + 1.0) * constant
    return min(bad, canary, ceil(2.0 * constant / (linear + sqrt(max(0.0, square)))))


def _upwards(tilt: float, canary: int, total: int, bad: int, start: int) -> float:
    """The terms above `start`, in units of the term at `start`."""
    summed = 0.0
    term = 1.0
    for j in range(start, min(bad, canary)):
        ratio = tilt * (bad - j) * (canary - j) / ((j + 1) * (total - j))
        term *= ratio
        summed += term
        if ratio < 1.0 and term < NEGLIGIBLE * summed:
            break
    return summed


def _downwards(tilt: float, canary: int, total: int, bad: int, start: int) -> float:
    """The terms below `start`, in units of the term at `start`."""
    summed = 0.0
    term = 1.0
    for j in range(start - 1, -1, -1):
        ratio = (j + 1) * (total - j) / (tilt * (bad - j) * (canary - j))
        term *= ratio
        summed += term
        if ratio < 1.0 and term < NEGLIGIBLE * summed:
            break
    return summed


def _log_term(tilt: float, canary: int, total: int, bad: int, j: int) -> float:
    return (
        _choose(bad, j)
        + j * log(tilt)
        + lgamma(canary + 1)
        - lgamma(canary - j + 1)
        - lgamma(total + 1)
        + lgamma(total - j + 1)
    )


def _choose(many: int, few: int) -> float:
    """Log of the binomial coefficient."""
    return lgamma(many + 1) - lgamma(few + 1) - lgamma(many - few + 1)


def log_sum(logs: tuple[float, ...] | list[float]) -> float:
    """Log of the sum of exponentials, the same in whatever order they come; -inf for nothing."""
    top = max(logs, default=float("-inf"))
    if top == float("-inf"):
        return top
    return top + log(fsum(exp(value - top) for value in logs))
