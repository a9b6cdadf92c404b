"""What a rollout is about: the services that must pass, the callers that share, and what it misses on request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.traffic import Busy, Traffic, with_rollout

from penstock.model.events import Note
from penstock.model.release import LIVE_ALIAS
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import Route
from penstock.operations.rollout_store import RolloutStore

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.model.workspace import Workspace

CANARY = RolloutPolicy(strategy="canary", weights=(50,), bake=120.0)


@pytest.fixture
def clock() -> Busy:
    return Busy()


@pytest.fixture
def verbs(tmp_path: Path, clock: Busy) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = clock
    found.workspace = with_rollout(found, CANARY)
    clock.traffic = Traffic(found, per_minute=3000)
    return found


def with_routes(workspace: Workspace, name: str, *routes: Route) -> Workspace:
    """The routes of one service's only function."""
    services = tuple(
        replace(service, functions=(replace(service.functions[0], routes=routes, health=next(iter(routes), None)),))
        if service.name == name
        else service
        for service in workspace.services
    )
    return replace(workspace, services=services)


def test_a_new_route_of_one_service_asks_no_pass_of_the_others(verbs: Verbs, clock: Busy) -> None:
    verbs.deploy()
    assert clock.traffic is not None
    clock.traffic.quiet = {"orders", "worker"}
    verbs.workspace = with_routes(
        verbs.workspace, "users", Route("GET", "/users/health"), Route("GET", "/users/{id}/orders")
    )
    assert verbs.deploy(confirm=yes).live
    rollout = RolloutStore(verbs.shop.objects).read()
    assert rollout is not None
    assert rollout.changed == ("users",)


def test_who_calls_a_function_without_routes_through_live_shares_as_http_callers_do(verbs: Verbs, clock: Busy) -> None:
    verbs.workspace = with_routes(verbs.workspace, "worker")
    verbs.deploy()
    verbs.code["worker"] = 2
    verbs.code["users"] = 2
    seen: list[dict[str, float]] = []

    def look() -> None:
        stage = verbs.shop.gateway.stage(verbs.shop.api, "live")
        if stage is not None and stage.canary is not None:
            seen.append(
                {
                    name: sum(verbs.shop.functions.aliases(f"shop-dev-{name}")[LIVE_ALIAS].weights.values())
                    for name in ("users", "worker")
                }
            )

    assert clock.traffic is not None
    clock.traffic.meanwhile = look
    assert verbs.deploy(confirm=yes).live
    assert seen[0] == {"users": 0.0, "worker": 0.5}
    assert verbs.shop.functions.aliases("shop-dev-worker")[LIVE_ALIAS].weights == {}


def test_a_canary_on_request_says_what_it_misses_where_nothing_was_made_for_one(verbs: Verbs) -> None:
    verbs.workspace = with_rollout(verbs, RolloutPolicy(weights=(50,), bake=120.0))
    verbs.deploy()
    verbs.code["users"] = 2
    assert verbs.deploy(confirm=yes, strategy="canary").live
    (said,) = (note.text for note in verbs.shop.events.of(Note) if "no alarms of ours" in note.text)
    assert 'because dev has strategy = "all-at-once"' in said
    verbs.workspace = with_rollout(verbs, CANARY)
    verbs.code["users"] = 3
    assert verbs.deploy(confirm=yes).live
    assert len([note for note in verbs.shop.events.of(Note) if "no alarms of ours" in note.text]) == 1
