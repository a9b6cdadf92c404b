"""Who may change an environment now: decided from the lease as it lies in the store. No clock, no store, no waiting.

API Gateway and Parameter Store take no fencing token, so a call that a driver had already sent may land after its
lease is over. A new holder therefore waits until the expiry, and the longest call, and a margin have passed;
then it reads back and repairs. How long ago the lease was renewed is what the store says, by its own clock: those of
the machines may differ by minutes. Only when the holder's process is known to be dead on this very
machine is there nothing to wait for but calls in flight, and those ended with their connection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from penstock.model.ledger import Lease, host_name

TTL = 60.0
"""Seconds that a lease lasts without being renewed."""
CALL_TIMEOUT = 150.0
"""Seconds that one control-plane call may take with all its repetitions (`adapters.aws.session`)."""
MARGIN = 10.0
"""Seconds that two readings of the store's clock may differ, and those of two machines where it tells none."""
RENEW_BELOW = TTL / 2
"""Remaining seconds below which a holder renews."""
RELEASED = 0.0
"""`expires` of a lease that was given back: the fence number has to stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who wants the lease. `now` in seconds since the epoch."""

    holder: str
    host: str
    pid: int
    run: str
    purpose: str
    now: float
    ttl: float = TTL


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """The lease may be taken: write this. `over` is the dead holder's lease that it replaces, None for a free one."""

    lease: Lease
    over: Lease | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Somebody holds the lease. `wait` seconds from now it may be taken if nobody renews it."""

    lease: Lease
    wait: float
    why: str
    hint: str


Decision = Take | Held


def overdue(lease: Lease, *, now: float, age: float | None) -> float:
    """Seconds since the lease has expired; negative while it has not.

    Args:
        lease: as it lies in the store.
        now: seconds since the epoch, by the clock of whoever asks: for a store that tells no ages.
        age: seconds since it was written, by the store's clock.
    """
    return now - lease.expires if age is None else age - lease.ttl


def decide(current: Lease | None, asking: Asking, *, holder_dead: bool = False, age: float | None = None) -> Decision:
    """Whether the lease may be taken.

    Args:
        current: the lease in the store; None when there has never been one.
        asking: who wants it.
        holder_dead: the current holder's process ran on this machine and is known to be gone.
        age: seconds since `current` was written, by the store's clock; None where it does not tell.
    """
    if current is None:
        return Take(lease=_lease(asking, fence=1))
    mine = current.run == asking.run
    taken = _lease(asking, fence=current.fence if mine else current.fence + 1)
    if mine or current.expires == RELEASED:
        return Take(lease=taken)
    over = overdue(current, now=asking.now, age=age)
    wait = CALL_TIMEOUT + MARGIN - over
    if holder_dead or wait <= 0:
        return Take(lease=taken, over=current)
    return Held(lease=current, wait=wait, why=_why(current, asking, over), hint=_hint(current, asking, over))


def renewed(lease: Lease, *, now: float, ttl: float = TTL) -> Lease:
    """The same lease, for `ttl` seconds from now; after a long step that is shorter than it was."""
    return replace(lease, expires=now + ttl, ttl=ttl)


def released(lease: Lease) -> Lease:
    """The lease given back; its fence number stays behind for the next holder."""
    return replace(lease, expires=RELEASED)


def needs_renewal(lease: Lease, *, now: float) -> bool:
    """Whether the holder should renew before the next call: half of the time is gone, or a long step is over."""
    return not RENEW_BELOW <= lease.expires - now <= TTL


def describe(lease: Lease, *, now: float) -> str:
    """Who holds it, since when, for what: one sentence for people, without a full stop."""
    since = datetime.fromtimestamp(lease.since, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"{lease.holder} on {host_name(lease.host)} (process {lease.pid}) holds the environment since {since} "
        f"({_duration(now - lease.since)} ago) for: {lease.purpose}"
    )


def _lease(asking: Asking, *, fence: int) -> Lease:
    return Lease(
        holder=asking.holder,
        host=asking.host,
        pid=asking.pid,
        run=asking.run,
        purpose=asking.purpose,
        since=asking.now,
        expires=asking.now + asking.ttl,
        ttl=asking.ttl,
        fence=fence,
    )


def _why(current: Lease, asking: Asking, over: float) -> str:
    text = describe(current, now=asking.now)
    if current.since > asking.now + MARGIN:
        ahead = _duration(current.since - asking.now)
        there = host_name(current.host)
        return f"{text}; that is {ahead} in the future: the clock of {there} or of this machine is wrong"
    if over >= 0:
        return f"{text}; it was not renewed for {_duration(over)}, so the holder may be dead"
    return text


def _hint(current: Lease, asking: Asking, over: float) -> str:
    if current.since > asking.now + MARGIN:
        return "set the clocks, or free it: penstock unlock"
    if over >= 0:
        free = _duration(CALL_TIMEOUT + MARGIN - over)
        return f"try again in {free}, when calls under way have ended; or look at it now: penstock unlock"
    return "wait for it to end; if that process is gone: penstock unlock"


def _duration(seconds: float) -> str:
    seconds = max(round(seconds), 0)
    minute, hour, day = 60, 3600, 86400
    if seconds < 2 * minute:
        return f"{seconds} s"
    if seconds < 2 * hour:
        return f"{seconds // minute} min"
    if seconds < 2 * day:
        return f"{seconds // hour} h"
    return f"{seconds // day} days"
