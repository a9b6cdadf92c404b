from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from ports.places import ACCOUNT, REGION

from penstock.adapters.aws.health import AwsHealth
from penstock.adapters.aws.session import AwsSession
from penstock.adapters.clock import SystemClock
from penstock.testing import FakeHealth

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef
    from ports.places import EmbeddedPlace, Endpoint

    from penstock.ports import Health


@pytest.fixture(params=["fake", "embedded"])
def health(request: pytest.FixtureRequest) -> Health:
    if request.param == "fake":
        return FakeHealth()
    endpoint: Endpoint = request.getfixturevalue("endpoint")
    return AwsHealth(AwsSession(account=ACCOUNT, region=REGION, endpoint=endpoint.url), SystemClock())


def test_functions_without_calls_are_silent_and_have_no_p95(health: Health) -> None:
    found = health.functions(["nobody-1", "nobody-2"], 60)
    assert set(found) == {"nobody-1", "nobody-2"}
    for state in found.values():
        assert (state.invocations, state.errors, state.throttles, state.p95) == (0, 0, 0, None)


def test_tables_that_are_not_there_are_left_out(health: Health) -> None:
    assert health.tables(["nobody"], 60) == {}
    assert health.tables([], 60) == {}


def test_calls_and_errors_of_a_function_are_counted(embedded: EmbeddedPlace, endpoint: Endpoint, name: str) -> None:
    from ports.places import a_zip  # noqa: PLC0415

    embedded.make_function(name)
    embedded.objects.put("artifacts/health.zip", a_zip("health"))
    latest = embedded.functions.get(name)
    assert latest is not None
    embedded.functions.update_code(
        name,
        bucket=embedded.bucket,
        key="artifacts/health.zip",
        architecture="x86_64",
        revision=latest.revision,
    )
    for payload in ("{}", "{}", '{"raise": true}'):
        embedded.functions.invoke(name, "live", payload)
    session = AwsSession(account=ACCOUNT, region=REGION, endpoint=endpoint.url)
    found = AwsHealth(session, SystemClock()).functions([name], 60)[name]
    assert (found.invocations, found.errors, found.throttles) == (3, 1, 0)
    assert found.p95 is not None
    assert found.p95 > 0


def test_one_slow_minute_is_not_the_whole_hours_percentile(endpoint: Endpoint, name: str) -> None:
    session = AwsSession(account=ACCOUNT, region=REGION, endpoint=endpoint.url)
    now = datetime.now(tz=UTC)
    for minutes, calls, duration in ((90, 1000, 5000.0), (40, 10, 1000.0), (5, 990, 50.0)):
        at = now - timedelta(minutes=minutes)
        data: list[MetricDatumTypeDef] = [
            {
                "MetricName": metric,
                "Dimensions": [{"Name": "FunctionName", "Value": name}],
                "Timestamp": at,
                "Values": [value],
                "Counts": [calls],
            }
            for metric, value in (("Invocations", 1.0), ("Duration", duration))
        ]
        session.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=data)
    found = AwsHealth(session, SystemClock()).functions([name], 60)[name]
    assert found.invocations == 1000
    assert found.p95 == pytest.approx((10 * 1000.0 + 990 * 50.0) / 1000)


def test_a_table_tells_its_status_and_its_items(endpoint: Endpoint, name: str) -> None:
    session = AwsSession(account=ACCOUNT, region=REGION, endpoint=endpoint.url)
    client = session.client("dynamodb")
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName=name, Item={"id": {"S": "1"}})
    found = AwsHealth(session, SystemClock()).tables([name, "nobody"], 60)
    assert set(found) == {name}
    assert (found[name].status, found[name].items, found[name].throttled) == ("ACTIVE", 1, 0)
