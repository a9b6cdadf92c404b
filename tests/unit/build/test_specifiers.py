"""Which versions a requirement allows: what the reference implementation says of it, whatever its form."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from penstock.build.specifiers import versions


@pytest.mark.parametrize(
    "requirement",
    [
        "uv_build>=0.9,<1",
        "uv_build >= 0.9 , < 1",
        "boto3",
        "boto3 (<2.0.0,>=1.34.32)",
        "boto3(>=1)",
        "a-b.c == 1.*",
        "x[y,z]>=1",
        "x ()",
        "x-1",
    ],
)
def test_it_is_what_packaging_reads(requirement: str) -> None:
    assert versions(requirement) == Requirement(requirement).specifier


def test_what_is_long_on_purpose_is_read_as_quickly() -> None:
    assert versions(f"boto3{' ' * 100_000}[x]") == versions("boto3")
    assert versions(f"boto3{'a ' * 100_000}?") is None


@pytest.mark.parametrize("requirement", ["", "x >=", "x 1.0", "x (>=1", "x>=1)", "x @ https://example.org/x.whl", "?"])
def test_of_urls_and_of_what_is_none_nothing_is_said(requirement: str) -> None:
    assert versions(requirement) is None
