"""A small shop on the fakes: what Terraform has made, releases of it, and a world to act in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.build.provenance import Envelope, Provenance
from penstock.model.release import FunctionRelease, Pointer, Release
from penstock.model.workspace import Environment, Function, Service, Workspace
from penstock.operations.execute import execute
from penstock.operations.ledger_store import LedgerStore
from penstock.operations.provenance import sign
from penstock.operations.store import LeaseStore
from penstock.operations.world import Origin, World
from penstock.release.observed import Observed, api_seen, function_seen
from penstock.release.reconcile import Applied, Desired, Live, Settled, reconcile
from penstock.testing import (
    FakeAlarms,
    FakeClock,
    FakeCommands,
    FakeFiles,
    FakeFunctions,
    FakeGateway,
    FakeHealth,
    FakeIdentity,
    FakeInterpreters,
    FakeMetrics,
    FakeNotices,
    FakeObjectStore,
    FakeParameters,
    FakeSchedules,
    FakeSecrets,
    FakeSigner,
    FakeTerraform,
    FakeWebhooks,
    Faults,
    Killed,
    RecordedEvents,
)

NAMES = ("orders", "users", "worker")
POINTER = "/penstock/shop/dev/pointer"


class NoBuilds:
    """Nothing is built here."""

    def recipes(self, *_: object) -> dict[str, Any]:
        return {}

    def build(self, *_: object) -> tuple[Any, ...]:
        return ()


@dataclass
class Shop:
    """An environment that Terraform has made, on fakes that a test can look into."""

    clock: FakeClock = field(default_factory=FakeClock)
    events: RecordedEvents = field(default_factory=RecordedEvents)
    objects: FakeObjectStore = field(default_factory=FakeObjectStore)
    functions: FakeFunctions = field(init=False)
    gateway: FakeGateway = field(default_factory=FakeGateway)
    parameters: FakeParameters = field(default_factory=FakeParameters)
    signer: FakeSigner = field(default_factory=FakeSigner)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    alarms: FakeAlarms = field(default_factory=FakeAlarms)
    notices: FakeNotices = field(default_factory=FakeNotices)
    webhooks: FakeWebhooks = field(default_factory=FakeWebhooks)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    schedules: FakeSchedules = field(default_factory=FakeSchedules)
    api: str = field(init=False)
    preview: str = field(init=False)
    applied: Release | None = None
    runs: int = 0

    def __post_init__(self) -> None:
        self.objects.now = lambda: self.clock.now()  # noqa: PLW0108 - tests put other clocks in
        self.functions = FakeFunctions(self.objects)
        for name in NAMES:
            self.functions.configure(f"shop-dev-{name}")
        self.api = self.gateway.configure("shop-dev", "placeholder")
        self.preview = self.gateway.configure("shop-dev-preview", "placeholder", stage="preview", slot="green")
        self.parameters.put(POINTER, Pointer().to_text())

    def terraform_applies(self, release: Release) -> None:
        """Put the release's configuration and routes in place, as `terraform apply` does before the engine acts."""
        for function in release.functions.values():
            self.functions.configure(function.physical, memory=128 + int(function.config[:2], 16))
            self.objects.put(f"artifacts/{function.artifact}.zip", code_of(function.physical, function.artifact))
            statement = sign(self.signer, Envelope(payload=a_provenance(function.artifact).payload()))
            self.objects.put(f"artifacts/{function.artifact}.intoto.json", statement.to_text())
        for name, stage in (("shop-dev", "live"), ("shop-dev-preview", "preview")):
            self.gateway.configure(name, release.api, stage=stage)
        self.applied = release

    def world(self, faults: Faults | None = None) -> World:
        """The ports, each with its calls counted."""
        faults = faults or Faults()
        self.runs += 1
        world = World(
            root=Path("/shop"),
            workspace=a_workspace(),
            origin=Origin(commit="c0ffee", branch="main", dirty=False, ci=False),
            run=f"run-{self.runs}",
            host="here",
            clock=self.clock,
            events=self.events,
            files=FakeFiles(),
            commands=FakeCommands(),
            interpreters=FakeInterpreters(),
            identity=FakeIdentity(),
            objects=self.objects,
            functions=self.functions,
            gateway=self.gateway,
            parameters=self.parameters,
            schedules=self.schedules,
            secrets=self.secrets,
            signer=self.signer,
            health=FakeHealth(),
            metrics=self.metrics,
            alarms=self.alarms,
            notices=self.notices,
            webhooks=self.webhooks,
            traffic_clock=self.clock,
            terraform=FakeTerraform(),
            builds=NoBuilds,
            modules=dict,
            controller=lambda: b"the controller",
            process_alive=lambda _pid: False,
        )
        return faults.wrap_fields(world)

    def observe(self) -> Observed:
        """What is there."""
        stages = {self.api: "live", self.preview: "preview"}
        live, preview = (
            api_seen(api, self.gateway.stage(api, stage), self.gateway.deployments(api))
            for api, stage in stages.items()
        )
        return Observed(
            pointer_name=POINTER,
            pointer=Pointer.from_text(str(self.parameters.get(POINTER))),
            functions={
                f"shop-dev-{name}": function_seen(
                    self.functions.versions(f"shop-dev-{name}"), self.functions.aliases(f"shop-dev-{name}")
                )
                for name in NAMES
            },
            live=live,
            preview=preview,
        )

    def run(self, desired: Desired, faults: Faults | None = None) -> bool:
        """One command: take the lease, settle, do what is left, give the lease back. False when it was killed."""
        world = self.world(faults)
        try:
            leases = LeaseStore(world.objects, clock=world.clock, host=world.host, process_alive=world.process_alive)
            lease = leases.acquire(holder="alice", pid=self.runs, run=world.run, purpose="test")
            ledger = LedgerStore(world.objects, clock=world.clock, actor="alice", run=world.run)
            execute(world, reconcile(self.observe(), Settled()), ledger=ledger, lease=lease)
            execute(world, reconcile(self.observe(), desired), ledger=ledger, lease=lease)
            ledger.close()
            lease.give_back()
        except Killed:
            return False
        return True

    def ship(self, release: Release, faults: Faults | None = None) -> bool:
        """Apply, load and switch in one command."""
        self.terraform_applies(release)
        return self.run(Live(release=release, applied=Applied.of(release)), faults)

    def serving(self) -> tuple[str, ...] | None:
        """The code of every function that HTTP traffic reaches, and the routes; None before the first release."""
        stage = self.gateway.stage(self.api, "live")
        assert stage is not None
        states = [self.functions.get(f"shop-dev-{name}", stage.variables["slot"]) for name in NAMES]
        placeholder = hashlib.sha256(b"placeholder").hexdigest()
        if any(state is None or state.code_sha256 == placeholder for state in states):
            return None
        return (*(state.code_sha256 for state in states if state), self.gateway.document(self.api, stage.deployment))


def a_provenance(artifact: str) -> Provenance:
    """What is said of an artifact of the shop."""
    return Provenance(
        workspace="shop",
        unit="users",
        target="python3.13/arm64",
        artifact=artifact,
        size=1,
        recipe="ab" * 32,
        commit="c0ffee",
        dirty=False,
        sbom="",
        run="run-1",
        version="0.1.0",
    )


def content(release: Release) -> tuple[str, ...]:
    """What `Shop.serving` tells when this release serves."""
    return (*(release.functions[name].artifact for name in NAMES), release.api)


def code_of(function: str, artifact: str) -> bytes:
    """The bytes whose digest is the artifact's; see `a_release`."""
    return next(text.encode() for text in _texts(function) if hashlib.sha256(text.encode()).hexdigest() == artifact)


def a_release(code: tuple[int, int, int], *, api: int = 0, config: int = 0) -> Release:
    """A release whose functions run the code of these numbers."""
    return Release(
        environment="dev",
        functions={
            name: FunctionRelease(
                physical=f"shop-dev-{name}",
                service=name,
                artifact=hashlib.sha256(f"shop-dev-{name} {number}".encode()).hexdigest(),
                config=f"{config:02x}" * 32,
                architecture="arm64",
                runtime="python3.13",
                timeout=10,
                target="python3.13/arm64",
            )
            for name, number in zip(NAMES, code, strict=True)
        },
        api=f"{api:02x}" * 32,
        grants={},
        commit="c0ffee",
        author="alice",
        created="2026-01-01T00:00:00Z",
    )


def a_workspace() -> Workspace:
    """The shop, without the things that the engine does not look at."""
    environment = Environment(name="dev", account="111111111111", region="eu-west-1", endpoint="local")
    services = tuple(
        Service(
            name=name,
            path=f"services/{name}",
            language="python",
            functions=(
                Function(
                    name=name,
                    service=name,
                    physical=f"shop-dev-{name}",
                    handler="app.handler",
                    runtime="python3.13",
                    architecture="arm64",
                    memory=128,
                    timeout=10,
                ),
            ),
        )
        for name in NAMES
    )
    return Workspace(name="shop", environment=environment, services=services)


def _texts(function: str) -> list[str]:
    return [f"{function} {number}" for number in range(10)]
