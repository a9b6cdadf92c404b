"""Whatever is deployed, switched, rolled back and killed: traffic is on a named release, and running again ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.model.release import SLOTS, FunctionRelease, Pointer, Release
from penstock.release.effects import Effect, MakeDeployment, SetAlias, SetStage, WritePointer, from_json, to_json
from penstock.release.observed import AliasSeen, ApiSeen, FunctionSeen, Observed, StageSeen, after
from penstock.release.reconcile import Applied, Desired, Live, Loaded, Settled, reconcile

if TYPE_CHECKING:
    from collections.abc import Sequence

FUNCTIONS = ("shop-dev-orders", "shop-dev-users", "shop-dev-worker")


def a_release(code: Sequence[int], api: int = 0) -> Release:
    return Release(
        environment="dev",
        functions={
            name.removeprefix("shop-dev-"): FunctionRelease(
                physical=name,
                service=name,
                artifact=f"{number:x}" * 64,
                config=f"{number % 2:x}" * 64,
                architecture="arm64",
                runtime="python3.13",
                timeout=10,
                target="python3.13/arm64",
            )
            for name, number in zip(FUNCTIONS, code, strict=True)
        },
        api=f"{api:x}" * 64,
        grants={},
        commit="",
        author="",
        created="",
    )


def fresh() -> Observed:
    """What Terraform leaves behind the first time: aliases on $LATEST, two stages on first deployments."""
    aliases = {name: AliasSeen(version="$LATEST", revision="r") for name in ("blue", "green", "live")}
    return Observed(
        pointer_name="/penstock/shop/dev/pointer",
        pointer=Pointer(),
        functions={name: FunctionSeen(aliases=aliases) for name in FUNCTIONS},
        live=ApiSeen(id="live1", stage=StageSeen(deployment="first", slot="blue"), deployments={"first": ""}),
        preview=ApiSeen(id="prev1", stage=StageSeen(deployment="first", slot="green"), deployments={"first": ""}),
    )


releases = st.builds(a_release, st.lists(st.integers(1, 3), min_size=3, max_size=3), st.integers(1, 2))
verbs = st.sampled_from(["load", "deploy", "settle", "by-hand"])
stops = st.one_of(st.none(), st.integers(0, 14))


def desired(verb: str, release: Release) -> Desired:
    if verb == "load":
        return Loaded(release=release, applied=Applied.of(release))
    if verb == "deploy":
        return Live(release=release, applied=Applied.of(release))
    return Settled()


def terraform_switches(observed: Observed, *, halfway: bool) -> Observed:
    """`terraform apply -var slot=production`: the pointer, then the stage; it may fail between the two."""
    pointer = observed.pointer
    if pointer.candidate is None or observed.live is None:
        return observed
    state = pointer.slot(pointer.candidate)
    observed = replace(observed, pointer=replace(pointer, live=pointer.candidate, candidate=None))
    if halfway:
        return observed
    stage = SetStage(api="live1", stage="live", deployment=str(state.deployment), slot=pointer.candidate)
    return after(observed, [stage])


def serving(observed: Observed) -> tuple[str, ...] | None:
    """The artifact of every function that HTTP traffic reaches, with the routes; None before the first release."""
    assert observed.live is not None
    assert observed.live.stage is not None
    slot = str(observed.live.stage.slot)
    found = []
    for name in FUNCTIONS:
        seen = observed.functions[name]
        number = seen.aliases[slot].version
        if number == "$LATEST" or str(number).startswith("@frozen"):
            return None
        found.append(next(version.artifact for version in seen.versions if version.number == number))
    return (*found, observed.live.deployments[observed.live.stage.deployment])


def content(release: Release) -> tuple[str, ...]:
    return (*(release.functions[name.removeprefix("shop-dev-")].artifact for name in FUNCTIONS), release.api)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(verbs, releases, stops), min_size=1, max_size=8))
def test_traffic_is_always_on_a_release_that_was_asked_for(steps: list[tuple[str, Release, int | None]]) -> None:
    observed = fresh()
    known = {content(release) for _, release, _ in steps}
    for verb, release, stop in steps:
        if verb == "by-hand":
            observed = terraform_switches(observed, halfway=stop is not None)
        else:
            for effect in reconcile(observed, desired(verb, release))[:stop]:
                observed = after(observed, [effect])
                assert serving(observed) is None or serving(observed) in known
        assert serving(observed) is None or serving(observed) in known


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(verbs, releases, stops), max_size=6), releases)
def test_whatever_happened_before_one_run_to_the_end_reaches_what_was_asked(
    steps: list[tuple[str, Release, int | None]], wanted: Release
) -> None:
    observed = fresh()
    for verb, release, stop in steps:
        if verb == "by-hand":
            observed = terraform_switches(observed, halfway=stop is not None)
        else:
            observed = after(observed, reconcile(observed, desired(verb, release))[:stop])

    goal = Live(release=wanted, applied=Applied.of(wanted))
    observed = after(observed, reconcile(observed, goal))

    assert reconcile(observed, goal) == ()
    assert reconcile(observed, Settled()) == ()
    assert serving(observed) == content(wanted)
    assert observed.pointer.live_release == wanted.id
    live = observed.pointer.live
    assert all(seen.at("live") == seen.at(live) for seen in observed.functions.values())
    assert observed.preview is not None
    assert observed.preview.stage is not None
    assert observed.preview.stage.slot == observed.pointer.idle


@given(releases, releases, stops)
def test_loading_never_touches_what_traffic_reaches(first: Release, second: Release, stop: int | None) -> None:
    observed = after(fresh(), reconcile(fresh(), Live(release=first, applied=Applied.of(first))))
    effects = reconcile(observed, Loaded(release=second, applied=Applied.of(second)))[:stop]
    loaded = after(observed, effects)

    assert serving(loaded) == serving(observed)
    assert loaded.live is not None
    assert observed.live is not None
    assert loaded.live.stage == observed.live.stage
    assert loaded.pointer.live == observed.pointer.live
    live = observed.pointer.live
    for name in FUNCTIONS:
        for alias in (live, "live"):
            assert loaded.functions[name].at(alias) == observed.functions[name].at(alias)


@given(releases, releases, releases, stops, st.booleans())
def test_callers_of_a_new_function_go_to_what_is_offered_and_whoever_repairs_leaves_them_there(
    first: Release, second: Release, third: Release, stop: int | None, returns: bool
) -> None:
    new = "shop-dev-worker"
    first = replace(first, functions={key: one for key, one in first.functions.items() if key != "worker"})
    observed = after(fresh(), reconcile(fresh(), Live(release=first, applied=Applied.of(first))))
    for release in (second, third):
        loaded = Loaded(release=release, applied=Applied.of(release), offered=False)
        before = observed.functions[new].at("live")
        observed = after(observed, reconcile(observed, loaded))
        assert observed.functions[new].at("live") == (f"@frozen:{new}" if before == "$LATEST" else before)
        goal = replace(loaded, offered=True, new=frozenset({new}))
        for effect in reconcile(observed, goal)[:stop]:
            observed = after(observed, [effect])
            offered = observed.pointer.candidate is not None
            assert not offered or observed.functions[new].at("live") == observed.functions[new].at(
                observed.pointer.idle
            )
        assert observed.pointer.live_release == first.id
        observed = after(observed, reconcile(observed, Settled()))
        observed = after(observed, reconcile(observed, goal))
        assert reconcile(observed, goal) == ()
        number = observed.functions[new].find(release.functions["worker"])
        for repaired in (Settled(), Settled(shared=True), Settled(withdrawn=True)):
            assert after(observed, reconcile(observed, repaired)).functions[new].at("live") == number
        switched = after(observed, reconcile(observed, Live(release=release)))
        assert switched.functions[new].at("live") == number
        back = after(switched, reconcile(switched, Live(release=first, returns=returns)))
        assert back.functions[new].at("live") == number
        assert back.pointer.live_release == first.id
        observed = after(observed, reconcile(observed, Settled(withdrawn=True)))


@given(releases, releases, stops)
def test_the_pointer_never_claims_that_a_slot_holds_what_it_does_not(
    first: Release, second: Release, stop: int | None
) -> None:
    known = {first.id: first, second.id: second}
    observed = after(fresh(), reconcile(fresh(), Live(release=first, applied=Applied.of(first))))
    for effect in reconcile(observed, Live(release=second, applied=Applied.of(second)))[:stop]:
        observed = after(observed, [effect])
        for slot in SLOTS:
            claimed = observed.pointer.slot(slot).release
            if claimed is not None:
                release = known[claimed]
                for function in release.functions.values():
                    seen = observed.functions[function.physical]
                    assert seen.at(slot) == seen.find(function, preferred=slot)


@given(releases, releases)
def test_effects_survive_the_ledger(first: Release, second: Release) -> None:
    observed = after(fresh(), reconcile(fresh(), Live(release=first, applied=Applied.of(first))))
    effects: tuple[Effect, ...] = reconcile(observed, Live(release=second, applied=Applied.of(second)))
    assert tuple(from_json(to_json(effect)) for effect in effects) == effects
    assert all(effect.describe() for effect in effects)


def waiting(first: Release, second: Release) -> Observed:
    observed = after(fresh(), reconcile(fresh(), Live(release=first, applied=Applied.of(first))))
    return after(observed, reconcile(observed, Loaded(release=second, applied=Applied.of(second))))


def test_all_http_callers_move_in_one_call() -> None:
    first, second = a_release([1, 1, 1], 1), a_release([2, 1, 1], 2)
    observed = waiting(first, second)
    assert observed.live is not None
    (stage,) = (effect for effect in reconcile(observed, Live(release=second)) if is_live_stage(effect))
    assert stage == SetStage(
        api="live1",
        stage="live",
        deployment=next(key for key, digest in observed.live.deployments.items() if digest == second.api),
        slot=observed.pointer.idle,
    )


def is_live_stage(effect: Effect) -> bool:
    return isinstance(effect, SetStage) and effect.stage == "live"


@pytest.mark.parametrize("returns", [False, True])
def test_who_reads_queues_moves_before_who_fills_them_and_after_them_on_the_way_back(returns: bool) -> None:
    first, second = a_release([1, 1, 1], 1), a_release([2, 1, 2], 1)
    switch = reconcile(waiting(first, second), Live(release=second, returns=returns))
    assert isinstance(switch[0], WritePointer)
    moves = [
        "callers" if isinstance(effect, SetAlias) else "http"
        for effect in switch
        if isinstance(effect, SetAlias) or is_live_stage(effect)
    ]
    assert moves == (["http", "callers", "callers"] if returns else ["callers", "callers", "http"])


@pytest.mark.parametrize(
    ("routes", "before", "changed"),
    [
        (
            {"users": "GET /a GET /b", "orders": "GET /o"},
            {"users": "GET /a", "orders": "GET /o"},
            {"users"},
        ),
        ({"users": "GET /a"}, {"users": "GET /a", "orders": "GET /o"}, {"orders"}),
        ({"users": "GET /a"}, {"users": "GET /a"}, {"orders", "users", "worker"}),
        ({"users": "GET /a"}, {}, {"orders", "users", "worker"}),
    ],
    ids=["a route more", "routes less", "another document for other reasons", "by an older Penstock"],
)
def test_of_services_with_the_same_code_those_changed_whose_routes_did(
    routes: dict[str, str], before: dict[str, str], changed: set[str]
) -> None:
    old, new = replace(a_release([1, 1, 1], 1), routes=before), replace(a_release([1, 1, 1], 2), routes=routes)
    assert new.changed_from(old) == changed
    assert replace(new, api=old.api).changed_from(old) == set()
    assert new.changed_from(None) == {"orders", "users", "worker"}
    assert Release.from_json(new.to_json()) == new


def test_routes_that_are_deployed_already_are_not_deployed_again() -> None:
    first, second = a_release([1, 1, 1], 1), a_release([2, 1, 1], 1)
    observed = after(fresh(), reconcile(fresh(), Live(release=first, applied=Applied.of(first))))
    effects = reconcile(observed, Live(release=second, applied=Applied.of(second)))
    assert not [effect for effect in effects if isinstance(effect, MakeDeployment)]
