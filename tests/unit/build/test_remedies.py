"""Faults that are not the code's say what helps."""

from __future__ import annotations

import pytest

from penstock.build.remedies import remedy


@pytest.mark.parametrize(
    ("words", "helps"),
    [
        ("Failed to write wheel\n  cause: No space left on device (os error 28)", "make room"),
        ("npm error code ENOSPC\nnpm error syscall write", "make room"),
        ("error sending request for url (https://pypi.org/simple/idna/)", "its index is not in reach"),
        ("npm error code EAI_AGAIN", "its index is not in reach"),
        ("no version of idna==99 in the index", ""),
        ("app.ts:3:4: SPENOSPCX is not defined", ""),
    ],
)
def test_what_no_code_can_help_is_told_with_what_can(words: str, helps: str) -> None:
    assert (helps in remedy(words)) if helps else remedy(words) == ""
