"""CloudWatch Logs: JSON patterns, and metric filters that publish."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from penstock.localaws import text_patterns
from penstock.localaws.insights import Event, QueryError, answer, counts
from penstock.localaws.log_patterns import PatternError, compiled

if TYPE_CHECKING:
    from localaws.harness import Account

EVENT = json.dumps(
    {
        "status": 502,
        "path": "/users/7",
        "canary": True,
        "user": {"tags": ["a", "b"]},
        "none": None,
        "ip": "10.1.2.3",
        "neg": -3,
        "big": 4200,
        "a.b": 1,
        "said": 'a "word"',
        "off": False,
    }
)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("{ $.status >= 500 }", True),
        ("{ $.status = 404 }", False),
        ("{ $.status != 404 }", True),
        ('{ $.path = "/users*" }', True),
        ('{ $.path = "/orders*" }', False),
        ("{ $.canary IS TRUE }", True),
        ("{ $.none IS NULL }", True),
        ("{ $.absent NOT EXISTS }", True),
        ("{ $.absent = 1 }", False),
        ('{ $.user.tags[1] = "b" }', True),
        ('{ ($.status < 500 || $.canary IS TRUE) && $.path != "/x" }', True),
        ('{ $.status < 500 || $.path = "/x" }', False),
        ("{ $.path = %^/users/[0-9]+$% }", True),
        ("{ $.path != %^/users/[0-9]+$% }", False),
        ("{ $.path = %orders|users% && $.status > 500 }", True),
        ("{ $.status = %^5[0-9]{2}$% }", True),
        ("{ $.ip = 10.1.* }", True),
        ("{ $.ip != 10.1.* }", False),
        ("{ $.neg < -2 && $.big = 4.2e3 }", True),
        ("{ $['a.b'] = 1 && $.['a.b'] = 1 }", True),
        (r'{ $.said = "a \"word\"" }', True),
        ("{ $.off IS FALSE }", True),
        ("{ $.none NOT EXISTS }", False),
        ("{ $.absent IS NULL }", False),
        ("{$.status=502&&$.big>=4200&&$.big<=4200}", True),
    ],
)
def test_json_patterns(pattern: str, found: bool) -> None:
    assert compiled(pattern)(EVENT) is found
    assert compiled(pattern)("no json") is False


@pytest.mark.parametrize(
    "pattern", ["{ $.a }", "{ = 1 }", "{ ($.a = 1 }", "{ $.a = 1 ", "{ $.a IS 1 }", "{ }", "{ $.a = %[% }"]
)
def test_patterns_that_cannot_be_read(pattern: str) -> None:
    with pytest.raises(PatternError):
        compiled(pattern)


def counted(text: str, *lines: dict[str, object], limit: int | None = None) -> list[dict[str, str]]:
    events = [
        Event(at=1_800_000_000_000 + 30_000 * number, message=json.dumps(line)) for number, line in enumerate(lines)
    ]
    rows, _ = answer(text, [*events, Event(at=1_800_000_000_000, message="no json")], limit)
    return [{field["field"]: field["value"] for field in row} for row in rows]


REQUESTS: tuple[dict[str, object], ...] = (
    {"route": "GET /a", "status": 200, "canary": "true"},
    {"route": "GET /a", "status": 503, "canary": "true"},
    {"route": "GET /b|c", "status": 500, "canary": "-"},
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("stats count(*)", [{"count(*)": "4"}]),
        ("filter status >= 500 | stats count(*) as n", [{"n": "2"}]),
        ("filter canary != '-' and not (status < 500) | stats count(*) as n", [{"n": "1"}]),
        ('filter route in ["GET /b|c", "GET /x"] | stats count(*) as n by route', [{"route": "GET /b|c", "n": "1"}]),
        (
            "filter ispresent(status) | stats count(*) as n by floor(status / 100) as h | limit 1",
            [{"h": "5", "n": "2"}],
        ),
        (
            "fields floor(status/100) as h | filter h = 2 or status = 999 | stats count(*) as n by h",
            [{"h": "2", "n": "1"}],
        ),
        (
            "filter route like 1 | stats count(*)",
            None,
        ),
        ("stats avg(status)", None),
        ("stats count(*) by nothing(", None),
        ("stats count(*) | sort n", None),
        ("filter status >= 500 ) | stats count(*)", None),
        ("filter 1 = 'one | stats count(*)", None),
        ("filter status > 1' | stats count(*)", None),
        ('stats count(*) as n by route"', None),
        ("stats count(*) as n | limit -1", None),
        ("stats count(*) as n by bin(0m)", None),
    ],
)
def test_queries_that_count(text: str, rows: list[dict[str, str]] | None) -> None:
    assert counts(text)
    if rows is None:
        with pytest.raises(QueryError):
            counted(text, *REQUESTS)
    else:
        assert counted(text, *REQUESTS) == rows


ODD = {"text": "abc", "number": -4.5, "digits": "-7", "inner": {"list": [1, "b"]}, "huge": 10**400}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("strlen(number)", "4"),
        ("strlen(text)", "3"),
        ("abs(text)", None),
        ("ceil(text) + 1", None),
        ("abs(number)", "4.5"),
        ("abs(digits)", "7"),
        ("floor(huge)", None),
        ("huge * 2", None),
        ("strlen(absent)", None),
        ("ispresent(absent)", "False"),
        ("inner.list.1", "b"),
        ("inner", None),
    ],
)
def test_a_function_of_what_it_is_not_made_for_tells_nothing_and_breaks_nothing(
    expression: str, value: str | None
) -> None:
    (row,) = counted(f"filter ispresent(text) | stats count(*) as n by {expression} as x", ODD)
    assert row == {"n": "1"} | ({} if value is None else {"x": value})


def test_queries_count_by_minute() -> None:
    found = counted("filter ispresent(route) | stats count(*) as n by bin(1m)", *REQUESTS)
    assert found == [
        {"bin(1m)": "2027-01-15 08:00:00.000", "n": "2"},
        {"bin(1m)": "2027-01-15 08:01:00.000", "n": "1"},
    ]


def test_a_query_that_cannot_be_read_is_refused_and_one_that_lists_is_left_to_ministack(account: Account) -> None:
    logs = account.client("logs")
    logs.create_log_group(logGroupName="/asked")
    asked = {"logGroupName": "/asked", "startTime": 0, "endTime": 1}
    with pytest.raises(logs.exceptions.MalformedQueryException):
        logs.start_query(**asked, queryString="stats median(x)")
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.start_query(**{**asked, "logGroupName": "/absent"}, queryString="stats count(*)")
    listed = logs.start_query(**asked, queryString="fields @message | limit 1")["queryId"]
    assert logs.get_query_results(queryId=listed)["status"] == "Complete"


@pytest.mark.parametrize("pattern", ["{ $.a }", "[!status]", "%[%", "[a, b"])
def test_a_metric_filter_whose_pattern_cannot_be_read_is_refused(account: Account, pattern: str) -> None:
    logs = account.client("logs")
    logs.create_log_group(logGroupName="/access")
    with pytest.raises(logs.exceptions.InvalidParameterException, match="Invalid metric filter pattern"):
        logs.put_metric_filter(
            logGroupName="/access",
            filterName="f",
            filterPattern=pattern,
            metricTransformations=[{"metricName": "m", "metricNamespace": "Own", "metricValue": "1"}],
        )


LINE = '10.0.0.1 - frank [10/Oct/2026:13:25:15 -0700] "GET /users/7 HTTP/1.1" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", True),
        ("GET frank", True),
        ("GET joe", False),
        ("get", False),
        ('"GET /users"', True),
        ('"GET /orders"', False),
        ("?joe ?frank", True),
        ("?joe ?jane", False),
        ("GET -frank", False),
        ('GET -"POST /"', True),
        ("%frank|joe%", True),
        ("%^frank%", False),
        ("[ip, user, name, time, request, status, bytes]", True),
        ("[ip, user, name, time, request, status]", False),
        ("[ip, user, name, time, request, status=4*, bytes > 1000]", True),
        ("[ip, user, name, time, request, status=4*, bytes > 2000]", False),
        ("[..., request=*users*, status!=5*, bytes]", True),
        ("[ip=10.0.*, ...]", True),
        ("[..., status=404 || status=410, bytes]", True),
        ("[..., status>=400 && status<404, bytes]", False),
        ("[..., request=%/users/[0-9]+ %, status, bytes]", True),
    ],
)
def test_patterns_of_words_and_fields(pattern: str, found: bool) -> None:
    assert text_patterns.compiled(pattern)(LINE) is found


def test_filtering_and_metric_filters_see_the_same_events(account: Account) -> None:
    logs = account.client("logs")
    logs.create_log_group(logGroupName="/access")
    logs.create_log_stream(logGroupName="/access", logStreamName="s")
    logs.put_metric_filter(
        logGroupName="/access",
        filterName="errors",
        filterPattern="{ $.status >= 500 }",
        metricTransformations=[
            {
                "metricName": "Handled5xx",
                "metricNamespace": "Own",
                "metricValue": "$.count",
                "dimensions": {"slot": "$.slot"},
            }
        ],
    )
    now = time.time()
    messages = [{"status": s, "slot": slot, "count": 2} for s, slot in ((200, "blue"), (500, "blue"), (503, "green"))]
    logs.put_log_events(
        logGroupName="/access",
        logStreamName="s",
        logEvents=[{"timestamp": int(now * 1000), "message": json.dumps(m)} for m in messages],
    )
    found = logs.filter_log_events(logGroupName="/access", filterPattern="{ $.status >= 500 }")["events"]
    assert [json.loads(event["message"])["status"] for event in found] == [500, 503]
    points = account.client("cloudwatch").get_metric_statistics(
        Namespace="Own",
        MetricName="Handled5xx",
        Dimensions=[{"Name": "slot", "Value": "blue"}],
        StartTime=now - 120,
        EndTime=now + 60,
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert [point["Sum"] for point in points] == [2.0]
