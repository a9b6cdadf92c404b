"""The two bets of the judge against brute force: fair under their hypothesis, growing under the other."""

from __future__ import annotations

from itertools import product
from math import comb, exp, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.rollout import eprocess, noninferiority
from penstock.rollout.hypergeometric import log_mean_power, log_probability, mean_and_variance
from penstock.rollout.noninferiority import Base

SIDES = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
    lambda sides: st.tuples(st.just(sides[0]), st.just(sides[1]), st.integers(0, sum(sides)))
)


def by_enumeration(psi: float, canary: int, total: int, bad: int) -> float:
    ways = sum(
        comb(bad, hits) * comb(total - bad, canary - hits) * psi**hits
        for hits in range(max(0, canary + bad - total), min(canary, bad) + 1)
    )
    return log(ways / comb(total, canary))


@given(SIDES, st.sampled_from(eprocess.PSIS))
def test_the_mean_of_psi_to_the_k_is_that_of_all_ways_to_draw(sides: tuple[int, int, int], psi: float) -> None:
    canary, stable, bad = sides
    found = log_mean_power(psi, canary=canary, total=canary + stable, bad=bad)
    assert found == pytest.approx(by_enumeration(psi, canary, canary + stable, bad), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("psi", eprocess.PSIS)
@pytest.mark.parametrize(("canary", "total", "bad"), [(1_000, 10_000, 300), (1_500, 3_000, 1_400), (9_990, 10_000, 40)])
def test_large_strata_agree_with_exact_integers(psi: float, canary: int, total: int, bad: int) -> None:
    numerator, denominator = psi.as_integer_ratio()
    lowest, highest = max(0, canary + bad - total), min(canary, bad)
    term = comb(bad, lowest) * comb(total - bad, canary - lowest)
    ways = 0
    for hits in range(lowest, highest + 1):
        ways += term * numerator**hits * denominator ** (highest - hits)
        term = term * (bad - hits) * (canary - hits) // ((hits + 1) * (total - bad - canary + hits + 1))
    exact = _log(ways) - highest * log(denominator) - _log(comb(total, canary))
    assert log_mean_power(psi, canary=canary, total=total, bad=bad) == pytest.approx(exact, rel=1e-9, abs=1e-8)


def test_a_stratum_of_a_million_calls_stays_finite() -> None:
    found = log_mean_power(30.0, canary=500_000, total=1_000_000, bad=400_000)
    assert 0 < found < 400_000 * log(30)


@given(SIDES, st.sampled_from([1, 3]))
def test_a_minute_of_equal_sides_wins_nothing_on_average(sides: tuple[int, int, int], clusters: int) -> None:
    canary, stable, bad = sides
    means = [0.0] * len(eprocess.PSIS)
    for hits in range(bad + 1):
        probability = exp(log_probability(hits, canary=canary, total=canary + stable, bad=bad))
        if probability == 0.0:
            continue
        factors = eprocess.log_factors(
            canary=canary, canary_bad=hits, stable=stable, stable_bad=bad - hits, clusters=clusters
        )
        means = [mean + probability * exp(factor) for mean, factor in zip(means, factors, strict=True)]
    if clusters == 1:
        assert means == pytest.approx([1.0] * len(means))
    else:
        assert max(means) <= 1.0 + 1e-9


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(0, 4)), min_size=1, max_size=4))
def test_the_whole_walk_wins_nothing_on_average_either(minutes: list[tuple[int, int, int]]) -> None:
    told = [(canary, stable, bad) for canary, stable, bad in minutes if 0 < bad < canary + stable]
    mean = 0.0
    for walk in product(*(range(bad + 1) for _, _, bad in told)):
        probability = 1.0
        capital: tuple[float, ...] = ()
        for minute, ((canary, stable, bad), hits) in enumerate(zip(told, walk, strict=True)):
            lot = log_probability(hits, canary=canary, total=canary + stable, bad=bad)
            probability *= exp(lot)
            if lot == -inf:
                break
            factors = eprocess.log_factors(canary=canary, canary_bad=hits, stable=stable, stable_bad=bad - hits)
            capital = eprocess.grown(capital, minute, factors)
        else:
            mean += probability * exp(eprocess.log_wealth(capital, len(told)))
    assert mean == pytest.approx(1.0)


@given(SIDES)
def test_mean_and_variance_are_those_of_the_lottery(sides: tuple[int, int, int]) -> None:
    canary, stable, bad = sides
    lot = [
        (hits, exp(log_probability(hits, canary=canary, total=canary + stable, bad=bad)))
        for hits in range(bad + 1)
        if log_probability(hits, canary=canary, total=canary + stable, bad=bad) > -inf
    ]
    mean = sum(hits * probability for hits, probability in lot)
    variance = sum((hits - mean) ** 2 * probability for hits, probability in lot)
    found = mean_and_variance(canary=canary, total=canary + stable, bad=bad)
    assert found == pytest.approx((mean, variance), abs=1e-9)


@given(
    canary=st.integers(1, 6),
    stable=st.integers(0, 6),
    known=st.tuples(st.integers(0, 500), st.integers(0, 50)),
    share=st.floats(0.0, 0.9),
    worse=st.floats(0.0, 0.2),
)
def test_a_minute_beyond_the_margin_wins_nothing_on_average(
    *, canary: int, stable: int, known: tuple[int, int], share: float, worse: float
) -> None:
    margin = 0.05
    above = min(1.0, share + margin + worse)
    if above - share < margin:
        return
    base = Base(calls=float(sum(known)), bad=float(known[1]))
    means = [0.0, 0.0]
    for bad, beside in product(range(canary + 1), range(stable + 1)):
        probability = _binomial(bad, canary, above) * _binomial(beside, stable, share)
        factors = noninferiority.log_factors(
            base, margin=margin, canary=canary, canary_bad=bad, stable=stable, stable_bad=beside
        )
        means = [mean + probability * exp(factor) for mean, factor in zip(means, factors, strict=True)]
    assert max(means) <= 1.0 + 1e-9


def test_459_clean_calls_suffice_at_one_percent_and_458_do_not() -> None:
    assert noninferiority.clean_calls(0.01, 0.01) == 459
    for calls, enough in ((458, False), (459, True)):
        bold, careful = noninferiority.log_factors(
            Base(), margin=0.01, canary=calls, canary_bad=0, stable=4_131, stable_bad=0
        )
        assert (noninferiority.log_wealth(bold, careful) >= log(100)) is enough


def test_one_bad_call_ruins_the_bold_bet_but_not_the_careful_one() -> None:
    bold, careful = noninferiority.log_factors(
        Base(calls=5_000.0), margin=0.01, canary=100, canary_bad=1, stable=900, stable_bad=0
    )
    assert bold == -inf
    assert -1.5 < careful < 0.0
    assert noninferiority.log_wealth(bold, careful) > -7.0


@given(st.floats(1e-4, 0.3), st.integers(1, 5_000), st.integers(1, 100_000))
def test_the_balanced_point_balances(hoped: float, canary: int, stable: int) -> None:
    low = noninferiority._balanced(hoped, 0.01, canary, stable)
    above = low + 0.01
    left = canary * (above - hoped) / (above * (1 - above))
    right = stable * (hoped - low) / (low * (1 - low))
    assert 0 < low < hoped
    # The difference hoped - low may be all rounding when the stable side has far more calls.
    assert left == pytest.approx(right, rel=1e-5)


@given(st.floats(0.0, 0.2), st.floats(0.1, 20.0))
def test_equal_sides_grow_towards_a_pass_on_average(share: float, beside: float) -> None:
    assert noninferiority.growth(share, margin=0.01, beside=beside) > 0.0


def test_what_the_stable_side_did_long_ago_counts_less() -> None:
    base = Base().then(600, 60)
    for _ in range(60):
        base = base.then(600, 0)
    assert base.bad < 0.1
    assert base.calls < 6_000
    assert Base(1.0, 1.0).then(0, 0) == Base(1.0, 1.0)


def _binomial(hits: int, calls: int, share: float) -> float:
    return comb(calls, hits) * share**hits * (1 - share) ** (calls - hits)


def _log(number: int) -> float:
    """Of an integer that may be too large for a float."""
    shift = max(0, number.bit_length() - 1_000)
    return log(number >> shift) + shift * log(2)
