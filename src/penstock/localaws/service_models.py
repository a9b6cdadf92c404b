"""What botocore knows of a service, read through one session.

ministack asks for the model of each service with a session of its own, which lists all models on disk anew each time: a
tenth of a second a service, in the first request that it gets.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import DataNotFoundError, UnknownServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings


def install(ministack: Ministack, _settings: Settings) -> None:
    """Answer for ministack's own look-up."""
    session = botocore.session.get_session()

    def around(_original: Callable[..., Any]) -> Callable[..., Any]:
        @cache
        def service_model(service: str) -> Any:
            try:
                return session.get_service_model(ministack.responses._BOTOCORE_NAME.get(service, service))
            except (DataNotFoundError, UnknownServiceError):
                return None

        return service_model

    ministack.wrap(ministack.responses, "_service_model", "(service)", around)
