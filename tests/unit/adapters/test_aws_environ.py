"""The environment variables that mean one environment and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.adapters.aws_environ import has_credentials, overrides
from penstock.model.workspace import Environment

if TYPE_CHECKING:
    from pathlib import Path

DEV = Environment(name="dev", account="111111111111", region="eu-west-1", endpoint="local")
AWS = Environment(name="live", account="222222222222", region="us-east-1")
URL = "http://127.0.0.1:4747"


def test_the_embedded_aws_gets_its_account_as_the_key_whatever_lies_around() -> None:
    around = {
        "AWS_PROFILE": "company",
        "AWS_SESSION_TOKEN": "t",
        "AWS_ENDPOINT_URL_S3": "https://s3.amazonaws.com",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_USE_FIPS_ENDPOINT": "true",
    }
    given = overrides(DEV, URL, around)
    assert given["AWS_ACCESS_KEY_ID"] == "111111111111"
    assert given["AWS_SECRET_ACCESS_KEY"] == "penstock-local"
    assert given["AWS_ENDPOINT_URL"] == URL
    assert given["AWS_REGION"] == given["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert {name for name in around if given[name] is not None} == set()


def test_who_was_named_on_purpose_acts_in_the_embedded_aws_with_a_session_or_without() -> None:
    around = {
        "PENSTOCK_LOCAL_ACCESS_KEY_ID": "AKIA1",
        "PENSTOCK_LOCAL_SECRET_ACCESS_KEY": "s",
        "AWS_SESSION_TOKEN": "t",
    }
    given = overrides(DEV, URL, {**around, "AWS_SESSION_TOKEN": "somebody else's"})
    assert (given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]) == ("AKIA1", "s")
    assert given["AWS_SESSION_TOKEN"] is None
    assert overrides(DEV, URL, {**around, "PENSTOCK_LOCAL_SESSION_TOKEN": "own"})["AWS_SESSION_TOKEN"] == "own"


def test_who_acts_in_the_embedded_aws_is_nobody_on_aws() -> None:
    around = {"PENSTOCK_LOCAL_ACCESS_KEY_ID": "AKIA1", "PENSTOCK_LOCAL_SECRET_ACCESS_KEY": "s"}
    assert "AWS_ACCESS_KEY_ID" not in overrides(AWS, None, around)


def test_calls_to_this_machine_never_go_through_a_proxy() -> None:
    assert overrides(DEV, URL, {})["NO_PROXY"] == "127.0.0.1"
    assert overrides(DEV, URL, {"NO_PROXY": "a.example"})["NO_PROXY"] == "a.example,127.0.0.1"
    assert overrides(DEV, URL, {"NO_PROXY": "127.0.0.1,b"})["NO_PROXY"] == "127.0.0.1,b"


def test_on_aws_the_callers_own_credentials_are_left_and_only_endpoints_go() -> None:
    given = overrides(AWS, None, {"AWS_PROFILE": "company", "AWS_ENDPOINT_URL": URL, "AWS_ENDPOINT_URL_S3": URL})
    assert given == {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": None,
        "AWS_ENDPOINT_URL_S3": None,
    }


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_credentials_are_in_sight_in_variables(tmp_path: Path, variable: str) -> None:
    assert has_credentials({"HOME": str(tmp_path), variable: "x"})
    assert not has_credentials({"HOME": str(tmp_path), variable: ""})
    assert not has_credentials({})


def test_credentials_are_in_sight_in_files(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").touch()
    assert has_credentials({"HOME": str(tmp_path)})
    assert not has_credentials({"HOME": str(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "no")})
