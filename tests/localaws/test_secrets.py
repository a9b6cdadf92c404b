"""Secrets without a value have none, as on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from localaws.harness import Account


def test_a_container_has_no_value_until_somebody_puts_one(account: Account) -> None:
    secrets = account.client("secretsmanager")
    secrets.create_secret(Name="empty/one")
    assert not secrets.describe_secret(SecretId="empty/one").get("VersionIdsToStages")
    with pytest.raises(ClientError) as caught:
        secrets.get_secret_value(SecretId="empty/one")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"

    secrets.put_secret_value(SecretId="empty/one", SecretString="value")
    assert secrets.get_secret_value(SecretId="empty/one")["SecretString"] == "value"


def test_a_secret_made_with_a_value_has_it(account: Account) -> None:
    secrets = account.client("secretsmanager")
    secrets.create_secret(Name="full/one", SecretString="value")
    assert secrets.get_secret_value(SecretId="full/one")["SecretString"] == "value"
