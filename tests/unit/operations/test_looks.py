"""How often Lambda is asked about the weight while a rollout is under way: within its control-plane rate."""

from __future__ import annotations

from unit.release.shop import POINTER, Shop

from penstock.model.release import Pointer, SlotState
from penstock.operations.holder import leases_of
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.looks import AT_ONCE, Looks
from penstock.operations.pace import RATE, READ_BURST
from penstock.operations.session import Session
from penstock.release.share import UNEVEN
from penstock.testing import Faults

MANY, UNCHANGED = 60, 40
CALLERS = frozenset(f"consumer-{number}" for number in range(MANY + UNCHANGED))


class Place:
    """Many consumers, of which some have no new version, at a canary of 10 %."""

    def __init__(self) -> None:
        self.shop, self.faults = Shop(), Faults()
        for name in CALLERS:
            self._publish(name, is_new=int(name.removeprefix("consumer-")) < MANY)
        self.shop.parameters.put(POINTER, Pointer(candidate="green", green=SlotState(release="new")).to_text())
        gateway, api = self.shop.gateway, self.shop.api
        gateway.set_canary(api, "live", deployment=gateway.deploy(api, ""), variables={"slot": "green"}, percent=10)
        self.world = self.shop.world(self.faults)
        lease = leases_of(self.world).acquire(holder="alice", pid=1, run="run", purpose="deploy")
        ledger = LedgerStore(self.shop.objects, clock=self.shop.clock, actor="alice", run="run")
        self.looks = Looks(self.world, Session(self.world, actor="alice", lease=lease, ledger=ledger))

    def _publish(self, name: str, *, is_new: bool) -> None:
        functions = self.shop.functions
        functions.configure(name)
        versions = []
        for code in (b"one", b"two") if is_new else (b"one",):
            self.shop.objects.put("code", code)
            latest = functions.get(name)
            assert latest is not None
            done = functions.update_code(name, bucket="b", key="code", architecture="arm64", revision=latest.revision)
            sha = done.code_sha256
            versions.append(functions.publish(name, code_sha256=sha, revision=done.revision, description="").version)
        functions.set_alias(name, "green", versions[-1])
        functions.set_alias(name, "live", versions[0], weights={versions[-1]: 0.1} if is_new else {})

    def look(self) -> tuple[int, int]:
        """The weight, and how many aliases were read for it."""
        before = len(self.faults.calls)
        weight = self.looks.weight("new", CALLERS)
        return weight, sum(call.port == "Functions" for call in self.faults.calls[before:])


def test_all_are_read_after_each_move_and_a_few_of_those_that_share_in_between() -> None:
    place = Place()
    assert [place.look() for _ in range(3)] == [(10, len(CALLERS)), (10, AT_ONCE), (10, AT_ONCE)]
    place.looks.moved()
    assert place.look() == (10, len(CALLERS))


def test_an_alias_that_somebody_moves_by_hand_is_found_before_all_had_their_turn_twice() -> None:
    for name in ("consumer-0", f"consumer-{MANY - 1}"):
        place = Place()
        place.look()
        stable = place.shop.functions.aliases(name)["live"].version
        place.shop.functions.set_alias(name, "live", stable, weights={"2": 0.9})
        assert UNEVEN in [place.look()[0] for _ in range(-(-MANY // AT_ONCE))]


def test_looks_stay_within_the_rate_that_lambda_allows() -> None:
    place = Place()
    began = place.shop.clock.monotonic()
    read = sum(place.look()[1] for _ in range(5))
    assert read <= READ_BURST + RATE * (place.shop.clock.monotonic() - began) + 1e-6
