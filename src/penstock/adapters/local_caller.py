"""Who acts in the embedded AWS: the account's administrator, or somebody who was named on purpose.

Ordinary credentials of this machine have no say there, or a forgotten profile would act in a rehearsal. Approvals and
IAM are rehearsed with users and roles of the embedded AWS, whose keys are given in variables of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY, SECRET, TOKEN = "PENSTOCK_LOCAL_ACCESS_KEY_ID", "PENSTOCK_LOCAL_SECRET_ACCESS_KEY", "PENSTOCK_LOCAL_SESSION_TOKEN"
LOCAL_SECRET = "penstock-local"  # noqa: S105 - the embedded AWS's well-known administrator, on 127.0.0.1 only


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCaller:
    """Credentials of the embedded AWS."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def administrator(account: str) -> LocalCaller:
    """The root of an account of the embedded AWS."""
    return LocalCaller(access_key=account, secret_key=LOCAL_SECRET)


def named_caller(environ: Mapping[str, str]) -> LocalCaller | None:
    """Who is named in the environment; None when nobody is. Raises UsageError when only half of a key is."""
    key, secret = environ.get(KEY), environ.get(SECRET)
    if not key and not secret:
        return None
    if not key or not secret:
        given, missing = (KEY, SECRET) if key else (SECRET, KEY)
        raise UsageError(f"{given} is set, {missing} is not", where=missing, hint=f"set both, or unset {given}")
    return LocalCaller(access_key=key, secret_key=secret, token=environ.get(TOKEN) or None)


def local_caller(account: str, environ: Mapping[str, str]) -> LocalCaller:
    """Who acts in that account."""
    return named_caller(environ) or administrator(account)
