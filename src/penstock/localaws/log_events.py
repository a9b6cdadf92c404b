"""Log events, packed: what a stream has beyond its last few thousand events is kept compressed, until it expires.

ministack keeps each event as a dict for ever, writes all of them into the state at each save, and copies the whole
stream when an event comes late, which the lines of simultaneous requests do. Here a thousand events are one block of
bytes, a fifteenth of the size, and a group's retention is heeded. Records of events that Logs Insights or PutLogEvents
made, and answers of queries, are kept in limited numbers.

Reference: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html
"""

from __future__ import annotations

import base64
import functools
import json
import zlib
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

    Event = dict[str, Any]

BLOCK = 1000
"""Events of a block; as many at least stay unpacked, so that late ones find their place."""
RECORDS = 10_000
"""As many rows as one query of Logs Insights can give."""
QUERIES = 100
_TAG = "__penstock_events__"
_HOUR = 3600.0
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Block:
    """Packed events: how many, the time of the last one, their JSON compressed."""

    count: int
    last: int
    packed: bytes


class Events(Sequence["Event"]):
    """The events of a stream in the order of their times.

    Nothing of it changes: `with_more` and `without` give the next one, so that who reads goes on, without a lock, in
    what lay there when it began. Positions stay the same from one to the next until something expires or comes late.
    """

    __slots__ = ("_blocks", "_ends", "_tail")

    def __init__(self, events: Iterable[Event] = (), blocks: Iterable[Block] = ()) -> None:
        """`events` come in any order, and none of them is older than those of `blocks`."""
        self._pack(tuple(blocks), sorted(events, key=_time))

    def __len__(self) -> int:
        return self._ends[-1] + len(self._tail)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if at < 0:
            raise IndexError(index)
        if at >= self._ends[-1]:
            return self._tail[at - self._ends[-1]]
        number = bisect_right(self._ends, at) - 1
        return _opened(self._blocks[number].packed)[at - self._ends[number]]

    def with_more(self, events: Iterable[Event]) -> Events:
        """These and more, which come in any order."""
        new = sorted(events, key=_time)
        if not new:
            return self
        if self._blocks and _time(new[0]) < self._blocks[-1].last:
            return Events([*self, *new])
        tail = self._tail.copy()
        for event in new:  # a line of an access log is always a little late: its time is the request's beginning
            insort(tail, event, key=_time)
        return Events._of(self._blocks, tail)

    def without(self, before: int) -> Events:
        """These without what is older than that time, in milliseconds; whole blocks only."""
        blocks = tuple(block for block in self._blocks if block.last >= before)
        return Events._of(blocks, [event for event in self._tail if blocks or _time(event) >= before])

    def to_json(self) -> dict[str, Any]:
        """For the saved state."""
        blocks = [[block.count, block.last, base64.b64encode(block.packed).decode()] for block in self._blocks]
        return {_TAG: blocks, "tail": self._tail}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Events:
        """As `to_json` said it."""
        blocks = [Block(count, last, base64.b64decode(packed)) for count, last, packed in found[_TAG]]
        return cls(found["tail"], blocks)

    @classmethod
    def _of(cls, blocks: tuple[Block, ...], tail: list[Event]) -> Events:
        """Of a tail that is in order, and nobody else's."""
        made = cls.__new__(cls)
        made._pack(blocks, tail)
        return made

    def _pack(self, blocks: tuple[Block, ...], tail: list[Event]) -> None:
        more = max(0, len(tail) // BLOCK - 1)
        self._blocks = (*blocks, *(_packed(tail[at * BLOCK : (at + 1) * BLOCK]) for at in range(more)))
        self._tail = tail[more * BLOCK :]
        self._ends = [0, *accumulate(block.count for block in self._blocks)]


def install(ministack: Ministack, settings: Settings) -> None:
    """Pack streams as they grow; save and restore them packed; let events, records and answers expire."""
    logs = ministack.logs
    expiry = _Expiry(ministack, settings)

    ministack.wrap(logs, "_append_log_events", "(stream, events)", lambda _: _appender(logs))
    ministack.wrap(logs, "load_persisted_state", "(data)", lambda original: _loader(logs, original))
    ministack.wrap(logs, "_fanout_to_subscription_filters", "(group_name, stream_name, events)", expiry.around_write)
    ministack.wrap(logs, "_put_log_events", "(data)", _limited(logs, "_log_records", RECORDS))
    ministack.wrap(
        logs,
        "_collect_query_records",
        "(group_names, start_time_s, end_time_s)",
        _limited(logs, "_log_records", RECORDS),
    )
    ministack.wrap(logs, "_start_query", "(data)", _limited(logs, "_queries", QUERIES))
    ministack.wrap(
        ministack.persistence,
        "_json_default",
        "(obj)",
        lambda original: lambda obj: obj.to_json() if isinstance(obj, Events) else original(obj),
    )
    ministack.wrap(
        ministack.persistence,
        "_json_object_hook",
        "(obj)",
        lambda original: lambda obj: Events.from_json(obj) if _TAG in obj else original(obj),
    )


def _appender(logs: Any) -> Callable[[dict[str, Any], list[Event]], None]:
    """In the place of ministack's, which knows lists only."""

    def append(stream: dict[str, Any], events: list[Event]) -> None:
        if not events:
            return
        times = [_time(event) for event in events]
        with logs._log_events_lock:
            known = stream["events"]
            stream["events"] = (known if isinstance(known, Events) else Events(known)).with_more(events)
            times += [at for at in (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) if at is not None]
            stream["firstEventTimestamp"], stream["lastEventTimestamp"] = min(times), max(times)
            stream["lastIngestionTime"] = events[-1]["ingestionTime"]

    return append


def _loader(logs: Any, original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Around ministack's, which makes a list of every stream."""

    def load_persisted_state(data: Any) -> None:
        original(data)
        for _, group in logs._log_groups.all_items():
            for stream in group.get("streams", {}).values():
                stream["events"] = Events(stream["events"])

    return load_persisted_state


class _Expiry:
    """Lets the events of a group expire, at most once an hour."""

    def __init__(self, ministack: Ministack, settings: Settings) -> None:
        self._ministack = ministack
        self._clock = settings.clock
        self._looked: dict[tuple[str, str, str], float] = {}

    def around_write(self, original: Callable[..., None]) -> Callable[..., None]:
        """Look at the group into which something is written."""

        def fanout(group_name: str, stream_name: str, events: list[Event]) -> None:
            self._look(group_name)
            original(group_name, stream_name, events)

        return fanout

    def _look(self, name: str) -> None:
        now = self._clock.now()
        key = (*self._ministack.responses_scope(), name)
        if now - self._looked.get(key, 0.0) < _HOUR:
            return
        self._looked[key] = now
        logs = self._ministack.logs
        group = logs._log_groups.get(name) or {}
        days = group.get("retentionInDays")
        if not days:
            return
        with logs._log_events_lock:
            for stream in list(group["streams"].values()):
                if isinstance(stream["events"], Events):
                    stream["events"] = stream["events"].without(int((now - days * _DAY) * 1000))


def _limited(logs: Any, name: str, most: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Around something that adds to a store: the oldest beyond so many go."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def limited(*arguments: Any) -> Any:
            answer = original(*arguments)
            store = getattr(logs, name)
            for key in list(store.keys())[:-most]:
                store.pop(key, None)
            return answer

        return limited

    return around


def _time(event: Event) -> int:
    return int(event["timestamp"])


def _packed(events: list[Event]) -> Block:
    text = json.dumps(events, separators=(",", ":"))
    return Block(len(events), _time(events[-1]), zlib.compress(text.encode()))


@functools.lru_cache(maxsize=8)
def _opened(packed: bytes) -> list[Event]:
    found: list[Event] = json.loads(zlib.decompress(packed))
    return found
