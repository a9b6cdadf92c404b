"""The customers' API, on customers in memory."""

from __future__ import annotations

import pytest
from shop_common.testing import Caller
from users.app import create_app
from users.in_memory import InMemoryUsers

ADA = {"email": "ada@example.com", "name": "Ada Lovelace"}


@pytest.fixture
def users() -> InMemoryUsers:
    return InMemoryUsers()


@pytest.fixture
def call(users: InMemoryUsers) -> Caller:
    return Caller(create_app(users).resolve)


def test_a_new_customer_can_be_fetched_where_location_says(call: Caller) -> None:
    created = call("POST", "/users", ADA)
    assert created.status == 201
    assert created.json["version"] == 1
    assert call("GET", created.headers["location"]).json == created.json


def test_an_address_is_unique_whatever_its_case(call: Caller) -> None:
    call("POST", "/users", ADA)
    refused = call("POST", "/users", {"email": "ADA@Example.com", "name": "Another"})
    assert refused.status == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json["type"] == "urn:shop:problem:email-taken"


def test_a_customer_is_found_by_address(call: Caller) -> None:
    created = call("POST", "/users", ADA).json
    assert call("GET", "/users?email=Ada%40example.com").json == {"users": [created], "cursor": None}
    assert call("GET", "/users?email=eve%40example.com").json == {"users": [], "cursor": None}


def test_pages_cover_every_customer_once(call: Caller) -> None:
    ids = {call("POST", "/users", {"email": f"u{n}@example.com", "name": "U"}).json["id"] for n in range(5)}
    seen: list[str] = []
    url = "/users?limit=2"
    while True:
        page = call("GET", url).json
        seen += [user["id"] for user in page["users"]]
        if page["cursor"] is None:
            break
        url = f"/users?limit=2&cursor={page['cursor']}"
    assert len(seen) == 5
    assert set(seen) == ids


def test_put_replaces_and_counts_versions(call: Caller) -> None:
    created = call("POST", "/users", ADA).json
    replaced = call("PUT", f"/users/{created['id']}", {"email": "countess@example.com", "name": "Ada King"})
    assert replaced.status == 200
    assert (replaced.json["name"], replaced.json["version"]) == ("Ada King", 2)
    assert call("POST", "/users", ADA).status == 201, "her old address is free again"


def test_patch_leaves_alone_what_it_does_not_name(call: Caller) -> None:
    created = call("POST", "/users", ADA).json
    changed = call("PATCH", f"/users/{created['id']}", {"name": "Ada King"}).json
    assert (changed["email"], changed["name"]) == (ADA["email"], "Ada King")


def test_a_customer_cannot_take_anothers_address(call: Caller) -> None:
    call("POST", "/users", ADA)
    eve = call("POST", "/users", {"email": "eve@example.com", "name": "Eve"}).json
    assert call("PATCH", f"/users/{eve['id']}", {"email": ADA["email"]}).status == 409


def test_a_deleted_customer_is_gone(call: Caller) -> None:
    created = call("POST", "/users", ADA).json
    assert call("DELETE", f"/users/{created['id']}").status == 204
    assert call("GET", f"/users/{created['id']}").status == 404
    assert call("DELETE", f"/users/{created['id']}").status == 404


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ("{", 400, None),
        (None, 400, None),
        ("[]", 422, "#"),
        ({"email": "ada@example.com"}, 422, "#/name"),
        ({"email": "not an address", "name": "Ada"}, 422, "#/email"),
        ({"email": "ada@example.com", "name": ""}, 422, "#/name"),
        ({"email": "ada@example.com", "name": 7}, 422, "#/name"),
        ({**ADA, "admin": True}, 422, "#/admin"),
    ],
)
def test_a_bad_body_is_a_problem_that_says_where(
    call: Caller, body: object, status: int, pointer: str | None
) -> None:
    refused = call("POST", "/users", body)
    assert refused.status == status
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json["status"] == status
    assert [fault["pointer"] for fault in refused.json.get("errors", [])] == ([pointer] if pointer else [])


def test_a_patch_of_nothing_is_refused(call: Caller) -> None:
    created = call("POST", "/users", ADA).json
    assert call("PATCH", f"/users/{created['id']}", {}).status == 422


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "page=2", "email=nobody"])
def test_a_query_out_of_range_is_refused(call: Caller, query: str) -> None:
    assert call("GET", f"/users?{query}").status == 422


@pytest.mark.parametrize("cursor", ["x", "e30", "W10", "%00", "eyJpZCI6IDF9"])
def test_a_made_up_cursor_is_refused(call: Caller, cursor: str) -> None:
    assert call("GET", f"/users?cursor={cursor}").status == 400


def test_health_tells_the_version_and_does_not_touch_the_store(call: Caller, users: InMemoryUsers) -> None:
    users.reachable = False
    healthy = call("GET", "/users/health")
    assert healthy.status == 200
    assert healthy.json == {"status": "ok", "service": "user_service", "version": "7"}


def test_deep_health_tells_whether_the_store_answers(call: Caller, users: InMemoryUsers) -> None:
    assert call("GET", "/users/health?deep=1").status == 200
    users.reachable = False
    assert call("GET", "/users/health?deep=1").status == 503
