"""Who acts: STS."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from penstock.adapters.aws.faults import calling
from penstock.adapters.aws.light import Unclear

if TYPE_CHECKING:
    from penstock.adapters.aws.session import AwsSession


class AwsIdentity:
    """The STS caller; asked once."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session
        self._found: tuple[str, str] | None = None

    def caller(self) -> str:
        """The STS caller's ARN. Raises AccessDenied when there are no valid credentials."""
        return self._ask()[0]

    def account(self) -> str:
        """The STS caller's account."""
        return self._ask()[1]

    def _ask(self) -> tuple[str, str]:
        if self._found is None:
            self._found = self._look()
        return self._found

    def _look(self) -> tuple[str, str]:
        light = self._session.light
        if light is not None:
            with suppress(Unclear):
                return light.caller()
        with calling("sts:GetCallerIdentity"):
            answer = self._session.client("sts").get_caller_identity()
        return answer["Arn"], answer["Account"]
