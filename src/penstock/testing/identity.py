"""A caller."""

from __future__ import annotations

from penstock.model.errors import AccessDenied


class FakeIdentity:
    """Who acts; `valid = False` takes the credentials away."""

    def __init__(self, *, account: str = "111111111111", name: str = "user/alice") -> None:
        self._account = account
        self._name = name
        self.valid = True

    def caller(self) -> str:
        """The ARN. Raises AccessDenied without credentials."""
        return f"arn:aws:iam::{self.account()}:{self._name}"

    def account(self) -> str:
        """The account. Raises AccessDenied without credentials."""
        if not self.valid:
            raise AccessDenied("there are no AWS credentials", where="sts:GetCallerIdentity")
        return self._account
