"""AWS throttles, fails inside, or does half of what it was asked: tried again for a while, and then taken back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.test_warmth import kept_warm
from unit.operations.traffic import Busy as BusyClock
from unit.operations.traffic import Traffic, with_rollout

from penstock.model.errors import AccessDenied, Busy, CameBack, Conflict, RemoteFault
from penstock.model.rollouts import RolloutPolicy
from penstock.operations.abort import abort
from penstock.operations.rollout_store import RolloutStore
from penstock.operations.switch import rollback
from penstock.testing import Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.operations.world import World

FOR_EVER = 10**9
SAID = {
    Busy: "AWS throttles: TooManyRequestsException: Rate exceeded",
    AccessDenied: "AccessDeniedException: not authorized to perform lambda:UpdateAlias",
    Conflict: "ResourceConflictException: The operation cannot be performed at this time",
}


@dataclass
class Refusing:
    """A port that refuses the first calls of a method whose arguments fit: by default it is busy."""

    port: object
    method: str
    times: int
    fits: Callable[..., bool] = lambda *_args, **_kwargs: True
    refused: Counter[str] = field(default_factory=Counter)
    fault: type[RemoteFault] = Busy

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.port, name)
        if name != self.method:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.refused[name] < self.times and self.fits(*args, **kwargs):
                self.refused[name] += 1
                raise self.fault(SAID[self.fault], where=name)
            return found(*args, **kwargs)

        return call


class Troubled(Verbs):
    """Every run of a command meets the ports as `trouble` leaves them."""

    trouble: Callable[[World], World] | None = None

    def world(self) -> World:
        found = super().world()
        return self.trouble(found) if self.trouble else found


@pytest.fixture
def verbs(tmp_path: Path) -> Troubled:
    found = Troubled(root=tmp_path)
    found.shop.clock = BusyClock()
    found.workspace = kept_warm(found.workspace, "orders", None, on=True)
    found.deploy()
    found.code |= {"users": 2, "orders": 2}
    return found


def with_canary(verbs: Troubled) -> None:
    assert isinstance(verbs.shop.clock, BusyClock)
    verbs.workspace = with_rollout(verbs, RolloutPolicy(strategy="canary", weights=(10, 50), bake=120.0))
    verbs.shop.clock.traffic = Traffic(verbs, per_minute=2000)


def live_version(verbs: Troubled, function: str) -> str:
    state = verbs.shop.functions.aliases(f"shop-dev-{function}")["live"]
    assert not state.weights
    return state.version


def test_a_throttled_move_is_made_all_the_same(verbs: Troubled) -> None:
    refusing = Refusing(verbs.shop.gateway, "set_stage", times=4)
    verbs.trouble = lambda world: replace(world, gateway=refusing)
    assert verbs.deploy().live
    assert refusing.refused["set_stage"] == 4
    assert verbs.live_code()["users"] == 2


def refusing_orders(verbs: Troubled, fault: type[RemoteFault] = Busy, times: int = FOR_EVER) -> Refusing:
    """The alias `live` of orders can be moved nowhere but to where it is."""
    before = live_version(verbs, "orders")

    def to_the_new(name: str, alias: str, version: str, **_rest: Any) -> bool:
        return alias == "live" and name == "shop-dev-orders" and version != before

    refusing = Refusing(verbs.shop.functions, "set_alias", times, to_the_new, fault=fault)
    verbs.trouble = lambda world: replace(world, functions=refusing)
    return refusing


@pytest.mark.parametrize("fault", [Busy, AccessDenied, Conflict])
def test_a_move_of_which_a_part_is_never_taken_is_taken_back_as_a_whole(
    verbs: Troubled, fault: type[RemoteFault]
) -> None:
    before = live_version(verbs, "orders")
    slot = verbs.live_slot()
    refusing = refusing_orders(verbs, fault)
    with pytest.raises(CameBack, match="AWS did not take the move"):
        verbs.deploy()
    assert refusing.refused["set_alias"]
    assert (verbs.live_slot(), live_version(verbs, "orders")) == (slot, before)
    assert verbs.live_code()["users"] == 1
    verbs.trouble = None
    assert verbs.deploy().live
    assert verbs.live_code()["users"] == 2


def test_a_canary_that_reaches_only_some_callers_goes_back_from_all(verbs: Troubled) -> None:
    with_canary(verbs)
    before = live_version(verbs, "orders")
    refusing = Refusing(verbs.shop.gateway, "set_canary", FOR_EVER)
    verbs.trouble = lambda world: replace(world, gateway=refusing)
    with pytest.raises(CameBack, match="AWS refused: AWS throttles"):
        verbs.deploy(confirm=yes)
    assert live_version(verbs, "orders") == before, "its share was set, and is none any more"
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    assert stage is not None
    assert stage.canary is None


@pytest.mark.parametrize("fault", [Busy, AccessDenied, Conflict])
def test_the_promotion_of_a_canary_that_is_refused_is_taken_back_as_a_whole(
    verbs: Troubled, fault: type[RemoteFault]
) -> None:
    with_canary(verbs)
    before, slot = live_version(verbs, "orders"), verbs.live_slot()
    verbs.workspace = kept_warm(verbs.workspace, "orders", 1, on=True)  # so that it moves at the end
    refusing = refusing_orders(verbs, fault)
    with pytest.raises(CameBack, match="AWS did not take the move"):
        verbs.deploy(confirm=yes)
    assert refusing.refused["set_alias"]
    assert (verbs.live_slot(), live_version(verbs, "orders")) == (slot, before)
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    assert rollout.outcome == "reverted"


def test_a_conflict_of_a_moment_costs_no_promotion(verbs: Troubled) -> None:
    refusing = refusing_orders(verbs, Conflict, times=1)
    assert verbs.deploy().live
    assert refusing.refused["set_alias"] == 1
    assert verbs.live_code()["users"] == 2


def test_a_move_that_is_refused_before_it_has_begun_says_why(verbs: Troubled) -> None:
    pointer = Refusing(verbs.shop.parameters, "put", FOR_EVER, names_the_other(verbs), fault=AccessDenied)
    verbs.trouble = lambda world: replace(world, parameters=pointer)
    with pytest.raises(AccessDenied):
        verbs.deploy()
    assert verbs.live_code()["users"] == 1


def names_the_other(verbs: Troubled) -> Callable[..., bool]:
    live = f'"live":"{verbs.live_slot()}"'
    return lambda name, text: name.endswith("/pointer") and live not in text


def dies_in_the_move(verbs: Troubled) -> None:
    """The command dies when the pointer names the new release, and nobody's traffic has moved yet."""
    switched = names_the_other(verbs)

    class Dies(Refusing):
        def __getattr__(self, name: str) -> Any:
            found = super().__getattr__(name)

            def call(*args: Any, **kwargs: Any) -> Any:
                found(*args, **kwargs)
                if switched(*args):
                    raise Killed

            return call if name == "put" else found

    verbs.trouble = lambda world: replace(world, parameters=Dies(verbs.shop.parameters, "-", 0))
    with pytest.raises(Killed):
        verbs.deploy(confirm=yes)


@pytest.mark.parametrize(("verb", "walked"), [(rollback, False), (rollback, True), (abort, True)])
def test_who_asks_to_go_back_is_not_taken_forward_first_by_what_is_refused(
    verbs: Troubled, verb: Callable[..., object], walked: bool
) -> None:
    """The command that moved traffic died after it had moved the pointer, and the rest of the move is refused."""
    if walked:
        with_canary(verbs)
        verbs.workspace = kept_warm(verbs.workspace, "orders", 1, on=True)
    before, slot = live_version(verbs, "orders"), verbs.live_slot()
    dies_in_the_move(verbs)
    assert verbs.shop.observe().pointer.live != slot
    refusing = refusing_orders(verbs, AccessDenied)
    stages: list[str] = []
    trouble = verbs.trouble
    assert trouble is not None
    verbs.trouble = lambda world: replace(trouble(world), gateway=Seen(verbs.shop.gateway, stages))
    verb(verbs.world(), why="it is refused")
    assert refusing.refused["set_alias"] == 0
    assert set(stages) <= {slot}, "no caller was sent forward"
    assert (verbs.live_slot(), live_version(verbs, "orders")) == (slot, before)
    assert verbs.live_code()["users"] == 1
    assert verbs.shop.observe().pointer.live == slot
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is None or rollout.outcome == "reverted"


@dataclass
class Seen:
    """A gateway that notes to which slots callers are sent."""

    port: object
    slots: list[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.port, name)

        def call(api: str, stage: str, **rest: Any) -> Any:
            if stage == "live":
                self.slots.append(rest["variables"]["slot"])
            return found(api, stage, **rest)

        return call if name == "set_stage" else found


def test_a_bucket_that_fails_for_a_while_ends_no_rollout(verbs: Troubled) -> None:
    with_canary(verbs)
    verbs.code["orders"] = 1

    def of_the_rollout(key: str, *_rest: object) -> bool:
        return key == "rollout.json" and shared(verbs)

    refusing = Refusing(verbs.shop.objects, "put_if_match", times=4, fits=of_the_rollout)
    verbs.trouble = lambda world: replace(world, objects=refusing)
    assert verbs.deploy(confirm=yes).live
    assert refusing.refused["put_if_match"] == 4
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    assert rollout.outcome == "promoted"


def test_a_ledger_that_fails_for_a_while_lacks_nothing_in_the_end(verbs: Troubled) -> None:
    with_canary(verbs)
    verbs.code["orders"] = 1

    def of_the_ledger(key: str, *_rest: object) -> bool:
        return key.startswith("ledger/") and shared(verbs)

    ledger = Refusing(verbs.shop.objects, "put_if_absent", times=3, fits=of_the_ledger)
    verbs.trouble = lambda world: replace(world, objects=ledger)
    assert verbs.deploy(confirm=yes).live
    assert ledger.refused["put_if_absent"] == 3
    bodies = [verbs.shop.objects.get(key) for key in verbs.shop.objects.list("ledger/")]
    text = b"".join(stored.body for stored in bodies if stored)
    for said in (b"10 % of the traffic", b"50 % of the traffic", b"passed: all traffic"):
        assert said in text


def shared(verbs: Troubled) -> bool:
    """Whether traffic is shared already."""
    stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
    return stage is not None and stage.canary is not None
