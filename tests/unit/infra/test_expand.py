from __future__ import annotations

import dataclasses
from typing import Any

from unit.infra import zoo

from penstock.infra.expand import dropped, expanded
from penstock.infra.render import render_root
from penstock.model.workspace import EventSource, Queue, Route, Statement, Uses

GET = (Route("GET", "/users"),)


def root(*functions: Any, uses: Uses | None = None, **changes: Any) -> dict[str, Any]:
    service = zoo.service("users", *(functions or (zoo.function(routes=GET),)), uses=uses)
    return render_root(dataclasses.replace(zoo.workspace(service), **changes))


def test_nothing_dropped_is_nothing_added() -> None:
    assert expanded(root(), root()) == root()


def test_the_first_root_is_itself() -> None:
    assert expanded(root(), {}) == root()


def test_what_is_new_is_there_and_what_is_gone_stays() -> None:
    before = render_root(zoo.workspace(zoo.service("users"), zoo.service("old")))
    after = render_root(zoo.workspace(zoo.service("users"), zoo.service("new")))
    assert {"old", "new", "users"} <= set(expanded(after, before)["module"])
    assert set(after["module"]) == set(expanded(after, {})["module"])


def test_a_function_that_left_its_service_keeps_running_for_the_release_before() -> None:
    api, worker = zoo.function("api", routes=GET), zoo.function("worker")
    service = expanded(root(api), root(api, worker))["module"]["users"]["service"]
    assert set(service["functions"]) == {"api", "worker"}


def test_a_function_that_changed_has_its_new_values() -> None:
    small, big = zoo.function(routes=GET), zoo.function(routes=GET, memory=1024)
    assert expanded(root(big), root(small))["module"]["users"]["service"]["functions"]["users"]["memory"] == 1024


def test_event_sources_and_callers_stay_until_nobody_is_fed_by_them() -> None:
    fed = dataclasses.replace(zoo.function(routes=GET), on=(EventSource(kind="schedule", source="rate(1 hour)"),))
    module = expanded(root(zoo.function()), root(fed))["module"]["users"]
    assert module["callers"] == "${module.rest_api.callers}"
    assert module["service"]["functions"]["users"]["http"] is True
    assert set(module["service"]["functions"]["users"]["event_sources"]) == {"schedule"}


def test_an_index_stays_with_the_attributes_that_it_needs_and_no_others() -> None:
    with_index = zoo.workspace().tables[0]
    without = dataclasses.replace(with_index, indexes=(), stream=None)
    table = expanded(root(tables=(without,)), root(tables=(with_index,)))["module"]["table_users"]
    assert set(table["indexes"]) == {"by_email"}
    assert table["attributes"] == {"email": "S", "id": "S"}
    assert table["stream"] == "NEW_IMAGE"
    rekeyed = dataclasses.replace(without, key={"number": "N"})
    changed = expanded(root(tables=(rekeyed,)), root(tables=(without,)))["module"]["table_users"]
    assert changed["attributes"] == {"number": "N"}


def test_a_dead_letter_queue_is_not_taken_from_under_its_messages() -> None:
    plain = Queue(name="outbox", physical="shop-dev-outbox", owner="users")
    guarded = dataclasses.replace(plain, dead_letter_after=5)
    assert expanded(root(queues=(plain,)), root(queues=(guarded,)))["module"]["queue_outbox"]["dead_letter_after"] == 5


def test_the_fence_stays_open_for_what_the_release_before_asked_for() -> None:
    asked = Uses(statements=(Statement(actions=("s3:GetObject",), resources=("arn:aws:s3:::covers/*",), reason="x"),))
    before = root(uses=asked)
    assert "arn:aws:s3:::covers/*" not in root()["module"]["boundary"]["own"]
    assert "arn:aws:s3:::covers/*" in expanded(root(), before)["module"]["boundary"]["own"]


def test_what_was_dropped_is_told_in_words() -> None:
    api, worker = zoo.function("api", routes=GET), zoo.function("worker")
    fed = dataclasses.replace(worker, on=(EventSource(kind="schedule", source="rate(1 hour)"),))
    with_index = zoo.workspace().tables[0]
    without = dataclasses.replace(with_index, indexes=(), stream=None)
    before = root(api, fed, tables=(with_index,))
    assert dropped(before, before) == ()
    assert dropped(root(api, worker, tables=(without,)), before) == (
        "index by_email of table_users",
        "stream of table_users",
        "event source schedule of worker",
    )
    assert "function worker of users" in dropped(root(api, tables=(with_index,)), before)
    assert "table_users" in dropped(root(api, fed, tables=()), before)


def test_the_controller_may_move_traffic_of_what_only_one_release_has() -> None:
    def watched(*names: str, **more: Any) -> dict[str, Any]:
        body = {"source": "../../modules/controller", "functions": {"names": list(names), "warm": False}, **more}
        return {"module": {"controller": body}}

    apis = {"live": "abc", "preview": "def"}
    together = expanded(watched("users", "new"), watched("old", "users", apis=apis))["module"]["controller"]
    assert together["functions"]["names"] == ["users", "new", "old"]
    assert together["apis"] == apis
    assert expanded(watched("users", "new"), watched("new", "users")) == watched("users", "new")


def test_nobody_misses_the_controller() -> None:
    plain = {"module": {"pointer": {"source": "../../modules/pointer"}}}
    watched = {"module": {**plain["module"], "controller": {"source": "../../modules/controller"}}}
    assert dropped(plain, watched) == ()
    assert expanded(plain, watched) == watched, "it goes with the second plan all the same"
