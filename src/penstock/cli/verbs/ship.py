"""The verbs that ship: build, plan, deploy, switch, rollback, unlock."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_environment, in_first_environment
from penstock.cli.group import Verb
from penstock.cli.output import put, say, table, talk
from penstock.cli.render.sink import SHORT_DIGEST, size
from penstock.cli.render.stopwatch import Stopwatch
from penstock.cli.settings import Settings, service_names
from penstock.model.errors import BuildsFailed, PenstockError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.model.artifact import Artifact
    from penstock.model.plan import Objection, Plan
    from penstock.operations.orders import Told
    from penstock.operations.switch import Moved
    from penstock.operations.wanted import Deployed
    from penstock.operations.world import Confirm

_SLOWEST = 12
"""Steps that `build --timings` shows."""
PLAN_HAS_CHANGES = 2
"""The exit code of `plan --detailed-exitcode`, as Terraform's."""

_STRATEGIES = ("all-at-once", "linear", "canary", "blue-green", "custom")
"""The keys of `rollout.strategies.STRATEGIES`, which is not loaded for `--help`; a test compares them."""


def _complete_service(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    try:
        return [name for name in service_names(ctx.ensure_object(Settings).root) if name.startswith(incomplete)]
    except PenstockError:
        return []


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    from penstock.workspace.durations import seconds  # noqa: PLC0415 - only with the option

    try:
        return seconds(value)
    except ValueError as error:
        raise click.BadParameter(f'"{value}" is not a duration; write one such as 90s, 5m or 1h') from error


_service = click.option(
    "--service",
    "services",
    multiple=True,
    metavar="NAME",
    shell_complete=_complete_service,
    help="Only this service; may be given several times.",
)
_auto_approve = click.option(
    "-y", "--auto-approve", is_flag=True, help="Approve without being asked; recorded with who gave it."
)


_lock_timeout = click.option(
    "--lock-timeout",
    callback=_seconds,
    default="0s",
    metavar="DURATION",
    help="Wait so long (10m, 90s) while somebody else changes the environment; else exit 4 at once.",
)


@click.command("build", cls=Verb)
@click.argument("names", nargs=-1, metavar="[packages|services|NAME…]", shell_complete=_complete_service)
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
        table(settings, rows, columns=columns, kind="artifact", numbers=("size", "delta", "time"))


def _delta(change: int | None) -> str:
    """How much a ZIP has grown since the build before."""
    if not change:
        return "" if change is None else "="
    return f"{'+' if change > 0 else '-'}{size(abs(change))}"


@click.command("plan", cls=Verb)
@_service
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
    _show_plan(settings, reached.plan)
    changes = reached.plan is not None and not reached.plan.is_empty
    return PLAN_HAS_CHANGES if detailed_exitcode and changes else 0


@click.command("deploy", cls=Verb)
@_service
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
@_lock_timeout
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
        _show_plan(settings, reached.plan)
    else:
        _show_end(settings, reached)


_why = click.option("--why", default="", metavar="TEXT", help="Recorded with who said it.")


@click.command("promote", cls=Verb)
@_why
@_lock_timeout
@click.pass_obj
def promote(settings: Settings, why: str, lock_timeout: float) -> None:
    """Send all traffic to the candidate, now.

    Ends the rollout under way, also one that another process drives, whatever the judge knows. Without a rollout it
    is `penstock switch`: the release that waits in the idle slot goes live.
    """
    _show_told(settings, in_environment(settings).promote(why=why, lock_timeout=lock_timeout))


@click.command("switch", cls=Verb)
@_why
@_lock_timeout
@click.pass_obj
def switch(settings: Settings, why: str, lock_timeout: float) -> None:
    """Send traffic to the candidate in the idle slot.

    The name of `promote` for blue-green.
    """
    _show_told(settings, in_environment(settings).promote(why=why, lock_timeout=lock_timeout))


@click.command("pause", cls=Verb)
@_why
@click.pass_obj
def pause(settings: Settings, why: str) -> None:
    """Hold the rollout at its weight.

    The judge goes on watching and takes traffic back from what fails; the deadline stays.
    """
    _show_told(settings, in_environment(settings).tell("pause", why=why))


@click.command("resume", cls=Verb)
@_why
@click.pass_obj
def resume(settings: Settings, why: str) -> None:
    """Let a paused rollout go on.

    Also takes over a rollout whose process is gone.
    """
    _show_told(settings, in_environment(settings).tell("resume", why=why))


@click.command("abort", cls=Verb)
@_why
@_lock_timeout
@click.pass_obj
def abort(settings: Settings, why: str, lock_timeout: float) -> None:
    """Drop the candidate; all traffic goes to the live release.

    Also while another process drives its rollout. A deploy of the same files offers the release again.
    """
    dropped = in_environment(settings).abort(why=why, lock_timeout=lock_timeout)
    settings.events.close()
    if settings.json:
        put({"event": "result", **asdict(dropped)})
    elif dropped.changed:
        talk(f"{dropped.environment}: release {dropped.release} waits no more; {dropped.live} keeps the traffic")


@click.command("rollback", cls=Verb)
@click.option("--to", metavar="RELEASE", help="That release; else the last promoted one that was not rolled back.")
@_service
@_why
@click.option(
    "--lock-timeout",
    callback=_seconds,
    default="10m",
    metavar="DURATION",
    show_default=True,
    help="Wait so long for whoever changes the environment, who is asked to give way; 0s: exit 4 at once.",
)
@click.pass_obj
def rollback(settings: Settings, to: str | None, services: tuple[str, ...], why: str, lock_timeout: float) -> None:
    """Send traffic back to an earlier release, at once.

    A command that has just promoted the live release and still tests it takes it back itself.
    """
    opened = in_environment(settings)
    _show_end(settings, opened.rollback(to=to, services=services, why=why, lock_timeout=lock_timeout))


@click.command("approve", cls=Verb)
@click.argument("what", metavar="PLAN")
@_why
@click.pass_obj
def approve(settings: Settings, what: str, why: str) -> None:
    """Say yes to exactly one plan.

    PLAN is the id that `penstock plan` printed; another plan needs another yes, and each is good for a time
    (`approvals.expires`). For a rollout that waits for approvals it is the id of its release. Who approves is the STS
    caller.
    """
    from penstock.operations.orders import Told  # noqa: PLC0415 - only here

    opened = in_environment(settings)
    given = opened.approve(what, why=why)
    if isinstance(given, Told):
        _show_told(settings, given)
    elif settings.json:
        put({"event": "approved", **asdict(given)})
    else:
        from penstock.rollout.strategies import duration  # noqa: PLC0415 - only here

        good = duration(opened.world.workspace.environment.approvals.expires)
        talk(f"{given.by} approved plan {what}, for {good}: penstock deploy -e {settings.chosen_environment()}")


@click.command("unlock", cls=Verb)
@click.option("--force", is_flag=True, help="Also when the holder cannot be looked at from here (another machine).")
@click.pass_obj
def unlock(settings: Settings, force: bool) -> None:
    """Free a lease or lock whose process is gone.

    Says whose it was, and is refused while the holder lives.
    """
    told = in_environment(settings).unlock(force=force)
    if settings.json:
        put({"event": "unlocked", "what": told})
    else:
        talk(told)


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


def _show_plan(settings: Settings, plan: Plan | None) -> None:
    settings.events.close()
    if plan is None or settings.json:
        return  # the stream has it already, as `plan-ready`
    from penstock.operations.summary import summary  # noqa: PLC0415

    say(summary(plan))


def _show_told(settings: Settings, told: Told | Moved) -> None:
    """How a word to a rollout ended; without a rollout, how the move of traffic did."""
    from penstock.operations.orders import Told  # noqa: PLC0415 - only here

    if not isinstance(told, Told):
        _show_end(settings, told)
        return
    settings.events.close()
    if settings.json:
        put({"event": "result", **asdict(told)})
        return
    where = f"{told.environment}: release {told.release}"
    match told.outcome, told.verb:
        case "promoted", _:
            talk(f"{where} has all traffic")
        case None, "pause":
            talk(f"{where} stays at {told.weight} %\n  → to go on: penstock resume -e {told.environment}")
        case None, "approve":
            talk(f"{where} has your yes\n  → to see whether it goes on: penstock status -e {told.environment}")
        case _:
            talk(f"{where} goes on from {told.weight} %")


def _show_end(settings: Settings, reached: Deployed | Moved) -> None:
    """The last words on standard error, and the URL on standard output."""
    settings.events.close()
    if settings.json:
        put({"event": "result", **asdict(reached)})
        return
    if reached.changed:
        from penstock.cli.render.end import last_words  # noqa: PLC0415 - not for those who read JSON

        # On a terminal the URL of standard output follows at once.
        talk(last_words(reached, time.monotonic() - settings.began, with_url=not sys.stdout.isatty()))
    if reached.url:
        say(reached.url)
