"""Signatures with a token that only Secrets Manager and this process know; it is never logged or stored."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.parameters import SecretsProvider

_FRESH = 300
"""Seconds for which a token that was read is used: a rotated one is taken up within five minutes."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what the shop says; asks for the token each time, because it may be rotated."""

    read_token: Callable[[], str] = field(repr=False)

    def sign(self, members: Mapping[str, str]) -> str:
        """Return the HMAC-SHA256 over the members' canonical JSON, as hexadecimal text."""
        text = json.dumps(members, sort_keys=True, separators=(",", ":"))
        return hmac.new(self.read_token().encode(), text.encode(), hashlib.sha256).hexdigest()


def secret_token() -> str:
    """Return the token from Secrets Manager, at most five minutes old.

    Raises:
        GetParameterError: there is no such secret, it has no value yet, or we may not read it.

    """
    return str(_provider().get(os.environ["SECRET_NOTIFICATION_TOKEN"], max_age=_FRESH))


@functools.cache
def _provider() -> SecretsProvider:
    # Needs boto3, which Lambda supplies and tests do without.
    from aws_lambda_powertools.utilities.parameters import SecretsProvider  # noqa: PLC0415

    return SecretsProvider()
