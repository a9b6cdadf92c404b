"""Writing log events as a service of AWS does: into a stream of a group, past subscription and metric filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.localaws.ministack_api import Ministack


def write_events(ministack: Ministack, group_name: str, stream_name: str, lines: Sequence[tuple[int, str]]) -> bool:
    """Append ``(milliseconds since the epoch, text)``; False when there is no such group.

    The account and region are those of the request under way.
    """
    logs = ministack.logs
    group = logs._log_groups.get(group_name)
    if group is None:
        return False
    stream = group["streams"].setdefault(
        stream_name,
        {
            "creationTime": lines[0][0],
            "events": [],
            "firstEventTimestamp": None,
            "lastEventTimestamp": None,
            "lastIngestionTime": None,
            "uploadSequenceToken": "1",
        },
    )
    logs._append_log_events(stream, [{"ingestionTime": at, "message": text, "timestamp": at} for at, text in lines])
    logs._fanout_to_subscription_filters(
        group_name, stream_name, [{"message": text, "timestamp": at} for at, text in lines]
    )
    return True
