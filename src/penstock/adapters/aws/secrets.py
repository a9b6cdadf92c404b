"""Secrets Manager. Values go in; only what a webhook is asked with is read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.adapters.aws.faults import calling
from penstock.model.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.adapters.aws.session import AwsSession

CURRENT = "AWSCURRENT"


class AwsSecrets:
    """Secrets of one account and region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def has_value(self, name: str) -> bool:
        """Whether the secret exists and has a current value."""
        try:
            with calling("secretsmanager:DescribeSecret", name):
                answer: Mapping[str, Any] = self._session.client("secretsmanager").describe_secret(SecretId=name)
        except NotFound:
            return False
        stages = answer.get("VersionIdsToStages") or {}
        return "DeletedDate" not in answer and any(CURRENT in labels for labels in stages.values())

    def put(self, name: str, value: str) -> None:
        """Set the current value, creating the secret's container when it is missing."""
        client = self._session.client("secretsmanager")
        try:
            with calling("secretsmanager:PutSecretValue", name):
                client.put_secret_value(SecretId=name, SecretString=value)
        except NotFound:
            with calling("secretsmanager:CreateSecret", name):
                client.create_secret(Name=name, SecretString=value)

    def value(self, name: str) -> str | None:
        """The current value as text, or None where there is none."""
        try:
            with calling("secretsmanager:GetSecretValue", name):
                found = self._session.client("secretsmanager").get_secret_value(SecretId=name)
        except NotFound:
            return None
        return found.get("SecretString")
