"""Going back and reading back with many consumers: within Lambda's rate, and the first calls at once."""

from __future__ import annotations

from dataclasses import replace

from unit.operations.test_looks import CALLERS, MANY, Place
from unit.release.shop import POINTER

from penstock.model.release import Pointer, SlotState
from penstock.operations.engine import bring_back
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.pace import AT_ONCE, BURST, RATE, READ_BURST
from penstock.operations.session import Session
from penstock.operations.store import LeaseStore
from penstock.testing import FakeClock


class Timed(FakeClock):
    """A clock that notes at each pause how many calls of each kind were sent before it."""

    def __init__(self, place: Driven) -> None:
        super().__init__()
        self._place = place
        self._began = self.monotonic()
        self.pauses: list[tuple[float, int, int]] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append((self.monotonic() - self._began, self._place.asked(), self._place.moved()))
        super().sleep(seconds)


class Driven(Place):
    """The same consumers, by who holds the environment."""

    def __init__(self) -> None:
        super().__init__()
        for name in CALLERS:
            self.shop.functions.set_alias(name, "blue", "1")
        pointer = Pointer(candidate="green", blue=SlotState(release="old"), green=SlotState(release="new"))
        self.shop.parameters.put(POINTER, pointer.to_text())
        self.clock = Timed(self)
        self.world = world = replace(self.world, clock=self.clock)
        self._before = len(self.faults.calls)
        leases = LeaseStore(world.objects, clock=world.clock, host=world.host, process_alive=world.process_alive)
        lease = leases.acquire(holder="alice", pid=1, run=world.run, purpose="test")
        ledger = LedgerStore(world.objects, clock=world.clock, actor="alice", run=world.run)
        self.session = Session(world, actor="alice", lease=lease, ledger=ledger)

    def asked(self) -> int:
        """Calls to Lambda."""
        return sum(call.port == "Functions" for call in self.faults.calls[self._before :])

    def moved(self) -> int:
        """Aliases that were moved."""
        return sum(call.method == "set_alias" for call in self.faults.calls[self._before :])


def test_many_consumers_come_back_within_the_rate_and_the_first_before_the_last_was_looked_at() -> None:
    place = Driven()
    bring_back(place.world, place.session, CALLERS)
    assert place.moved() == MANY
    stage = place.shop.gateway.stage(place.shop.api, "live")
    assert stage is not None
    assert stage.canary is None
    assert all(asked <= BURST + RATE * at + 1e-6 for at, asked, _ in place.clock.pauses)
    first = next(at for at, _, moved in place.clock.pauses if moved)
    assert first <= AT_ONCE / RATE


def test_http_callers_come_back_before_anything_waits() -> None:
    place = Driven()
    bring_back(place.world, place.session, CALLERS)
    cleared = next(n for n, call in enumerate(place.faults.calls) if call.method == "set_stage")
    lambdas = next(n for n, call in enumerate(place.faults.calls) if call.port == "Functions")
    assert cleared < lambdas
    assert place.clock.pauses[0][1] >= BURST, "so many calls to Lambda are sent before the first pause"


def test_reading_many_functions_back_stays_within_the_rate() -> None:
    place = Driven()
    place.session.observe(CALLERS)
    assert place.asked() == 2 * len(CALLERS)
    assert place.clock.pauses
    assert all(asked <= READ_BURST + RATE * at + 1 for at, asked, _ in place.clock.pauses)
