"""Short stable URLs for people: ``/@<api name>[:<stage>]/path`` is that API's stage, in whatever account it is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from penstock.localaws.ministack_api import Ministack

DEFAULT_STAGE = "live"


def rewrite(ministack: Ministack, path: str) -> str | None:
    """The execute-api path behind a short URL; None when no API has that name.

    ``/@shop-dev/users`` → ``/_aws/execute-api/<id>/live/users``.
    """
    head, _, rest = path[2:].partition("/")
    name, _, given = unquote(head).partition(":")
    stage = given or DEFAULT_STAGE
    gateway = ministack.apigateway
    named = [
        (stage in (gateway._stages_v1.get_scoped(account, region, api_id) or {}), api["createdDate"], api_id)
        for (account, region, api_id), api in gateway._rest_apis.all_items()
        if api.get("name") == name
    ]
    if not named:
        return None
    # Two APIs of one name: the one that has the stage, else the younger one.
    return f"/_aws/execute-api/{max(named)[2]}/{stage}/{rest}"
