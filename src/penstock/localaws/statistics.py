"""CloudWatch's statistics beyond averages and percentiles: trimmed counts, means and sums, percentile ranks.

``TC(300:)`` is how many values lie above 300, ``PR(:300)`` the percentage up to 300, ``TM(10%:90%)`` the mean without
the lowest and highest tenth; ``tc90`` is short for ``TC(:90%)``. The lower bound is exclusive, the upper inclusive.

Reference: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

    Weighted = Sequence[tuple[float, float]]

_RANGE = re.compile(
    r"(?P<kind>TC|TM|TS|PR)\((?P<low>\d+(?:\.\d+)?)?(?P<low_share>%)?:(?P<high>\d+(?:\.\d+)?)?(?P<high_share>%)?\)",
    re.IGNORECASE,
)
_SHORT = re.compile(r"(?P<kind>tc|tm|ts)(?P<high>\d+(?:\.\d+)?)", re.IGNORECASE)


def install(ministack: Ministack, _settings: Settings) -> None:
    """Compute them wherever ministack computes a percentile."""
    cloudwatch = ministack.cloudwatch

    def around_value(original: Callable[..., Any]) -> Callable[..., Any]:
        def stat_value(stats: Mapping[str, float], stat_name: str, points: Any = None) -> Any:
            if not known(stat_name):
                return original(stats, stat_name, points)
            samples = cloudwatch._percentile_samples(points or [])
            return compute(stat_name, samples) if samples else None

        return stat_value

    def around_known(original: Callable[[str], bool]) -> Callable[[str], bool]:
        return lambda stat_name: bool(original(stat_name)) or known(stat_name)

    ministack.wrap(cloudwatch, "_stat_value", "(stats, stat_name, points=)", around_value)
    ministack.wrap(cloudwatch, "_is_percentile_stat", "(stat_name)", around_known)


def known(name: str) -> bool:
    """Whether the statistic is one of this file's."""
    return bool(_RANGE.fullmatch(name or "") or _SHORT.fullmatch(name or ""))


def compute(name: str, samples: Weighted) -> float | None:
    """The statistic of values with their counts; None where CloudWatch has none (a mean of no values).

    Raises:
        ValueError: the name is not one of this file's.
    """
    found = _RANGE.fullmatch(name)
    if found is None:
        short = _SHORT.fullmatch(name)
        if short is None:
            raise ValueError(f"{name!r} is no trimmed statistic")
        return compute(f"{short['kind']}(:{short['high']}%)", samples)
    shares = bool(found["low_share"] or found["high_share"])
    low = float(found["low"]) if found["low"] else None
    high = float(found["high"]) if found["high"] else None
    kept = (
        _between_shares(samples, low or 0.0, 100.0 if high is None else high)
        if shares
        else [
            (value, count)
            for value, count in samples
            if (-math.inf if low is None else low) < value <= (math.inf if high is None else high)
        ]
    )
    count = math.fsum(times for _, times in kept)
    total = math.fsum(value * times for value, times in kept)
    kind = found["kind"].upper()
    if kind == "TC":
        return count
    if kind == "TS":
        return total
    if kind == "PR":
        return 100.0 * count / math.fsum(times for _, times in samples)
    return total / count if count else None


def _between_shares(samples: Weighted, low: float, high: float) -> list[tuple[float, float]]:
    """What lies between two percentages of the sorted values; one that a bound cuts counts in part."""
    total = math.fsum(times for _, times in samples)
    begin, end, at = total * low / 100.0, total * high / 100.0, 0.0
    kept: list[tuple[float, float]] = []
    for value, times in sorted(samples):
        inside = min(at + times, end) - max(at, begin)
        if inside > 0:
            kept.append((value, inside))
        at += times
    return kept
