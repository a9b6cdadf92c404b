"""Which adapter stands behind which port inside the account."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

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
from penstock.adapters.aws.session import AwsSession
from penstock.adapters.aws.signer import AwsSigner
from penstock.adapters.aws.store import AwsObjectStore
from penstock.adapters.clock import ScaledClock, SystemClock
from penstock.adapters.local_caller import LocalCaller
from penstock.adapters.processes import is_alive, this_machine
from penstock.adapters.webhooks import HttpWebhooks
from penstock.model.errors import NotFound, PenstockError
from penstock.operations.store_clock import StoreClock
from penstock.operations.watchdog import read_brief
from penstock.operations.world import Origin, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.model.events import Event
    from penstock.ports import Clock

ROOT = Path("/workspace")
"""Where the workspace would be: paths of the brief are below it."""
REQUEST_ID = 12
HEALTH_TIMEOUT = 5.0


def world_of(event: Mapping[str, Any], *, run: str) -> World:
    """The ports, for the environment that the event leads to. Raises NotFound when its brief is gone.

    An execution environment of Lambda's is called again and again, and making clients takes longer than using them.
    """
    key = os.environ.get("AWS_ACCESS_KEY_ID", "")
    return replace(_standing(json.dumps(event, sort_keys=True), key), run=run.replace("-", "")[:REQUEST_ID])


@lru_cache(maxsize=1)
def _standing(asked: str, _key: str) -> World:
    """What stays the same from one visit of a rollout to the next, as long as the credentials do."""
    event = json.loads(asked)
    # An environment is in an emulator exactly if its event names an endpoint; the emulator tells functions its URL.
    endpoint = os.environ.get("AWS_ENDPOINT_URL", event["endpoint"]) if "endpoint" in event else None
    session = AwsSession(account=event["account"], region=event["region"], endpoint=endpoint, caller=_role(endpoint))
    objects = AwsObjectStore(session, event["bucket"])
    brief = read_brief(objects)
    if brief is None:
        raise NotFound("the controller has no brief", where=event["bucket"], hint="penstock deploy --detach writes it")
    workspace = brief.workspace
    clock: Clock = SystemClock()
    events = LogEvents()
    faster = _emulators_clock(endpoint) if endpoint and workspace.environment.is_local else None
    traffic_clock = faster or StoreClock(clock, objects, events)
    absent: Any = Absent()
    return World(
        root=ROOT,
        workspace=workspace,
        origin=Origin(commit="", branch="", dirty=False, ci=False),
        run="",
        # Lambda gives its execution environments names that repeat, and nobody may be taken for dead by such a one.
        host=this_machine() if endpoint else os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        clock=clock,
        traffic_clock=traffic_clock,
        events=events,
        files=BriefFiles({ROOT / path: text.encode() for path, text in brief.events.items()}),
        commands=absent,
        interpreters=absent,
        identity=AwsIdentity(session),
        objects=objects,
        functions=AwsFunctions(session),
        gateway=AwsGateway(session),
        parameters=AwsParameters(session),
        schedules=AwsSchedules(session),
        secrets=AwsSecrets(session),
        signer=AwsSigner(session, workspace.signing_alias),
        health=AwsHealth(session, traffic_clock),
        metrics=AwsMetrics(session),
        alarms=AwsAlarms(session),
        notices=AwsNotices(session),
        webhooks=HttpWebhooks(),
        terraform=absent,
        builds=lambda: absent,
        modules=dict,
        controller=bytes,
        process_alive=is_alive,
    )


class LogEvents:
    """Events as lines of JSON, which Lambda puts into the function's log."""

    def emit(self, event: Event) -> None:
        """Take one event."""
        sys.stdout.write(json.dumps(event.to_json(), default=str) + "\n")


class BriefFiles:
    """The few files that the brief carries; nothing is ever written."""

    def __init__(self, files: Mapping[Path, bytes]) -> None:
        self._files = files

    def read(self, path: Path) -> bytes | None:
        """The content, or None when there is no such file."""
        return self._files.get(path)

    def write(self, path: Path, content: bytes) -> bool:  # noqa: ARG002 - the port's
        """Raise PenstockError: there is no workspace here."""
        raise PenstockError("the controller writes no files", where=str(path))

    def find(self, folder: Path, pattern: str) -> Sequence[Path]:
        """Files below the folder that match a glob pattern, sorted."""
        return sorted(path for path in self._files if path.is_relative_to(folder) and path.match(pattern))


class Absent:
    """A tool that a function has not: nothing of a rollout asks for it, and who does is told so."""

    def __getattr__(self, name: str) -> Any:
        raise PenstockError(f"the controller cannot {name}: it has neither a checkout nor programs")


def _role(endpoint: str | None) -> LocalCaller | None:
    """The function's role, where the ordinary credential chain is not asked."""
    if endpoint is None:
        return None
    return LocalCaller(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        token=os.environ.get("AWS_SESSION_TOKEN"),
    )


def _emulators_clock(endpoint: str) -> Clock | None:
    """The clock of the embedded AWS's CloudWatch, where it was told to run faster."""
    with urlopen(f"{endpoint}/_penstock/health", timeout=HEALTH_TIMEOUT) as answer:  # noqa: S310 - our own emulator's
        told = json.loads(answer.read())["clock"]
    scale, origin = float(told["scale"]), float(told["origin"])
    return None if scale == 1 else ScaledClock(scale=scale, origin=origin)
