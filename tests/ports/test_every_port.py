"""Each port has a shipped fake and a real adapter, with all of its methods under the same parameters."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from penstock import ports, testing
from penstock.adapters.aws.alarms import AwsAlarms
from penstock.adapters.aws.functions import AwsFunctions
from penstock.adapters.aws.gateway import AwsGateway
from penstock.adapters.aws.health import AwsHealth
from penstock.adapters.aws.identity import AwsIdentity
from penstock.adapters.aws.metrics import AwsMetrics
from penstock.adapters.aws.notices import AwsNotices
from penstock.adapters.aws.parameters import AwsParameters
from penstock.adapters.aws.schedules import AwsSchedules
from penstock.adapters.aws.secrets import AwsSecrets
from penstock.adapters.aws.signer import AwsSigner
from penstock.adapters.aws.store import AwsObjectStore
from penstock.adapters.clock import SystemClock
from penstock.adapters.commands import RealCommands
from penstock.adapters.file_signer import FileSigner
from penstock.adapters.files import RealFiles
from penstock.adapters.interpreters import RealInterpreters
from penstock.adapters.local_aws import LocalAwsProcess
from penstock.adapters.terraform import TerraformCli
from penstock.adapters.webhooks import HttpWebhooks

WAYS: dict[type, tuple[type, ...]] = {
    ports.Alarms: (testing.FakeAlarms, AwsAlarms),
    ports.Clock: (testing.FakeClock, SystemClock),
    ports.Commands: (testing.FakeCommands, RealCommands),
    ports.EventSink: (testing.RecordedEvents,),
    ports.Files: (testing.FakeFiles, RealFiles),
    ports.Functions: (testing.FakeFunctions, AwsFunctions),
    ports.Gateway: (testing.FakeGateway, AwsGateway),
    ports.Health: (testing.FakeHealth, AwsHealth),
    ports.Identity: (testing.FakeIdentity, AwsIdentity),
    ports.Interpreters: (testing.FakeInterpreters, RealInterpreters),
    ports.LocalAws: (testing.FakeLocalAws, LocalAwsProcess),
    ports.Metrics: (testing.FakeMetrics, AwsMetrics),
    ports.Notices: (testing.FakeNotices, AwsNotices),
    ports.ObjectStore: (testing.FakeObjectStore, AwsObjectStore),
    ports.Parameters: (testing.FakeParameters, AwsParameters),
    ports.Schedules: (testing.FakeSchedules, AwsSchedules),
    ports.Secrets: (testing.FakeSecrets, AwsSecrets),
    ports.Signer: (testing.FakeSigner, AwsSigner, FileSigner),
    ports.Terraform: (testing.FakeTerraform, TerraformCli),
    ports.Webhooks: (testing.FakeWebhooks, HttpWebhooks),
}


def methods(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if inspect.isfunction(value) and not name.startswith("_")}


def test_no_port_is_without_a_fake() -> None:
    protocols = {
        value
        for value in vars(ports).values()
        if inspect.isclass(value)
        and getattr(value, "_is_protocol", False)
        and value.__module__.startswith(f"{ports.__name__}.")
    }
    assert protocols == set(WAYS)


@pytest.mark.parametrize(
    ("port", "way"),
    [(port, way) for port, ways in WAYS.items() for way in ways],
    ids=lambda kind: kind.__name__,
)
def test_methods_and_parameters_are_the_ports(port: type, way: type) -> None:
    for name, method in methods(port).items():
        found = getattr(way, name)
        assert list(inspect.signature(found).parameters) == list(inspect.signature(method).parameters), name
