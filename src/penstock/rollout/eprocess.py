"""FAIL: a bet against "the canary is no worse", minute by minute, that may be looked at whenever one likes.

Given the calls of both sides and all bad calls of a minute, who got the bad ones is a lottery when the two sides are
equally good: the canary's number K is hypergeometric. So `ψ^k / E[ψ^K]` has mean 1, the product over minutes is a test
martingale, and it reaches 1/alpha with probability alpha at most, at any stopping time (Ville's inequality). Nothing is
assumed about the traffic, about incidents that both sides share, or about other minutes.

Sources: Lindon & Malek, "Anytime-Valid Inference for Multinomial Count Data" (NeurIPS 2022, arXiv 2011.03567) and
Lindon & Kallus, "Anytime-Valid Continuous-Time Confidence Processes for Inhomogeneous Poisson Processes" (arXiv
2410.09282) on rates that vary with time; Howard & Ramdas (arXiv 1906.09712) on watching quantiles, as the share of slow
calls does. ψ is the odds ratio that a bet hopes for; six of them share the stake.

A regression that begins late would have to win back what was lost before. So a fifth of each stake is held back and
enters later, 0.2/(j(j-1)) of it at the j-th minute that tells anything: still one martingale that started with 1, but
it never starts from far below.
"""

from __future__ import annotations

from math import exp, log

from penstock.rollout.hypergeometric import log_mean_power, log_sum

PSIS = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
LOG_PSIS = tuple(log(psi) for psi in PSIS)
AT_ONCE = 0.8
"""The share of a stake that is bet from the first minute on."""


def informative(*, canary: int, canary_bad: int, stable: int, stable_bad: int) -> bool:
    """Whether a minute can tell the sides apart: both had calls, and neither all nor none of them were bad."""
    return canary > 0 and stable > 0 and 0 < canary_bad + stable_bad < canary + stable


def log_factors(*, canary: int, canary_bad: int, stable: int, stable_bad: int, clusters: int = 1) -> tuple[float, ...]:
    """Log of the minute's factor for each ψ of `PSIS`.

    Args:
        canary: the canary's calls, `canary_bad` of them bad.
        canary_bad: see canary.
        stable: the stable side's calls, `stable_bad` of them bad.
        stable_bad: see stable.
        clusters: the most calls that one cause makes bad on one side. 1 is right when each call is drawn by itself.
            Above 1 the exponent is divided by it and the mean is replaced by its bound over all ways to cluster,
            exp(bad/clusters · (ψ-1) · canary/total): 1 + x·a ≤ exp(x·a), and ψ^x ≤ 1 + x(ψ-1) for 0 ≤ x ≤ 1.
    """
    total = canary + stable
    bad = canary_bad + stable_bad
    if clusters > 1:
        share = canary / total
        return tuple(
            (canary_bad * log_psi - bad * (psi - 1.0) * share) / clusters
            for psi, log_psi in zip(PSIS, LOG_PSIS, strict=True)
        )
    return tuple(
        canary_bad * log_psi - log_mean_power(psi, canary=canary, total=total, bad=bad)
        for psi, log_psi in zip(PSIS, LOG_PSIS, strict=True)
    )


def grown(capital: tuple[float, ...], minutes: int, factors: tuple[float, ...]) -> tuple[float, ...]:
    """Log capital of each ψ after the next informative minute; `minutes` came before it."""
    if not capital:
        entering = log(AT_ONCE)
        return tuple(entering + factor for factor in factors)
    entering = _entering(minutes + 1)
    return tuple(_log_plus(old, entering) + factor for old, factor in zip(capital, factors, strict=True))


def log_wealth(capital: tuple[float, ...], minutes: int) -> float:
    """Log of the e-value of one series after `minutes` informative minutes: the mean over ψ, and what is held back."""
    if not capital:
        return 0.0
    top = max(capital)
    mean = sum(exp(value - top) for value in capital) / len(capital)
    return _log_plus(top + log(mean), log((1.0 - AT_ONCE) / minutes))


def log_mean(logs: list[float]) -> float:
    """Log of the mean of e-values given by their logs (not empty)."""
    return log_sum(logs) - log(len(logs))


def _entering(minute: int) -> float:
    """Log of the share that enters at the given minute (2 or later). All shares sum to 1 - AT_ONCE."""
    return log((1.0 - AT_ONCE) / (minute * (minute - 1)))


def _log_plus(one: float, other: float) -> float:
    high, low = (one, other) if one > other else (other, one)
    return high + log(1.0 + exp(low - high))
