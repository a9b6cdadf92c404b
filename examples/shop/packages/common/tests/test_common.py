"""What the services share."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from shop_common.dynamo import from_attribute, from_cursor, from_item, to_attribute, to_cursor, to_item
from shop_common.http import Api, create_api
from shop_common.problems import Problem
from shop_common.testing import Caller, Context, rest_event
from shop_common.validation import Input, read_body


class Greeting(Input):
    name: str


@pytest.fixture
def api() -> Api:
    api = create_api(
        service="greeter", health="/greetings/health", deep_check=lambda: None, logger=Logger("greeter")
    )

    @api.post("/greetings")
    def _greet() -> dict[str, Any]:
        return {"hello": read_body(api.current_event, Greeting).name}

    @api.get("/greetings/<name>")
    def _break(name: str) -> None:
        raise RuntimeError(name)

    return api


@pytest.fixture
def call(api: Api) -> Caller:
    return Caller(api.resolve)


def test_an_unknown_path_is_a_problem(call: Caller) -> None:
    missing = call("GET", "/nothing/here")
    assert missing.status == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json["title"] == "Not Found"


def test_a_known_path_with_another_method_says_which_it_answers(call: Caller) -> None:
    refused = call("DELETE", "/greetings")
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert call("POST", "/greetings/ada").headers["allow"] == "GET"


def test_a_segment_that_no_route_takes_is_not_found(call: Caller) -> None:
    event = rest_event("GET", "/greetings/x")
    event["path"] = "/greetings/#x"  # as API Gateway decodes it
    assert call.handler(event, Context())["statusCode"] == 404


def test_a_fault_of_ours_tells_callers_a_request_id_and_nothing_else(
    call: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    broken = call("GET", "/greetings/password1")
    assert broken.status == 500
    assert broken.json["request_id"] == Context().aws_request_id
    assert "password1" not in broken.text
    assert "password1" in caplog.text, "the log has the traceback"


def test_a_body_in_base64_is_read(api: Api) -> None:
    event = rest_event("POST", "/greetings", base64.b64encode(b'{"name": "Ada"}').decode())
    event["isBase64Encoded"] = True
    assert json.loads(api.resolve(event, Context())["body"]) == {"hello": "Ada"}  # type: ignore[arg-type]


def test_a_body_that_is_no_text_is_refused(api: Api) -> None:
    event = rest_event("POST", "/greetings", base64.b64encode(b"\xff\xfe").decode())
    event["isBase64Encoded"] = True
    assert api.resolve(event, Context())["statusCode"] == 400  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", ["text", "", 7, -7, True, False, None, Decimal("1.5"), [1, "two", [None]], {"a": {"b": [1]}}]
)
def test_values_come_back_from_dynamodb_as_they_went(value: object) -> None:
    back = from_attribute(to_attribute(value))
    assert back == value
    assert type(back) is type(value)


def test_floats_are_refused_because_they_would_not_come_back_the_same() -> None:
    with pytest.raises(TypeError, match="float"):
        to_attribute(0.1)


def test_what_is_none_is_not_stored() -> None:
    assert from_item(to_item({"a": 1, "b": None})) == {"a": 1}


def test_a_cursor_comes_back_as_the_key_that_it_was() -> None:
    key = to_item({"id": "1", "user_id": "ada"})
    cursor = to_cursor(key)
    assert from_cursor(cursor, names=frozenset({"id", "user_id"}), fixed={"user_id": "ada"}) == key
    assert to_cursor(None) is None


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = to_cursor(to_item({"id": "1", "user_id": "ada"}))
    with pytest.raises(Problem, match="cursor"):
        from_cursor(cursor, names=frozenset({"id"}))
    with pytest.raises(Problem, match="cursor"):
        from_cursor(cursor, names=frozenset({"id", "user_id"}), fixed={"user_id": "eve"})
