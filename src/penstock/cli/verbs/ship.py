"""The verbs that ship: build, plan, deploy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_environment, in_first_environment
from penstock.cli.group import Verb
from penstock.cli.output import say, table, talk
from penstock.cli.render.sink import SHORT_DIGEST, size
from penstock.cli.render.stopwatch import Stopwatch
from penstock.cli.shipping import complete_service, lock_timeout_option, service_option, show_end
from penstock.model.errors import BuildsFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.cli.settings import Settings
    from penstock.model.artifact import Artifact
    from penstock.model.plan import Objection, Plan
    from penstock.operations.wanted import Deployed
    from penstock.operations.world import Confirm

_SLOWEST = 12
"""Steps that `build --timings` shows."""
PLAN_HAS_CHANGES = 2
"""The exit code of `plan --detailed-exitcode`, as Terraform's."""

_STRATEGIES = ("all-at-once", "linear", "canary", "blue-green", "custom")
"""The keys of `rollout.strategies.STRATEGIES`, which is not loaded for `--help`; a test compares them."""


_auto_approve = click.option(
    "-y", "--auto-approve", is_flag=True, help="Approve without being asked; recorded with who gave it."
)


@click.command("build", cls=Verb)
@click.argument("names", nargs=-1, metavar="[packages|services|NAME…]", shell_complete=complete_service)
@click.option("--clean", is_flag=True, help="Forget the cache first.")
@click.option("--timings", is_flag=True, help="Show the slowest steps at the end.")
@click.pass_obj
def build(settings: Settings, names: tuple[str, ...], clean: bool, timings: bool) -> None:
    """Build packages, services, or some of them by name.

    Without a name everything. What was built from the same inputs before comes from the cache. Without an environment
    it is built for the first one in penstock.toml: what to build for depends on where it goes. What fails does not
    stop the rest, and is listed at the end.
    """
    watch = Stopwatch(settings.events)
    settings.events = watch
    try:
        _show_artifacts(settings, in_first_environment(settings).build(names, clean=clean))
    except BuildsFailed as failed:
        _show_artifacts(settings, failed.made)
        raise
    finally:
        if timings:
            _show_timings(settings, watch)


def _show_timings(settings: Settings, watch: Stopwatch) -> None:
    settings.events.close()
    rows = [
        {
            "step": one.step,
            "times": one.times,
            "seconds": round(one.seconds, 3) if settings.json else f"{one.seconds:.2f}",
        }
        for one in watch.slowest(_SLOWEST)
    ]
    if rows:
        table(settings, rows, columns=["seconds", "times", "step"], kind="timing")


def _show_artifacts(settings: Settings, artifacts: Sequence[Artifact]) -> None:
    settings.events.close()
    rows = [
        {
            "unit": artifact.unit,
            "target": str(artifact.target),
            "size": artifact.size if settings.json else size(artifact.size),
            "digest": artifact.digest if settings.json else artifact.digest[:SHORT_DIGEST],
            "from": "cache" if artifact.cached else "build",
            "delta": artifact.delta if settings.json else _delta(artifact.delta),
            "time": round(artifact.seconds, 3) if settings.json else f"{artifact.seconds:.1f} s",
            "path": artifact.path,
            "sbom": artifact.sbom,
        }
        for artifact in artifacts
    ]
    if rows:
        columns = ["unit", "target", "size", "delta", "digest", "from", "time"]
        table(settings, rows, columns=columns, kind="artifact", numbers=("size", "delta", "time"), spare=("digest",))


def _delta(change: int | None) -> str:
    """How much a ZIP has grown since the build before."""
    if not change:
        return "" if change is None else "="
    return f"{'+' if change > 0 else '-'}{size(abs(change))}"


@click.command("plan", cls=Verb)
@service_option
@click.option("--from", "source", metavar="ENVIRONMENT", help="Plan to take that environment's release.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when something would change, as Terraform does.")
@click.pass_obj
def plan(settings: Settings, services: tuple[str, ...], source: str | None, detailed_exitcode: bool) -> int:
    """Say what a deploy would do; nothing that runs is changed.

    What `render` writes is written, as by a deploy. Refused with exit code 4 while somebody changes the environment: it
    would be a plan of a half-made one.
    """
    reached = in_environment(settings).deploy(
        services=services,
        plan_only=True,
        auto_approve=False,
        strategy=None,
        slot=None,
        source=source,
        allow_destroy=(),
        confirm=_nobody,
    )
    _show_plan(settings, reached)
    changes = reached.plan is not None and not reached.plan.is_empty
    return PLAN_HAS_CHANGES if detailed_exitcode and changes else 0


@click.command("deploy", cls=Verb)
@service_option
@click.option("--plan-only", is_flag=True, help="As `penstock plan`.")
@_auto_approve
@click.option(
    "--strategy",
    type=click.Choice(_STRATEGIES),
    help="How traffic moves, this time.",
)
@click.option(
    "--slot", type=click.Choice(["staging", "production"]), help="staging: load the idle slot and stop there."
)
@click.option("--from", "source", metavar="ENVIRONMENT", help="Take that environment's release: the same bytes.")
@click.option("--detach", is_flag=True, help="Leave the rollout to the controller in the account, and return.")
@click.option("--allow-destroy", multiple=True, metavar="ADDRESS", help="Let this resource go, with the data in it.")
@lock_timeout_option()
@click.pass_obj
def deploy(
    settings: Settings,
    *,
    services: tuple[str, ...],
    plan_only: bool,
    auto_approve: bool,
    strategy: str | None,
    slot: str | None,
    source: str | None,
    detach: bool,
    allow_destroy: tuple[str, ...],
    lock_timeout: float,
) -> None:
    """Make an environment what the files say.

    Build, plan, apply, publish, verify, move traffic; only what changed is touched. Prints the URL, and nothing else,
    on standard output.
    """
    reached = in_environment(settings).deploy(
        services=services,
        plan_only=plan_only,
        auto_approve=auto_approve,
        strategy=strategy,
        slot=slot,
        source=source,
        allow_destroy=allow_destroy,
        detach=detach,
        lock_timeout=lock_timeout,
        confirm=_asking(settings),
    )
    if plan_only:
        _show_plan(settings, reached)
    else:
        show_end(settings, reached)


def _nobody(plan: Plan, objections: Sequence[Objection]) -> bool:  # noqa: ARG001 - the signature of Confirm
    return False


def _asking(settings: Settings) -> Confirm:
    """Asks on the terminal; without one nobody is asked, and the answer is no."""

    def ask(plan: Plan, objections: Sequence[Objection]) -> bool:
        if settings.json:
            return False  # the stream has the plan already
        from penstock.operations.summary import brief, summary  # noqa: PLC0415

        settings.events.close()
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            talk(brief(plan))
            return False
        talk(summary(plan))
        for objection in objections:
            talk(f"! {objection.what}")
        typed: str = click.prompt(f"Type {plan.environment} to approve exactly this plan", default="", err=True)
        return typed.strip() in {plan.environment, "yes"}

    return ask


def _show_plan(settings: Settings, reached: Deployed) -> None:
    settings.events.close()
    if reached.plan is None or settings.json:
        return  # the stream has it already, as `plan-ready`
    from penstock.operations.summary import summary  # noqa: PLC0415

    say(summary(reached.plan, reached.forecast or ""))
