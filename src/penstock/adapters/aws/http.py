"""One HTTP exchange with the standard library, for what needs no botocore."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from penstock.model.errors import RemoteFault
from penstock.ports import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping


def exchange(
    method: str, url: str, *, headers: Mapping[str, str], body: bytes, timeout: float, proxies: bool
) -> HttpAnswer:
    """Send and wait; any status is an answer.

    Args:
        method: of HTTP.
        url: http or https.
        headers: sent as they are.
        body: empty for none.
        timeout: seconds.
        proxies: whether this machine's proxy settings count; never for an emulator.

    Raises:
        RemoteFault: when there is no answer at all.
    """
    from urllib.error import HTTPError  # noqa: PLC0415 - lazy: start-up time
    from urllib.request import ProxyHandler, Request, build_opener  # noqa: PLC0415 - lazy: start-up time

    opener = build_opener() if proxies else build_opener(ProxyHandler({}))
    request = Request(url, data=body or None, headers=dict(headers), method=method)  # noqa: S310 - url is ours
    began = time.monotonic()
    try:
        with opener.open(request, timeout=timeout) as answer:
            status, found, content = answer.status, dict(answer.headers.items()), answer.read()
    except HTTPError as error:
        with error:
            status, found, content = error.code, dict(error.headers.items()), error.read()
    except OSError as error:
        raise RemoteFault(
            f"no answer: {getattr(error, 'reason', error)}",
            where=f"{method} {url}",
            hint="look at the network; for an environment on this machine: penstock local status",
        ) from error
    return HttpAnswer(
        status=status,
        body=content.decode("utf-8", "replace"),
        headers={name.lower(): value for name, value in found.items()},
        seconds=time.monotonic() - began,
    )
