"""CloudWatch: statistics beyond averages."""

from __future__ import annotations

import pytest

from penstock.localaws.statistics import compute, known

SAMPLES = [(100.0, 6.0), (300.0, 2.0), (301.0, 1.0), (900.0, 1.0)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TC(300:)", 2.0),
        ("TC(:300)", 8.0),
        ("TC(100:301)", 3.0),
        ("TC(900:)", 0.0),
        ("TS(300:)", 1201.0),
        ("TM(:300)", 150.0),
        ("TM(1000:)", None),
        ("PR(:300)", 80.0),
        ("TC(:80%)", 8.0),
        ("TM(60%:90%)", 901 / 3),
        ("tc80", 8.0),
        ("tm80", 150.0),
        ("ts60", 600.0),
    ],
)
def test_trimmed_statistics_have_an_exclusive_lower_and_an_inclusive_upper_bound(
    name: str, value: float | None
) -> None:
    assert known(name)
    assert compute(name, SAMPLES) == (value if value is None else pytest.approx(value))


@pytest.mark.parametrize("name", ["", "Sum", "p95", "TC", "TC()x", "TC(300)", "TX(1:2)", "PR(a:b)"])
def test_other_names_are_none_of_them(name: str) -> None:
    assert not known(name)
