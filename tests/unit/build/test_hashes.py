"""Hashes in requirements files: all lines, or none."""

from __future__ import annotations

import pytest

from penstock.build.hashes import check_hashes
from penstock.build.requirements import parse
from penstock.model.errors import BuildFailed

HASH = f"--hash=sha256:{'a' * 64}"


def check(text: str, **more: str) -> None:
    path = "s/requirements.txt"
    check_hashes(path, parse(path, {path: text, **{f"s/{name}.txt": inner for name, inner in more.items()}}, root="/w"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one==1\ntwo==2\n",
        f"one==1 {HASH}\ntwo==2 \\\n  {HASH}\n",
        f"one==1 {HASH}\n-e ../lib\n./wheels/three-1-py3-none-any.whl\n",
        f"one==1 {HASH}\ntwo @ git+https://example.org/two.git@{'0' * 40}\n",
        f"one==1 {HASH}\ntwo @ https://example.org/two.whl#sha256={'a' * 64}\n",
        f"one==1 {HASH}\ntwo==2 ; sys_platform == 'win32'\n",
        f"one==1 {HASH} ; python_version < '3'\none==2 {HASH} ; python_version > '3'\n",
    ],
)
def test_all_lines_have_hashes_or_none_or_need_none(text: str) -> None:
    check(text)


def test_a_hash_in_a_constraint_is_one() -> None:
    check(f"-c pins.txt\none==1 {HASH}\ntwo\n", pins=f"two==2 {HASH}\nthree==3\n")


def test_lines_without_a_hash_among_others_are_named() -> None:
    with pytest.raises(BuildFailed, match=r"two \(s/requirements\.txt:2\), three \(s/base\.txt:1\)\n") as caught:
        check(f"one==1 {HASH}\ntwo==2\n-r base.txt\n", base="three==3\n")
    assert caught.value.where == "s/requirements.txt:2"
    assert "uv pip compile --generate-hashes s/requirements.in -o s/requirements.txt" in caught.value.hint
    many = "".join(f"p{number}==1\n" for number in range(9))
    with pytest.raises(BuildFailed, match=r"p4 \(s/requirements\.txt:6\) and 4 more\n"):
        check(f"one==1 {HASH}\n{many}")
