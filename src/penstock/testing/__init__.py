"""One shipped fake per port, faithful enough to test a deployment with; and faults to kill it anywhere.

Users test their own scripts with these as well: they behave as AWS does where it matters (revisions, conditional
writes, versions that are not made twice) and keep everything in memory.
"""

from penstock.testing.clock import FakeClock
from penstock.testing.commands import FakeCommands, says
from penstock.testing.events import RecordedEvents
from penstock.testing.faults import Fault, Faults, Killed
from penstock.testing.files import FakeFiles
from penstock.testing.functions import FakeFunctions
from penstock.testing.gateway import FakeGateway, Request
from penstock.testing.health import FakeHealth
from penstock.testing.identity import FakeIdentity
from penstock.testing.interpreters import FakeInterpreters
from penstock.testing.local_aws import FakeLocalAws
from penstock.testing.metrics import FakeAlarms, FakeMetrics
from penstock.testing.notices import FakeNotices
from penstock.testing.parameters import FakeParameters
from penstock.testing.schedules import FakeSchedules
from penstock.testing.secrets import FakeSecrets
from penstock.testing.signer import FakeSigner
from penstock.testing.store import FakeObjectStore
from penstock.testing.terraform import FakeTerraform
from penstock.testing.webhooks import FakeWebhooks, Posted, answered

__all__ = [
    "FakeAlarms",
    "FakeClock",
    "FakeCommands",
    "FakeFiles",
    "FakeFunctions",
    "FakeGateway",
    "FakeHealth",
    "FakeIdentity",
    "FakeInterpreters",
    "FakeLocalAws",
    "FakeMetrics",
    "FakeNotices",
    "FakeObjectStore",
    "FakeParameters",
    "FakeSchedules",
    "FakeSecrets",
    "FakeSigner",
    "FakeTerraform",
    "FakeWebhooks",
    "Fault",
    "Faults",
    "Killed",
    "Posted",
    "RecordedEvents",
    "Request",
    "answered",
    "says",
]
