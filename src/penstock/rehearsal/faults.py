"""What goes wrong on purpose: `errors=0.05`, `latency=1.3`, `driver-killed`, from the command line to the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DRIVER_KILLED = "driver-killed"
ALARM_RINGING = "alarm-ringing"
INCIDENT_BEFORE = 0.9
"""Share of the stable release's calls that fail where its alarms are to ring: they do at one half."""


_SHARE = "share of calls"


class Kind(NamedTuple):
    """One kind of fault: what its value means (None: it has none), its least and most, about it, what it strikes."""

    unit: str | None
    least: float
    most: float
    says: str
    strikes: str = "call"


KINDS: dict[str, Kind] = {
    "errors": Kind(_SHARE, 0.0, 1.0, "this share of the candidate's calls fails"),
    "incident": Kind(_SHARE, 0.0, 1.0, "this share of all calls fails, the stable release's as well"),
    "latency": Kind("factor", 1.0, 1000.0, "the candidate's calls take so many times as long"),
    "cold-start": Kind("seconds", 0.0, 300.0, "the first call of each environment of the candidate's takes longer"),
    "init-crash": Kind(None, 0.0, 0.0, "the candidate crashes while it starts"),
    "throttling": Kind(_SHARE, 0.0, 1.0, "this share of the candidate's calls finds no concurrency left"),
    "dependency-denied": Kind(None, 0.0, 0.0, "the candidate's functions may call nothing of AWS any more", "request"),
    ALARM_RINGING: Kind(None, 0.0, 0.0, "the stable release fails and its alarms ring when the candidate comes"),
    "aws-errors": Kind(
        _SHARE, 0.0, 1.0, "AWS's control planes throttle or fail this share of what is asked", "request"
    ),
    DRIVER_KILLED: Kind(None, 0.0, 0.0, "the process that drives the rollout is killed, and started again", "driver"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of `KINDS` and its value."""

    kind: str
    value: float = 0.0

    @property
    def is_at_start(self) -> bool:
        """Whether it is there before the candidate has traffic."""
        return self.is_before or self.kind == "init-crash"

    @property
    def is_before(self) -> bool:
        """Whether it is there before the candidate is."""
        return self.kind == ALARM_RINGING

    def describe(self) -> str:
        """As the command line takes it."""
        return self.kind if KINDS[self.kind].unit is None else f"{self.kind}={self.value:g}"


def parse(text: str) -> Fault:
    """From `KIND` or `KIND=VALUE`. Raises UsageError, which names what there is."""
    name, given, value = text.partition("=")
    kind = KINDS.get(name)
    if kind is None:
        raise UsageError(f"there is no fault {name!r}", where="--fault", hint=f"one of: {', '.join(usages())}")
    if (kind.unit is not None) != bool(given):
        raise UsageError(
            f"{name} takes {kind.unit or 'no value'}", where="--fault", hint=f"--fault {_usage(name, kind)}"
        )
    try:
        number = float(value) if given else 0.0
    except ValueError:
        number = -1.0
    if not kind.least <= number <= kind.most:
        what = f"{value!r} is not a {kind.unit} between {kind.least:g} and {kind.most:g}"
        raise UsageError(what, where=f"--fault {name}", hint=f"--fault {_usage(name, kind)}")
    if kind.unit == _SHARE and number == 0:
        hint = "leave --fault out: the candidate ships as it is"
        raise UsageError("a share of 0 strikes nothing", where=f"--fault {name}", hint=hint)
    return Fault(name, number)


def usages() -> list[str]:
    """Every fault as it is typed."""
    return [_usage(name, kind) for name, kind in KINDS.items()]


def to_server(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """As the embedded AWS takes them; what it has no part in is left out."""
    return [part for fault in faults for part in _parts(fault)]


def hits(faults: Iterable[Fault], told: Mapping[str, int], kills: int) -> dict[str, int]:
    """How often each fault struck, by what the embedded AWS told and how often a driver was killed."""
    found = {}
    for fault in faults:
        parts = _parts(fault)
        found[fault.describe()] = told.get(f"{parts[0]['kind']} {parts[0]['side']}", 0) if parts else kills
    return found


def struck(name: str, times: int) -> str:
    """`errors=0.2 struck 22 calls`, for people."""
    return f"{name} struck {times:,} {KINDS[name.partition('=')[0]].strikes}{'' if times == 1 else 's'}"


def _parts(fault: Fault) -> list[dict[str, Any]]:
    match fault.kind:
        case "driver-killed":
            return []
        case "incident":
            return [{"kind": "errors", "side": "both", "value": fault.value}]
        case "alarm-ringing":
            return [
                {"kind": "errors", "side": "stable", "value": INCIDENT_BEFORE},
                {"kind": fault.kind, "side": "both", "value": 0.0},
            ]
        case "aws-errors":
            return [{"kind": fault.kind, "side": "both", "value": fault.value}]
        case kind:
            return [{"kind": kind, "side": "candidate", "value": fault.value}]


def _usage(name: str, kind: Kind) -> str:
    return name if kind.unit is None else f"{name}={kind.unit.split(' ', 1)[0].upper()}"
