"""Every call of every port as a place where the process may die.

Wrap the ports, run something once to record its effects, then run it again for each of them with a fault before and
after. Nobody writes the list of effects by hand, so none is forgotten::

    faults = Faults()
    run(functions=faults.wrap(Functions, functions), …)
    for fault in faults.points():
        run_again_with(Faults(fault))

A fault in the process (`die`) raises `Killed`, which no `except Exception` catches, and the dead process acts no
more: whatever it tries in its `finally` blocks raises as well and does nothing. `kill_process` is the real thing.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, cast

from penstock import ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Port = TypeVar("Port")
World = TypeVar("World")
When = Literal["before", "after"]

EFFECTS: Mapping[str, frozenset[str]] = {
    "Commands": frozenset({"run"}),
    "Files": frozenset({"write"}),
    "Functions": frozenset({"update_code", "publish", "set_alias", "delete_version", "provision", "unprovision"}),
    "Gateway": frozenset({"deploy", "delete_deployment", "set_stage", "set_canary", "clear_canary"}),
    "LocalAws": frozenset({"start", "stop", "reset", "snapshot", "restore"}),
    "Notices": frozenset({"publish"}),
    "ObjectStore": frozenset({"create", "put", "put_if_absent", "put_if_match", "delete", "erase", "upload"}),
    "Parameters": frozenset({"put", "delete"}),
    "Schedules": frozenset({"start", "stop"}),
    "Secrets": frozenset({"put"}),
    "Signer": frozenset({"create"}),
    "Terraform": frozenset({"prepare", "apply"}),
    "Webhooks": frozenset({"post"}),
}
"""The methods of each port that change the world; all others look."""

PORTS: Mapping[str, type] = {
    "alarms": ports.Alarms,
    "clock": ports.Clock,
    "commands": ports.Commands,
    "files": ports.Files,
    "functions": ports.Functions,
    "gateway": ports.Gateway,
    "health": ports.Health,
    "identity": ports.Identity,
    "metrics": ports.Metrics,
    "notices": ports.Notices,
    "objects": ports.ObjectStore,
    "parameters": ports.Parameters,
    "schedules": ports.Schedules,
    "secrets": ports.Secrets,
    "signer": ports.Signer,
    "terraform": ports.Terraform,
    "webhooks": ports.Webhooks,
}
"""The ports by the names of the fields that hold them."""

FAULT_VARIABLE = "PENSTOCK_TESTING_FAULT"
"""`7:before`: the process kills itself there. For tests of the command line. `7:before:stop`: it stands still there, as
after SIGSTOP, until SIGCONT wakes it."""
STOP = ":stop"
RECORD_VARIABLE = "PENSTOCK_TESTING_RECORD"
"""A file that gets one line of JSON per effect, before it happens."""


class Killed(BaseException):
    """The process died here; not an Exception, so that nobody handles it by accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Die before or after the effect of that number, counted from 0."""

    effect: int
    when: When

    @classmethod
    def parse(cls, text: str) -> Fault:
        """The inverse of `str`: `7:before`. Raises ValueError."""
        number, _, when = text.partition(":")
        if when == "before":
            return cls(effect=int(number), when="before")
        if when == "after":
            return cls(effect=int(number), when="after")
        raise ValueError(f"{text!r} is not NUMBER:before or NUMBER:after")

    def __str__(self) -> str:
        return f"{self.effect}:{self.when}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a port. `effect` is its number among the effects, None for one that only looks."""

    port: str
    method: str
    subject: str
    """The first arguments, shortened: enough to recognise the call."""
    effect: int | None

    def __str__(self) -> str:
        return f"{self.port}.{self.method}({self.subject})"


def die() -> NoReturn:
    """End the imagined process."""
    raise Killed


def kill_process() -> NoReturn:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise Killed


def stop_process() -> None:
    """Stand still until SIGCONT, with all threads."""
    os.kill(os.getpid(), signal.SIGSTOP)


class Faults:
    """Counts effects over all wrapped ports, and dies at one of them. Safe to share between threads.

    Args:
        fault: where to die; None records only.
        death: how.
        record: a file that gets every effect as it is about to happen.
        meanwhile: instead of dying the process stands still at the fault while this happens, as after SIGSTOP, and
            then goes on.
    """

    def __init__(
        self,
        fault: Fault | None = None,
        *,
        death: Callable[[], NoReturn] = die,
        record: Path | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self._meanwhile = meanwhile
        self._fault = fault
        self._death = death
        self._record = record
        self._lock = threading.Lock()
        self._effects = 0
        self._dead = False
        self.calls: list[Call] = []

    def wrap(self, kind: type[Port], port: Port) -> Port:
        """The port, with its calls counted. `kind` is the Protocol (`Functions`)."""
        return cast("Port", _Wrapped(self, kind.__name__, port))

    def wrap_fields(self, world: World) -> World:
        """A frozen dataclass with every field that is a port wrapped; ports are known by the fields' names."""
        wrapped = {name: self.wrap(kind, getattr(world, name)) for name, kind in PORTS.items() if hasattr(world, name)}
        return cast("World", replace(cast("Any", world), **wrapped))

    def effects(self) -> list[Call]:
        """The effects seen so far, in order."""
        return [call for call in self.calls if call.effect is not None]

    def points(self) -> list[Fault]:
        """A fault before and one after every effect seen so far."""
        return [Fault(effect=number, when=when) for number in range(self._effects) for when in _WHENS]

    def around(self, name: str, method: str, act: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Do the call, or die before or after it."""
        call = self._count(name, method, args, kwargs)
        self._maybe_die(call, "before")
        try:
            return act(*args, **kwargs)
        finally:
            # Also when it was refused: an object that is there already, say.
            self._maybe_die(call, "after")

    def _count(self, name: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        with self._lock:
            if self._dead:
                raise Killed
            number = None
            if method in EFFECTS.get(name, frozenset()):
                number = self._effects
                self._effects += 1
            call = Call(port=name, method=method, subject=_subject(name, args, kwargs), effect=number)
            self.calls.append(call)
            if self._record is not None and number is not None:
                with self._record.open("a") as out:
                    out.write(json.dumps({"effect": number, "call": str(call)}) + "\n")
            return call

    def _maybe_die(self, call: Call, when: When) -> None:
        with self._lock:
            if self._dead and when == "before":
                raise Killed
            if self._fault is None or call.effect != self._fault.effect or when != self._fault.when:
                return
            self._dead = self._meanwhile is None
            self._fault = None
        if self._meanwhile is None:
            self._death()
        else:
            self._meanwhile()


def from_environment(environ: Mapping[str, str]) -> Faults | None:
    """What FAULT_VARIABLE and RECORD_VARIABLE ask for; None when neither is set. It dies, or stops, for real."""
    fault, record = environ.get(FAULT_VARIABLE, ""), environ.get(RECORD_VARIABLE)
    if not fault and not record:
        return None
    point = fault.removesuffix(STOP)
    return Faults(
        Fault.parse(point) if point else None,
        death=kill_process,
        record=Path(record) if record else None,
        meanwhile=stop_process if fault != point else None,
    )


class _Wrapped:
    """Any port: every method goes through `Faults.around`."""

    def __init__(self, faults: Faults, name: str, port: object) -> None:
        self._faults = faults
        self._name = name
        self._port = port

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._faults.around(self._name, method, found, args, kwargs)

        return call


_WHENS: tuple[When, When] = ("before", "after")
_SHOWN = 60
"""Characters of one argument."""


def _subject(port: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    if port == "Secrets":
        return str(args[0]) if args else ""  # never the value
    shown = [_short(arg) for arg in args[:3]]
    shown += [f"{name}={_short(value)}" for name, value in sorted(kwargs.items()) if isinstance(value, str)]
    return ", ".join(shown)


def _short(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
