"""Wiring, and the public Python API: `Penstock(root, "dev").deploy()` is what `penstock deploy -e dev` does.

Adapters are chosen here and nowhere else; whether an environment lives in the embedded AWS or on AWS is decided here
by its `endpoint` alone. What is slow to import is imported when it is first needed.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from functools import cached_property
from typing import TYPE_CHECKING

from penstock.adapters.clock import ScaledClock, SystemClock
from penstock.adapters.commands import RealCommands
from penstock.adapters.files import RealFiles
from penstock.operations.world import Origin, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from penstock.adapters.aws.session import AwsSession
    from penstock.adapters.builder import Builder
    from penstock.adapters.local_aws import LocalAwsProcess
    from penstock.adapters.terraform import TerraformCli
    from penstock.build.changes import Reason
    from penstock.build.weight import Weight
    from penstock.model.artifact import Artifact, Target
    from penstock.model.plan import Approval, Objection, Plan
    from penstock.model.workspace import Environment, Secret, Workspace
    from penstock.operations.abort import Aborted
    from penstock.operations.audit import Audit
    from penstock.operations.build_cache import RemoteBuilds
    from penstock.operations.orders import Told
    from penstock.operations.status import ReleaseLine, RolloutStatus, Status
    from penstock.operations.switch import Moved
    from penstock.operations.wanted import Deployed
    from penstock.operations.world import Confirm
    from penstock.ports import Clock, EventSink, Interpreters, ObjectStore, Signer
    from penstock.rehearsal.faults import Fault
    from penstock.rehearsal.report import Seen
    from penstock.rehearsal.requests import Request
    from penstock.release.retain import Prunable
    from penstock.rollout.state import Verb
    from penstock.workspace.source import Source

FAULT_VARIABLE, RECORD_VARIABLE = "PENSTOCK_TESTING_FAULT", "PENSTOCK_TESTING_RECORD"
"""Tests kill the process at an effect, or record all of them; see `penstock.testing.faults`."""
OWN_FOLDER = ".penstock"
"""Everything of ours in a workspace that is not for committing: caches, working files, the embedded AWS's state."""


def nobody(plan: Plan, objections: Sequence[Objection]) -> bool:  # noqa: ARG001 - the Confirm protocol
    """Confirm for when there is no terminal: the answer is no."""
    return False


class Penstock:
    """One workspace, seen from one environment.

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

    @classmethod
    def open(cls, root: Path, environment: str, *, events: EventSink, environ: Mapping[str, str]) -> Penstock:
        """As the command line does it."""
        return cls(root, environment, events=events, environ=environ)

    # ------------------------------------------------------------------------------------------ verbs

    def build(self, names: Sequence[str] = (), *, clean: bool = False) -> Sequence[Artifact]:
        """Build `packages`, `services`, some by name, or (none given) everything; the artifacts.

        Whatever fails does not stop the rest. Raises BuildsFailed with everything that did.
        """
        from penstock.model.errors import BuildsFailed  # noqa: PLC0415

        if clean:
            self.builder.forget()
        failed: BuildsFailed | None = None
        if not names or "packages" in names:
            try:
                self.builder.build_packages(self.workspace)
            except BuildsFailed as error:
                failed = error
        services = [name for name in names if name not in ("packages", "services")]
        made: Sequence[Artifact] = ()
        if not names or services or "services" in names:
            wanted = None if "services" in names else services or None
            try:
                made = self.builder.build(self.workspace, wanted, self.targets)
            except BuildsFailed as error:
                failed = failed + error if failed else error
        if failed is not None:
            raise BuildsFailed(failed.failures, total=failed.total, made=failed.made or tuple(made))
        return made

    def validate(self) -> Workspace:
        """The workspace, when its files are right and its sources are such that a build can begin.

        Raises WorkspaceInvalid with all problems of the files, or else with those of the sources.
        """
        from penstock.model.errors import WorkspaceInvalid  # noqa: PLC0415

        found = self.builder.problems(self.workspace)
        if found:
            raise WorkspaceInvalid(found)
        return self.workspace

    def why(self, names: Sequence[str]) -> Sequence[Reason]:
        """Which inputs of these services changed since their last build; builds nothing."""
        return self.builder.why(self.workspace, names, self.targets)

    def affected(self, since: str) -> Mapping[str, Sequence[str]]:
        """Services that changes since a commit touch, each with the files; builds nothing. Raises UsageError."""
        from penstock.adapters.git import changed_since, text_at  # noqa: PLC0415 - one verb asks

        commands = RealCommands()
        changed = changed_since(commands, self.root, since)
        return self.builder.affected(self.workspace, changed, lambda path: text_at(commands, self.root, since, path))

    def weigh(self, service: str, depth: int = 2) -> Sequence[tuple[Artifact, Sequence[Weight]]]:
        """What weighs what in a service's artifacts, built when they are not up to date."""
        return [(artifact, self.builder.weigh(artifact, depth)) for artifact in self.build((service,))]

    def render(self) -> Sequence[Path]:
        """Write the Terraform roots of all environments; the files that changed."""
        from penstock.operations.render import render  # noqa: PLC0415 - start-up counts

        return render(RealFiles(), self._rendered())

    def check_rendered(self) -> None:
        """Raise PenstockError when a generated file is not current."""
        from penstock.operations.render import check  # noqa: PLC0415

        check(RealFiles(), self.root, self._rendered())

    def deploy(
        self,
        *,
        services: Sequence[str] = (),
        plan_only: bool = False,
        auto_approve: bool = False,
        strategy: str | None = None,
        slot: str | None = None,
        source: str | None = None,
        allow_destroy: Sequence[str] = (),
        confirm: Confirm = nobody,
    ) -> Deployed:
        """Ship the workspace's current state, or another environment's release.

        Args:
            services: only these; empty for all.
            plan_only: say what would happen, and change nothing.
            auto_approve: a yes given beforehand, recorded.
            strategy: instead of the environment's.
            slot: `staging` loads the idle slot and stops there, which is blue-green.
            source: the environment whose live release is promoted.
            allow_destroy: addresses of data-bearing resources that may go.
            confirm: asks the person.
        """
        from penstock.operations.deploy import deploy  # noqa: PLC0415
        from penstock.operations.wanted import DeployRequest  # noqa: PLC0415

        request = DeployRequest(
            services=tuple(services),
            plan_only=plan_only,
            auto_approve=auto_approve,
            strategy="blue-green" if slot == "staging" else strategy,
            source=None if source is None else self.beside(source).world,
            allow_destroy=tuple(allow_destroy),
        )
        return deploy(self.world, request, self.targets, confirm)

    def switch(self) -> Moved:
        """Send traffic to the release that waits."""
        from penstock.operations.switch import switch  # noqa: PLC0415

        return switch(self.world)

    def tell(self, verb: Verb, *, why: str = "") -> Told:
        """Say something to the rollout under way: pause, resume, promote."""
        from penstock.operations.orders import tell  # noqa: PLC0415

        return tell(self.world, verb, why=why)

    def promote(self, *, why: str = "") -> Told | Moved:
        """Send all traffic to the candidate: of the rollout under way, or the one that waits."""
        from penstock.operations.orders import tell  # noqa: PLC0415
        from penstock.operations.rollout_store import RolloutStore  # noqa: PLC0415

        if RolloutStore(self.world.objects).under_way() is None:
            return self.switch()
        return tell(self.world, "promote", why=why)

    def abort(self, *, why: str = "") -> Aborted:
        """Drop the release that waits or has a share of the traffic; all of it goes to the live one."""
        from penstock.operations.abort import abort  # noqa: PLC0415

        return abort(self.world, why=why)

    def rollback(self, *, to: str | None = None, services: Sequence[str] = ()) -> Moved:
        """Go back to the release before, a named one, or with some services only."""
        from penstock.operations.switch import rollback  # noqa: PLC0415

        return rollback(self.world, to=to, services=services)

    def approve(self, what: str, *, why: str = "") -> Approval | Told:
        """Say yes, as the STS caller, to a saved plan or to the step of a release's rollout that waits for it."""
        from penstock.operations.approve import approve  # noqa: PLC0415

        return approve(self.world, what, why=why)

    def rehearse(
        self,
        *,
        faults: Sequence[Fault] = (),
        requests: Sequence[Request] = (),
        rate: float,
        scale: float,
        before: float,
        strategy: str | None = None,
        stable: str | None = None,
        tell: Callable[[str], None],
    ) -> Seen:
        """Ship the workspace's state in an embedded AWS of its own; what was seen there.

        Args:
            faults: what goes wrong.
            requests: what callers ask; none for the health routes.
            rate: requests per second.
            scale: how much faster CloudWatch's clock runs.
            before: minutes of CloudWatch's with callers before the candidate comes.
            strategy: instead of the environment's; `canary` where that one moves all traffic at once.
            stable: the commit that is live before; None for the files as they are.
            tell: says a line about how far it is.
        """
        from penstock.adapters.load import Load  # noqa: PLC0415
        from penstock.adapters.rehearsal import scene  # noqa: PLC0415
        from penstock.operations.rehearse import Rehearsing, rehearse  # noqa: PLC0415
        from penstock.rehearsal.requests import healths  # noqa: PLC0415
        from penstock.rollout.strategies import STRATEGIES, is_weighted  # noqa: PLC0415

        policy = self.workspace.environment.rollout
        own = strategy or policy.strategy
        if not is_weighted(STRATEGIES[own](policy)):
            tell(f"the environment's strategy, {own}, moves all traffic at once: a canary is rehearsed instead")
            own = "canary"
        wanted = Rehearsing(
            faults=tuple(faults),
            requests=tuple(requests) or healths(self.workspace),
            rate=rate,
            scale=scale,
            before=before,
            strategy=own,
            stable=stable,
        )
        self.build(("services",))  # here, where its errors belong; the copy builds from the same cache
        with scene(self.root, self._environ, self.interpreters, scale=scale) as place:
            return rehearse(self.workspace, place, wanted, load=Load, tell=tell)

    def status(self) -> Status:
        """What is live, what waits, and how it does."""
        from penstock.operations.status import status  # noqa: PLC0415

        return status(self.world)

    def rollout(self) -> RolloutStatus | None:
        """The rollout under way."""
        from penstock.operations.status import rollout_status  # noqa: PLC0415

        return rollout_status(self.world)

    def audit(self) -> Audit:
        """The environment's history, and whether its chain holds."""
        from penstock.operations.audit import audit  # noqa: PLC0415

        return audit(self.world)

    def releases(self) -> Sequence[ReleaseLine]:
        """Every release, newest promotion first."""
        from penstock.operations.status import releases  # noqa: PLC0415

        return releases(self.world)

    def unlock(self, *, force: bool = False) -> str:
        """Free a lease and a Terraform lock that dead processes left; what was done, in words."""
        from penstock.operations.holder import unlock  # noqa: PLC0415
        from penstock.operations.state_lock import free_state_lock  # noqa: PLC0415

        lease = unlock(self.world, force=force)
        state = free_state_lock(self.world, force=force)
        return f"{lease}\n{state}" if state else lease

    def prune(self, *, keep: int | None = None, dry_run: bool = False) -> Prunable:
        """Delete versions, deployments, artifacts and releases that nothing refers to."""
        from penstock.operations.prune import prune  # noqa: PLC0415
        from penstock.release.retain import KEEP  # noqa: PLC0415

        return prune(self.world, keep=KEEP if keep is None else keep, dry_run=dry_run)

    def set_secret(self, name: str, value: str) -> None:
        """Give a secret its value."""
        from penstock.operations.secrets import set_secret  # noqa: PLC0415

        set_secret(self.world, name, value)

    def list_secrets(self) -> Sequence[tuple[Secret, bool]]:
        """Every secret, and whether it has a value."""
        from penstock.operations.secrets import list_secrets  # noqa: PLC0415

        return list_secrets(self.world)

    def beside(self, environment: str) -> Penstock:
        """The same workspace seen from another environment."""
        return Penstock(self.root, environment, events=self._events, environ=self._environ)

    def _rendered(self) -> Mapping[Path, bytes]:
        from penstock.adapters.modules import shipped_modules  # noqa: PLC0415
        from penstock.operations.render import wanted_files  # noqa: PLC0415
        from penstock.workspace.load import environments, load  # noqa: PLC0415

        workspaces = [load(self.source, name) for name in environments(self.source)]
        return wanted_files(self.root, workspaces, shipped_modules())

    # ------------------------------------------------------------------------------------------ wiring

    @cached_property
    def source(self) -> Source:
        """The workspace's tree as it is now."""
        from penstock.adapters.workspace_files import read_source  # noqa: PLC0415

        return read_source(self.root)

    @cached_property
    def workspace(self) -> Workspace:
        """Resolved for the environment. Raises WorkspaceInvalid with all problems."""
        from penstock.adapters.workspace_memory import load_remembered  # noqa: PLC0415

        return load_remembered(self.source, self.environment, self.root / OWN_FOLDER / "cache" / "sound")

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
        from penstock.model.events import Note  # noqa: PLC0415
        from penstock.operations.build_cache import RemoteBuilds  # noqa: PLC0415

        environment = self.workspace.environment
        if not environment.build_cache:
            return None
        if "world" not in self.__dict__:  # a deploy is on its way there in any case
            if environment.is_local and self.local_aws.status().pid is None:
                return None
            if self.endpoint(environment) is None and not has_credentials(self._environ):
                return None
        return RemoteBuilds(
            self._objects,
            self._signer,
            self.workspace.name,
            lambda text: self._events.emit(Note(text=text, level="warning")),
        )

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
        from penstock.adapters.aws.secrets import AwsSecrets  # noqa: PLC0415
        from penstock.adapters.git import commit_and_branch  # noqa: PLC0415
        from penstock.adapters.modules import shipped_modules  # noqa: PLC0415
        from penstock.adapters.processes import is_alive  # noqa: PLC0415

        workspace = self.workspace
        environment = workspace.environment
        clock: Clock = SystemClock()
        traffic_clock = clock
        if environment.is_local:
            started = self.local_aws.start()
            if started.time_scale != 1:
                traffic_clock = ScaledClock(scale=started.time_scale, origin=started.time_origin)
        session = self._session
        commands = RealCommands()
        commit, branch, dirty = commit_and_branch(commands, self.root, self._environ)
        world = World(
            root=self.root,
            workspace=workspace,
            origin=Origin(commit=commit, branch=branch, dirty=dirty, ci=bool(self._environ.get("CI"))),
            run=uuid.uuid4().hex[:12],
            host=socket.gethostname(),
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
            secrets=AwsSecrets(session),
            signer=self._signer,
            health=AwsHealth(session, traffic_clock),
            metrics=AwsMetrics(session),
            alarms=AwsAlarms(session),
            notices=AwsNotices(session),
            terraform=self.terraform,
            builds=lambda: self.builder,
            modules=shipped_modules,
            process_alive=is_alive,
        )
        if RECORD_VARIABLE not in self._environ and FAULT_VARIABLE not in self._environ:
            return world
        from penstock.testing.faults import from_environment  # noqa: PLC0415

        faults = from_environment(self._environ)
        return faults.wrap_fields(world) if faults else world
