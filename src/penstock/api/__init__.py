"""The public Python API: `Penstock(root, "dev").deploy()` is what `penstock deploy -e dev` does.

What is slow to import is imported when it is first needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.adapters.commands import RealCommands
from penstock.adapters.files import RealFiles
from penstock.api.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from penstock.build.changes import Reason
    from penstock.build.weight import Weight
    from penstock.model.artifact import Artifact
    from penstock.model.plan import Approval, Objection, Plan
    from penstock.model.rollouts import Request
    from penstock.model.workspace import Secret, Workspace
    from penstock.operations.abort import Aborted
    from penstock.operations.audit import Audit
    from penstock.operations.orders import Told
    from penstock.operations.status import ReleaseLine, RolloutStatus, Status
    from penstock.operations.switch import Moved
    from penstock.operations.wanted import Deployed
    from penstock.operations.world import Confirm
    from penstock.ports import EventSink
    from penstock.rehearsal.faults import Fault
    from penstock.rehearsal.report import Seen
    from penstock.release.retain import Prunable
    from penstock.rollout.state import GoingOn


def nobody(plan: Plan, objections: Sequence[Objection]) -> bool:  # noqa: ARG001 - the Confirm protocol
    """Confirm for when there is no terminal: the answer is no."""
    return False


class Penstock(Wiring):
    """One workspace, seen from one environment.

    Args:
        root: the folder with penstock.toml.
        environment: its name in penstock.toml.
        events: takes everything that happens.
        environ: the process's environment.
    """

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
        """Services that changes since this branch left a commit touch, each with the files; builds nothing.

        Raises UsageError when git cannot tell.
        """
        from penstock.adapters.git import changed_since, left_at, text_at  # noqa: PLC0415 - one verb asks

        commands = RealCommands()
        commit = left_at(commands, self.root, since)
        changed = changed_since(commands, self.root, commit)
        return self.builder.affected(self.workspace, changed, lambda path: text_at(commands, self.root, commit, path))

    def weigh(self, service: str, depth: int = 2) -> Sequence[tuple[Artifact, Sequence[Weight]]]:
        """What weighs what in a service's artifacts, built when they are not up to date."""
        made = self.builder.build(self.workspace, (service,), self.targets)
        return [(artifact, self.builder.weigh(artifact, depth)) for artifact in made]

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
        detach: bool = False,
        lock_timeout: float = 0.0,
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
            detach: leave the walk to the controller in the account, and return.
            lock_timeout: seconds to wait while somebody else changes the environment.
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
            detach=detach,
            lock_timeout=lock_timeout,
        )
        return deploy(self.world, request, self.targets, confirm)

    def switch(self, *, why: str = "", lock_timeout: float = 0.0) -> Moved:
        """Send traffic to the release that waits."""
        from penstock.operations.switch import switch  # noqa: PLC0415

        return switch(self.world, why=why, lock_timeout=lock_timeout)

    def tell(self, verb: GoingOn, *, why: str = "") -> Told:
        """Say something to the rollout under way: pause, resume, promote."""
        from penstock.operations.orders import tell  # noqa: PLC0415

        return tell(self.world, verb, why=why)

    def promote(self, *, why: str = "", lock_timeout: float = 0.0) -> Told | Moved:
        """Send all traffic to the candidate: of the rollout under way, or the one that waits."""
        from penstock.operations.orders import tell  # noqa: PLC0415
        from penstock.operations.rollout_store import RolloutStore  # noqa: PLC0415

        if RolloutStore(self.world.objects).under_way() is None:
            return self.switch(why=why, lock_timeout=lock_timeout)
        return tell(self.world, "promote", why=why, lock_timeout=lock_timeout)

    def abort(self, *, why: str = "", lock_timeout: float = 0.0) -> Aborted:
        """Drop the release that waits or has a share of the traffic; all of it goes to the live one."""
        from penstock.operations.abort import abort  # noqa: PLC0415

        return abort(self.world, why=why, lock_timeout=lock_timeout)

    def rollback(
        self, *, to: str | None = None, services: Sequence[str] = (), why: str = "", lock_timeout: float = 600.0
    ) -> Moved:
        """Go back to the release before, a named one, or with some services only.

        Whoever changes the environment is waited for `lock_timeout` seconds, and asked to give way unless only some
        services go back. Beside a rollout under way Locked at once, but for the plain form, which ends it.
        """
        from penstock.operations.switch import rollback  # noqa: PLC0415

        return rollback(self.world, to=to, services=services, why=why, lock_timeout=lock_timeout)

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
            requests: what callers ask; none for what `[synthetic]` says. Functions that nobody reaches by it are asked
                for their health.
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
        from penstock.rehearsal.requests import unasked  # noqa: PLC0415
        from penstock.rollout.strategies import STRATEGIES, is_weighted  # noqa: PLC0415

        policy = self.workspace.environment.rollout
        own = strategy or policy.strategy
        if not is_weighted(STRATEGIES[own](policy)):
            tell(f"the environment's strategy, {own}, moves all traffic at once: a canary is rehearsed instead")
            own = "canary"
        said = tuple(requests) or self.workspace.environment.synthetic.requests
        others = unasked(self.workspace, said)
        if said and others:
            tell(f"nobody asks {', '.join(others)}: their health routes are asked as well, or nobody could judge them")
        wanted = Rehearsing(
            faults=tuple(faults),
            requests=(*said, *others.values()),
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

    def rollout(self, *, ended: bool = False) -> RolloutStatus | None:
        """The rollout under way, or with `ended` the last one that was."""
        from penstock.operations.status import rollout_status  # noqa: PLC0415

        return rollout_status(self.world, ended=ended)

    def audit(self) -> Audit:
        """The environment's history, and whether its chain holds."""
        from penstock.adapters.git import times_of  # noqa: PLC0415
        from penstock.operations.audit import audit  # noqa: PLC0415

        return audit(self.world, lambda commits: times_of(RealCommands(), self.root, commits))

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
