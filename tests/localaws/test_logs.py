"""CloudWatch Logs: JSON patterns, and metric filters that publish."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from penstock.localaws import text_patterns
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
