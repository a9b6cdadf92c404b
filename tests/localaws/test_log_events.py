"""A stream packed is the stream that it would be unpacked, in a fraction of the room."""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localaws.harness import Account, Server

from penstock.localaws.log_events import BLOCK, Events

if TYPE_CHECKING:
    from collections.abc import Callable


def event(at: int, message: str = "x") -> dict[str, Any]:
    return {"ingestionTime": at, "message": message, "timestamp": at}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 1500)), max_size=6))
def test_events_that_come_in_any_order_are_read_in_the_order_of_their_times(batches: list[tuple[int, int]]) -> None:
    packed, plain = Events(), list[dict[str, Any]]()
    for begin, count in batches:
        new = [event(begin + number, f"{begin} {number}") for number in range(count)]
        packed = packed.with_more(new)
        plain = sorted([*plain, *new], key=lambda one: one["timestamp"])
    times = [one["timestamp"] for one in plain]
    assert len(packed) == len(plain)
    assert [one["timestamp"] for one in packed] == times
    assert sorted(one["message"] for one in packed) == sorted(one["message"] for one in plain)
    assert bisect_left(packed, 700, key=lambda one: one["timestamp"]) == bisect_left(times, 700)
    for at in (0, len(plain) // 2, len(plain) - 1, -1):
        if plain:
            assert packed[at]["timestamp"] == plain[at]["timestamp"]
    assert [one["timestamp"] for one in packed[-1200:-200]] == times[-1200:-200]
    again = Events.from_json(json.loads(json.dumps(packed.to_json())))
    assert list(again) == list(packed)


def test_a_long_stream_is_read_by_page_by_time_and_by_query_also_after_a_restart(own_server: Server) -> None:
    account = Account(own_server, "111111111111")
    logs = account.client("logs")
    logs.create_log_group(logGroupName="long")
    logs.create_log_stream(logGroupName="long", logStreamName="s")
    now = int(time.time()) * 1000
    for begin in range(0, 5000, 1000):
        events = [{"message": f"line {number}", "timestamp": now + number} for number in range(begin, begin + 1000)]
        logs.put_log_events(logGroupName="long", logStreamName="s", logEvents=events)
    late = [{"message": "late", "timestamp": now + 10}]
    logs.put_log_events(logGroupName="long", logStreamName="s", logEvents=late)
    time.sleep(1.5)  # the state is on disk
    for restart in (False, True):
        if restart:
            own_server.restart()
        page = logs.get_log_events(logGroupName="long", logStreamName="s", startFromHead=True, limit=2000)
        assert [one["message"] for one in page["events"][9:13]] == ["line 9", "line 10", "late", "line 11"]
        more = logs.get_log_events(
            logGroupName="long", logStreamName="s", startFromHead=True, nextToken=page["nextForwardToken"]
        )
        assert [one["message"] for one in more["events"][:1]] == ["line 1999"]
        assert len(page["events"]) + len(more["events"]) == 5001
        found = logs.filter_log_events(logGroupName="long", filterPattern="4321", startTime=now + 4000)["events"]
        assert [one["message"] for one in found] == ["line 4321"]
        query = logs.start_query(
            logGroupName="long",
            startTime=now // 1000 - 60,
            endTime=now // 1000 + 60,
            queryString="fields @message | filter @message like /line 33.3/ | sort @timestamp asc",
        )["queryId"]
        rows = logs.get_query_results(queryId=query)["results"]
        assert [row[0]["value"] for row in rows][:3] == ["line 3303", "line 3313", "line 3323"]


@pytest.mark.parametrize(
    "change",
    [
        lambda events: events.with_more([event(2 * BLOCK)]),
        lambda events: events.with_more([event(5)]),
        lambda events: events.with_more([event(2 * BLOCK - 5)]),
        lambda events: events.without(BLOCK + 5),
        lambda events: events.without(9 * BLOCK),
    ],
    ids=["the tail becomes a block", "very late", "late", "blocks expire", "all expires"],
)
def test_who_reads_goes_on_in_what_was_there_when_it_began(change: Callable[[Events], Events]) -> None:
    held = Events(event(at) for at in range(2 * BLOCK)).with_more(
        event(at) for at in range(2 * BLOCK - 1, 3 * BLOCK - 1)
    )
    before = list(held)
    page = iter(held)
    began = [next(page) for _ in range(BLOCK)]
    after = change(held)
    assert len(after) != len(before)
    assert held[:] == before
    assert [*began, *page] == before


def test_who_reads_while_another_writes_sees_every_event_once_and_in_order() -> None:
    stream = {"events": Events()}
    count = 12 * BLOCK

    def write() -> None:
        for begin in range(0, count, 50):
            times = [begin + (at * 7) % 50 for at in range(50)]
            stream["events"] = stream["events"].with_more([event(times[0])]).with_more(event(at) for at in times[1:])

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while writer.is_alive():
        events = stream["events"]
        size = len(events)
        assert size >= seen
        middle = bisect_left(events, size // 2, hi=size, key=lambda one: int(one["timestamp"]))
        assert middle <= size
        assert sorted(one["timestamp"] for one in events[-BLOCK:]) == [one["timestamp"] for one in events[-BLOCK:]]
        seen = size
    writer.join()
    assert [one["timestamp"] for one in stream["events"]] == list(range(count))


def test_what_is_older_than_the_retention_goes() -> None:
    events = Events(event(at) for at in range(5 * BLOCK))
    events = events.without(2 * BLOCK)
    assert events[0]["timestamp"] == 2 * BLOCK
    assert len(events) == 3 * BLOCK
    events = events.without(5 * BLOCK - 10)
    assert [one["timestamp"] for one in events] == list(range(5 * BLOCK - 10, 5 * BLOCK))


def test_the_lines_of_a_function_take_less_than_a_tenth_of_their_room() -> None:
    count = 20 * BLOCK
    lines = [f"START RequestId: {uuid.UUID(int=at * 0x9E3779B97F4A7C15 << 32)} Version: 7\n" for at in range(count)]
    events = Events(event(1_700_000_000_000 + at, line) for at, line in enumerate(lines))
    packed = len(json.dumps(events.to_json()["__penstock_events__"]))
    assert packed < sum(sys.getsizeof(event(at, line)) + sys.getsizeof(line) for at, line in enumerate(lines)) / 10
