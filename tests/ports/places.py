"""The two worlds that the contract tests run in: the fakes, and the embedded AWS."""

from __future__ import annotations

import io
import json
import time
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from penstock.adapters.aws.alarms import AwsAlarms
from penstock.adapters.aws.functions import AwsFunctions
from penstock.adapters.aws.gateway import AwsGateway
from penstock.adapters.aws.identity import AwsIdentity
from penstock.adapters.aws.metrics import AwsMetrics
from penstock.adapters.aws.notices import AwsNotices
from penstock.adapters.aws.parameters import AwsParameters
from penstock.adapters.aws.schedules import AwsSchedules
from penstock.adapters.aws.secrets import AwsSecrets
from penstock.adapters.aws.signer import AwsSigner
from penstock.adapters.aws.store import AwsObjectStore
from penstock.adapters.file_signer import FileSigner
from penstock.ports import AlarmState
from penstock.testing import (
    FakeAlarms,
    FakeFunctions,
    FakeGateway,
    FakeIdentity,
    FakeMetrics,
    FakeNotices,
    FakeObjectStore,
    FakeParameters,
    FakeSchedules,
    FakeSecrets,
    FakeSigner,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from penstock.adapters.aws.session import AwsSession
    from penstock.ports import (
        Alarms,
        AlarmValue,
        Functions,
        Gateway,
        Identity,
        Metrics,
        Notices,
        ObjectStore,
        Parameters,
        Schedules,
        Secrets,
        Signer,
    )

ACCOUNT = "111111111111"
REGION = "eu-west-1"
BUCKET = "penstock-ports-test"
NAMES = count(1)

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        ],
    }
)


class Place(Protocol):
    """A world with all ports, and what Terraform would make in it."""

    alarms: Alarms
    functions: Functions
    gateway: Gateway
    identity: Identity
    metrics: Metrics
    notices: Notices
    objects: ObjectStore
    parameters: Parameters
    schedules: Schedules
    secrets: Secrets
    bucket: str

    def make_function(self, name: str) -> None: ...
    def make_api(self, name: str, function: str) -> str: ...
    def put_metric(
        self, namespace: str, metric: str, dimensions: Mapping[str, str], values: Mapping[float, int], at: float
    ) -> None: ...
    def put_alarm(self, name: str, value: AlarmValue) -> None: ...
    def log_requests(self, group: str, requests: Sequence[tuple[str, str, int, float]]) -> None: ...
    def make_schedule_group(self, name: str) -> None: ...
    def fresh_store(self) -> ObjectStore: ...
    def versions(self, key: str) -> int: ...
    def signer(self, name: str) -> Signer: ...


class FakePlace:
    def __init__(self) -> None:
        self.bucket = BUCKET
        self.objects: ObjectStore = FakeObjectStore(BUCKET, now=time.time)
        self._functions = FakeFunctions(self.objects)
        self._gateway = FakeGateway()
        self.functions: Functions = self._functions
        self.gateway: Gateway = self._gateway
        self.identity: Identity = FakeIdentity(account=ACCOUNT)
        self.parameters: Parameters = FakeParameters()
        self.secrets: Secrets = FakeSecrets()
        self._notices = FakeNotices()
        self.notices: Notices = self._notices
        self._schedules = FakeSchedules()
        self.schedules: Schedules = self._schedules
        self._alarms = FakeAlarms()
        self._metrics = FakeMetrics()
        self.alarms: Alarms = self._alarms
        self.metrics: Metrics = self._metrics
        self._signers: dict[str, FakeSigner] = {}

    def make_function(self, name: str) -> None:
        self._functions.configure(name)

    def make_api(self, name: str, function: str) -> str:  # noqa: ARG002 - the real one needs it
        return self._gateway.configure(name, "{}")

    def put_metric(
        self, namespace: str, metric: str, dimensions: Mapping[str, str], values: Mapping[float, int], at: float
    ) -> None:
        for value, times in values.items():
            self._metrics.record(namespace, metric, dimensions, value, at=at, count=times)

    def put_alarm(self, name: str, value: AlarmValue) -> None:
        self._alarms.alarms[name] = AlarmState(name=name, value=value, since=time.time(), reason="by hand")

    def log_requests(self, group: str, requests: Sequence[tuple[str, str, int, float]]) -> None:
        for route, canary, status, at in requests:
            if canary != "-":
                self._metrics.request(group, route, canary=canary == "true", status=status, at=at)

    def make_schedule_group(self, name: str) -> None:
        self._schedules.configure(name)

    def fresh_store(self) -> ObjectStore:
        return FakeObjectStore(created=False)

    def versions(self, key: str) -> int:
        return int(self.objects.has(key))

    def signer(self, name: str) -> Signer:
        return self._signers.setdefault(name, FakeSigner(name, created=False))


class EmbeddedPlace:
    def __init__(self, session: AwsSession) -> None:
        self._session = session
        self.bucket = BUCKET
        self.objects: ObjectStore = AwsObjectStore(session, BUCKET)
        self.functions: Functions = AwsFunctions(session)
        self.gateway: Gateway = AwsGateway(session)
        self.alarms: Alarms = AwsAlarms(session)
        self.identity: Identity = AwsIdentity(session)
        self.metrics: Metrics = AwsMetrics(session)
        self.parameters: Parameters = AwsParameters(session)
        self.secrets: Secrets = AwsSecrets(session)
        self.notices: Notices = AwsNotices(session)
        self.schedules: Schedules = AwsSchedules(session)
        self.objects.create()

    def make_function(self, name: str) -> None:
        client = self._session.client("lambda")
        client.create_function(
            FunctionName=name,
            Role=f"arn:aws:iam::{ACCOUNT}:role/{self._role()}",
            Runtime="python3.11",
            Handler="app.handler",
            Code={"ZipFile": a_zip("placeholder")},
            Architectures=["x86_64"],
        )
        for alias in ("blue", "green", "live"):
            client.create_alias(FunctionName=name, Name=alias, FunctionVersion="$LATEST")
            client.add_permission(
                FunctionName=name,
                Qualifier=alias,
                StatementId="api",
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
            )

    def make_api(self, name: str, function: str) -> str:
        client = self._session.client("apigateway")
        api: str = client.create_rest_api(name=name)["id"]
        root = client.get_resources(restApiId=api)["items"][0]["id"]
        resource = client.create_resource(restApiId=api, parentId=root, pathPart="slot")["id"]
        client.put_method(restApiId=api, resourceId=resource, httpMethod="GET", authorizationType="AWS_IAM")
        uri = (
            f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/"
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}:${{stageVariables.slot}}/invocations"
        )
        client.put_integration(
            restApiId=api,
            resourceId=resource,
            httpMethod="GET",
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=uri,
        )
        first = client.create_deployment(restApiId=api)["id"]
        client.create_stage(restApiId=api, stageName="live", deploymentId=first, variables={"slot": "blue"})
        return api

    def put_metric(
        self, namespace: str, metric: str, dimensions: Mapping[str, str], values: Mapping[float, int], at: float
    ) -> None:
        self._session.client("cloudwatch").put_metric_data(
            Namespace=namespace,
            MetricData=[
                {
                    "MetricName": metric,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                    "Timestamp": datetime.fromtimestamp(at, tz=UTC),
                    "Values": list(values),
                    "Counts": [float(times) for times in values.values()],
                }
            ],
        )

    def put_alarm(self, name: str, value: AlarmValue) -> None:
        client = self._session.client("cloudwatch")
        client.put_metric_alarm(
            AlarmName=name,
            Namespace="nothing",
            MetricName="Nothing",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="ignore",
        )
        client.set_alarm_state(AlarmName=name, StateValue=value, StateReason="by hand")

    def log_requests(self, group: str, requests: Sequence[tuple[str, str, int, float]]) -> None:
        client = self._session.client("logs")
        client.create_log_group(logGroupName=group)
        client.create_log_stream(logGroupName=group, logStreamName="s")
        client.put_log_events(
            logGroupName=group,
            logStreamName="s",
            logEvents=[
                {
                    "timestamp": int(at * 1000),
                    "message": json.dumps({"route": route, "canary": canary, "status": status}),
                }
                for route, canary, status, at in requests
            ],
        )

    def make_schedule_group(self, name: str) -> None:
        self._session.client("scheduler").create_schedule_group(Name=name)

    def fresh_store(self) -> ObjectStore:
        return AwsObjectStore(self._session, f"penstock-fresh-{next(NAMES)}")

    def versions(self, key: str) -> int:
        found = self._session.client("s3").list_object_versions(Bucket=BUCKET, Prefix=key)
        every = (*found.get("Versions", []), *found.get("DeleteMarkers", []))
        return sum(one["Key"] == key for one in every)

    def signer(self, name: str) -> Signer:
        return AwsSigner(self._session, f"alias/{name}")

    def _role(self) -> str:
        iam: Any = self._session._botocore().create_client(
            "iam", region_name=REGION, endpoint_url=self._session.endpoint
        )
        if not any(role["RoleName"] == "ports" for role in iam.list_roles()["Roles"]):
            iam.create_role(RoleName="ports", AssumeRolePolicyDocument=TRUST)
        return "ports"


@dataclass(frozen=True)
class Endpoint:
    url: str


def a_zip(text: str) -> bytes:
    """A function's ZIP; what it answers tells the text and the version."""
    source = (
        "def handler(event, context):\n"
        "    if event.get('raise'):\n        raise ValueError('asked to')\n"
        f"    return {{'statusCode': 200, 'body': {text!r} + ' ' + context.function_version}}\n"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py", date_time=(1980, 1, 1, 0, 0, 0)), source)
    return buffer.getvalue()


class Keys:
    """Signers of one kind by name: those of a place, or, without one, local keys in a folder."""

    def __init__(self, place: Place | None, folder: Path) -> None:
        self._place = place
        self._folder = folder

    def signer(self, name: str) -> Signer:
        return self._place.signer(name) if self._place else FileSigner(self._folder / "keys" / f"{name}.pem")
