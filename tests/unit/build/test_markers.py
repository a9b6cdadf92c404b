"""Markers mean for the target what packaging says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from penstock.build.markers import all_of, applies, marker_of
from penstock.model.artifact import Target

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

ARM = Target(language="python", version="3.12", architecture="arm64")
INTEL = Target(language="python", version="3.9", architecture="x86_64")
MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}


def said(marker: str, target: Target) -> bool:
    full = f"{target.version}.0"
    environment: dict[str, str | AbstractSet[str]] = {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": MACHINE[target.architecture],
        "platform_release": "6",
        "platform_system": "Linux",
        "platform_version": "1",
        "platform_python_implementation": "CPython",
        "python_full_version": full,
        "python_version": target.version,
        "sys_platform": "linux",
    }
    return Marker(marker).evaluate(environment)


VERSIONS = st.tuples(
    st.sampled_from(["python_version", "python_full_version"]),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "~="]),
    st.sampled_from(["3.8", "3.9", "3.10", "3.12", "3.12.0", "3.13", "3.9.5"]),
)
WORDS = st.tuples(
    st.sampled_from(["sys_platform", "platform_machine", "os_name", "platform_system", "implementation_name"]),
    st.sampled_from(["==", "!=", "in", "not in"]),
    st.sampled_from(["linux", "win32", "aarch64", "x86_64", "posix", "Linux", "cpython", "darwin linux"]),
)
LEAVES = st.one_of(VERSIONS, WORDS).map(lambda one: f'{one[0]} {one[1]} "{one[2]}"')
MARKERS = st.recursive(
    LEAVES,
    lambda inner: st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
)


@given(MARKERS, st.sampled_from([ARM, INTEL]))
def test_they_mean_what_packaging_says(marker: str, target: Target) -> None:
    assert applies(marker, target) == said(marker, target)


@pytest.mark.parametrize(
    "marker",
    [
        "python_version == '3.12.*'",
        "python_version != '3.9.*'",
        "'3.12' <= python_version",
        "'linux' in sys_platform",
        "python_version in '3.11, 3.12'",
        "python_version>'3.8'and os_name=='nt'or sys_platform=='linux'",
        "python_version < '3' and (sys_platform == 'linux' or os_name == 'nt')",
    ],
)
@pytest.mark.parametrize("target", [ARM, INTEL], ids=str)
def test_rarer_forms_are_understood(marker: str, target: Target) -> None:
    assert applies(marker, target) == said(marker, target)


@pytest.mark.parametrize("marker", ["", "platform_release >= '9'", "extra == 'fast'", "python_version", "((("])
def test_what_cannot_be_told_is_taken_as_so(marker: str) -> None:
    assert applies(marker, ARM)


@pytest.mark.parametrize(
    "marker",
    [
        "os_name == 'nt' # a note",
        "os_name = 'nt'",
        "os_name == 'nt",
        "os_name == 'nt' os_name",
        "os_name && 'nt' == 'x'",
    ],
)
def test_what_is_no_marker_leaves_nothing_out(marker: str) -> None:
    assert applies(marker, ARM)


def test_several_markers_make_one() -> None:
    assert all_of([]) == ""
    assert all_of(["a == '1'"]) == "a == '1'"
    assert not applies(all_of(["os_name == 'posix' or os_name == 'nt'", "os_name == 'nt'"]), ARM)


@pytest.mark.parametrize(
    ("requirement", "marker"),
    [
        ("a", ""),
        ("a[b]>=1 ; os_name == 'nt'", "os_name == 'nt'"),
        ("a==1; os_name == 'nt' --hash=sha256:aa", "os_name == 'nt'"),
        ("a @ https://x.org/a;b.whl", ""),
        ("./lib ; python_version < '3'", "python_version < '3'"),
    ],
)
def test_a_requirements_marker_is_found(requirement: str, marker: str) -> None:
    assert marker_of(requirement) == marker
