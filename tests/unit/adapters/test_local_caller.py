"""Who acts in the embedded AWS."""

from __future__ import annotations

import pytest

from penstock.adapters.local_caller import KEY, SECRET, TOKEN, LocalCaller, local_caller, named_caller
from penstock.model.errors import UsageError

ACCOUNT = "111111111111"


def test_nobody_named_is_the_accounts_administrator() -> None:
    assert named_caller({}) is None
    assert local_caller(ACCOUNT, {"AWS_ACCESS_KEY_ID": "AKIAREAL"}).access_key == ACCOUNT


def test_a_named_caller_comes_with_a_session_or_without() -> None:
    plain = LocalCaller(access_key="AKIA1", secret_key="made-up")
    assert local_caller(ACCOUNT, {KEY: "AKIA1", SECRET: "made-up"}) == plain
    assert local_caller(ACCOUNT, {KEY: "AKIA1", SECRET: "made-up", TOKEN: "t"}).token == "t"


@pytest.mark.parametrize(("given", "missing"), [(KEY, SECRET), (SECRET, KEY)])
def test_half_a_key_is_a_mistake_and_not_the_administrator(given: str, missing: str) -> None:
    with pytest.raises(UsageError) as caught:
        named_caller({given: "something"})
    assert caught.value.where == missing


def test_the_secret_is_not_shown() -> None:
    assert "made-up" not in repr(LocalCaller(access_key="AKIA1", secret_key="made-up", token="made-up-too"))
