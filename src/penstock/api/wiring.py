"""Which adapter stands behind which port of an environment.

Adapters are chosen here and nowhere else; whether an environment lives in the embedded AWS or on AWS is decided here
by its `endpoint` alone. What is slow to import is imported when it is first needed.
"""

from __future__ import annotations

import os
import sys
import uuid
from functools import cached_property
from typing import TYPE_CHECKING

from penstock.adapters.clock import ScaledClock, SystemClock
from penstock.adapters.commands import RealCommands
from penstock.adapters.files import RealFiles, keep_out_of_git
from penstock.operations.world import Origin, World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock.adapters.aws.session import AwsSession
    from penstock.adapters.builder import Builder
    from penstock.adapters.local_aws import LocalAwsProcess
    from penstock.adapters.terraform import TerraformCli
    from penstock.model.artifact import Target
    from penstock.model.workspace import Environment, Workspace
    from penstock.operations.build_cache import RemoteBuilds
    from penstock.ports import Clock, EventSink, Interpreters, ObjectStore, Signer
    from penstock.workspace.source import Source

FAULT_VARIABLE, RECORD_VARIABLE = "PENSTOCK_TESTING_FAULT", "PENSTOCK_TESTING_RECORD"
"""Tests kill the process at an effect, or record all of them; see `penstock.testing.faults`."""
OWN_FOLDER = ".penstock"
"""Everything of ours in a workspace that is not for committing: caches, working files, the embedded AWS's state."""


class Wiring:
    """One workspace, seen from one environment: its parts, each made when it is first asked for.

    Args:
        root: the folder with penstock.toml.
        environment: its name in penstock.toml.
        events: takes everything that happens.
        environ: the process's environment.
    """

    def __init__(
        self,
        root: Path,
        environment: str,
        *,
        events: EventSink,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root.resolve()
        self.environment = environment
        self._events = events
        self._environ = dict(os.environ) if environ is None else environ

    @cached_property
    def source(self) -> Source:
        """The workspace's tree as it is now."""
        from penstock.adapters.workspace_files import read_source  # noqa: PLC0415

        return read_source(self.root)

    @cached_property
    def workspace(self) -> Workspace:
        """Resolved for the environment. Raises WorkspaceInvalid with all problems."""
        from penstock.adapters.workspace_opened import Opened  # noqa: PLC0415

        cache = self.root / OWN_FOLDER / "cache"
        return Opened(self.root, self.environment, cache, SystemClock()).workspace()

    @cached_property
    def interpreters(self) -> Interpreters:
        """The language runtimes of this machine."""
        from penstock.adapters.interpreters import RealInterpreters  # noqa: PLC0415

        return RealInterpreters(RealCommands(), self.root / OWN_FOLDER / "cache" / "interpreters.json")

    @cached_property
    def builder(self) -> Builder:
        """Makes artifacts, cached below the workspace."""
        from penstock.adapters.builder import Builder  # noqa: PLC0415
        from penstock.adapters.commands_told import ToldCommands  # noqa: PLC0415

        keep_out_of_git(self.root / OWN_FOLDER)
        cache = self.root / OWN_FOLDER / "cache"
        return Builder(
            self.root,
            ToldCommands(RealCommands(), self._events, SystemClock()),
            cache,
            self._events,
            SystemClock(),
            interpreters=self.interpreters,
            elsewhere=self._remote_builds,
        )

    def _remote_builds(self) -> RemoteBuilds | None:
        """The environment's build cache, unless it is switched off or would have to be waited for.

        A build starts no embedded AWS and, without credentials in sight, asks no metadata service for some.
        """
        from penstock.adapters.aws_environ import has_credentials  # noqa: PLC0415

        environment = self.workspace.environment
        if not environment.build_cache:
            return None
        if "world" not in self.__dict__:  # a deploy is on its way there in any case
            if environment.is_local and not self._runs_locally():
                return None
            if self.endpoint(environment) is None and not has_credentials(self._environ):
                return None
        from penstock.model.events import Note  # noqa: PLC0415
        from penstock.operations.build_cache import RemoteBuilds  # noqa: PLC0415

        return RemoteBuilds(
            self._objects,
            self._signer,
            self.workspace.name,
            lambda text: self._events.emit(Note(text=text, level="warning")),
        )

    def _runs_locally(self) -> bool:
        """Whether the embedded AWS of this workspace answers; somebody else's at its port is not ours."""
        from penstock.model.errors import LocalAwsFault  # noqa: PLC0415

        try:
            return self.local_aws.status().pid is not None
        except LocalAwsFault:
            return False

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        """What every unit is built for; one note for each runtime that this machine lacks."""
        from penstock.build.targets import targets  # noqa: PLC0415
        from penstock.model.events import Note  # noqa: PLC0415

        found, notes = targets(self.workspace, self.interpreters, sys.platform)
        for text in notes:
            self._events.emit(Note(text=text, level="warning"))
        return found

    @cached_property
    def local_aws(self) -> LocalAwsProcess:
        """The embedded AWS of this workspace."""
        from penstock.adapters.local_aws import LocalAwsProcess, port_from  # noqa: PLC0415
        from penstock.adapters.node_sdk import link_node_sdk  # noqa: PLC0415

        return LocalAwsProcess(
            state=self.root / OWN_FOLDER / "local",
            port=port_from(self._environ),
            interpreters=self.interpreters,
            environ=self._environ,
            node_sdk=link_node_sdk(self.root, self.root / OWN_FOLDER / "node-sdk"),
        )

    def endpoint(self, environment: Environment) -> str | None:
        """The URL that stands for AWS in an environment, or None for AWS itself."""
        return self.local_aws.url if environment.is_local else environment.endpoint

    @cached_property
    def terraform(self) -> TerraformCli:
        """Terraform with the environment's credentials."""
        from penstock.adapters.aws_environ import overrides  # noqa: PLC0415
        from penstock.adapters.terraform import TerraformCli  # noqa: PLC0415

        environment = self.workspace.environment
        return TerraformCli(
            workspace=self.root,
            environ=self._environ,
            overrides=overrides(environment, self.endpoint(environment), self._environ),
            events=self._events,
            checks_once=environment.is_local,
        )

    @cached_property
    def _session(self) -> AwsSession:
        from penstock.adapters.aws.session import AwsSession  # noqa: PLC0415
        from penstock.adapters.local_caller import named_caller  # noqa: PLC0415

        environment = self.workspace.environment
        return AwsSession(
            account=environment.account,
            region=environment.region,
            endpoint=self.endpoint(environment),
            caller=named_caller(self._environ),
        )

    @cached_property
    def _objects(self) -> ObjectStore:
        from penstock.adapters.aws.store import AwsObjectStore  # noqa: PLC0415

        return AwsObjectStore(self._session, self.workspace.store_bucket)

    @cached_property
    def _signer(self) -> Signer:
        from penstock.adapters.aws.signer import AwsSigner  # noqa: PLC0415
        from penstock.adapters.file_signer import FileSigner  # noqa: PLC0415

        if self.workspace.environment.signing == "local":
            return FileSigner(self.root / OWN_FOLDER / "keys" / f"{self.workspace.prefix}.pem")
        return AwsSigner(self._session, self.workspace.signing_alias)

    @cached_property
    def world(self) -> World:
        """All ports of the environment; the embedded AWS is started when it lives there."""
        from penstock.adapters.aws.alarms import AwsAlarms  # noqa: PLC0415
        from penstock.adapters.aws.functions import AwsFunctions  # noqa: PLC0415
        from penstock.adapters.aws.gateway import AwsGateway  # noqa: PLC0415
        from penstock.adapters.aws.health import AwsHealth  # noqa: PLC0415
        from penstock.adapters.aws.identity import AwsIdentity  # noqa: PLC0415
        from penstock.adapters.aws.metrics import AwsMetrics  # noqa: PLC0415
        from penstock.adapters.aws.notices import AwsNotices  # noqa: PLC0415
        from penstock.adapters.aws.parameters import AwsParameters  # noqa: PLC0415
        from penstock.adapters.aws.schedules import AwsSchedules  # noqa: PLC0415
        from penstock.adapters.aws.secrets import AwsSecrets  # noqa: PLC0415
        from penstock.adapters.git import commit_and_branch  # noqa: PLC0415
        from penstock.adapters.modules import shipped_modules  # noqa: PLC0415
        from penstock.adapters.processes import is_alive, this_machine  # noqa: PLC0415
        from penstock.adapters.webhooks import HttpWebhooks  # noqa: PLC0415
        from penstock.operations.store_clock import StoreClock  # noqa: PLC0415

        workspace = self.workspace
        environment = workspace.environment
        clock: Clock = SystemClock()
        faster: Clock | None = None
        if environment.is_local:
            started = self.local_aws.start()
            if started.time_scale != 1:  # and by this very machine
                faster = ScaledClock(scale=started.time_scale, origin=started.time_origin)
        session = self._session
        traffic_clock = faster or StoreClock(clock, self._objects, self._events)
        commands = RealCommands()
        commit, branch, dirty = commit_and_branch(commands, self.root, self._environ)
        world = World(
            root=self.root,
            workspace=workspace,
            origin=Origin(commit=commit, branch=branch, dirty=dirty, ci=bool(self._environ.get("CI"))),
            run=uuid.uuid4().hex[:12],
            host=this_machine(),
            clock=clock,
            traffic_clock=traffic_clock,
            events=self._events,
            files=RealFiles(),
            commands=commands,
            interpreters=self.interpreters,
            identity=AwsIdentity(session),
            objects=self._objects,
            functions=AwsFunctions(session),
            gateway=AwsGateway(session),
            parameters=AwsParameters(session),
            schedules=AwsSchedules(session),
            secrets=AwsSecrets(session),
            signer=self._signer,
            health=AwsHealth(session, traffic_clock),
            metrics=AwsMetrics(session),
            alarms=AwsAlarms(session),
            notices=AwsNotices(session),
            webhooks=HttpWebhooks(),
            terraform=self.terraform,
            builds=lambda: self.builder,
            modules=shipped_modules,
            controller=_controller_code,
            process_alive=is_alive,
        )
        if RECORD_VARIABLE not in self._environ and FAULT_VARIABLE not in self._environ:
            return world
        from penstock.testing.faults import from_environment  # noqa: PLC0415

        faults = from_environment(self._environ)
        return faults.wrap_fields(world) if faults else world


def _controller_code() -> bytes:
    from penstock.adapters.controller_code import controller_code  # noqa: PLC0415 - only a rollout asks

    return controller_code()
