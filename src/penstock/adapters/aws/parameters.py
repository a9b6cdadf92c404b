"""Parameter Store."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from penstock.adapters.aws.faults import calling
from penstock.adapters.aws.light import Unclear
from penstock.model.errors import NotFound

if TYPE_CHECKING:
    from penstock.adapters.aws.session import AwsSession


class AwsParameters:
    """SSM parameters of type String."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def get(self, name: str) -> str | None:
        """The value, or None."""
        light = self._session.light
        if light is not None:
            with suppress(Unclear):
                return light.parameter(name)
        try:
            with calling("ssm:GetParameter", name):
                return self._session.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        except NotFound:
            return None

    def put(self, name: str, value: str) -> None:
        """Write, whatever is there."""
        with calling("ssm:PutParameter", name):
            self._session.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    def delete(self, name: str) -> None:
        """Delete; done when it is not there."""
        try:
            with calling("ssm:DeleteParameter", name):
                self._session.client("ssm").delete_parameter(Name=name)
        except NotFound:
            return
