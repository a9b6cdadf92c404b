"""Asking somebody else's server whether a rollout may go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.ports.gateway import HttpAnswer


@runtime_checkable
class Webhooks(Protocol):
    """HTTP to wherever the configuration says."""

    def post(self, url: str, *, headers: Mapping[str, str], body: bytes, timeout: float) -> HttpAnswer:
        """Send a POST and wait for the whole answer, at most `timeout` seconds. Any status is an answer.

        A redirection is an answer like any other: nothing is sent anywhere else. Raises RemoteFault when there is no
        answer in time, or one of more than 64 KiB; no fault holds the headers' values.
        """
