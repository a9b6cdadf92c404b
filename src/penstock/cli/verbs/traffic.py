"""The verbs that move traffic, or say something to the rollout that moves it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_environment
from penstock.cli.group import Verb
from penstock.cli.output import put, talk
from penstock.cli.shipping import lock_timeout_option, service_option, show_end

if TYPE_CHECKING:
    from penstock.cli.settings import Settings
    from penstock.operations.orders import Told
    from penstock.operations.switch import Moved

_GIVES_WAY = (
    "Wait so long for whoever changes the environment, who is asked to give way, but for --service; 0s: exit 4 at once."
)
_why = click.option("--why", default="", metavar="TEXT", help="Recorded with who said it.")


@click.command("promote", cls=Verb)
@_why
@lock_timeout_option()
@click.pass_obj
def promote(settings: Settings, why: str, lock_timeout: float) -> None:
    """Send all traffic to the candidate, now.

    Ends the rollout under way, also one that another process drives, whatever the judge knows. Without a rollout it
    is `penstock switch`: the release that waits in the idle slot goes live.
    """
    _show_told(settings, in_environment(settings).promote(why=why, lock_timeout=lock_timeout))


@click.command("switch", cls=Verb)
@_why
@lock_timeout_option()
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
@lock_timeout_option()
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
@service_option
@_why
@lock_timeout_option("10m", _GIVES_WAY)
@click.pass_obj
def rollback(settings: Settings, to: str | None, services: tuple[str, ...], why: str, lock_timeout: float) -> None:
    """Send traffic back to an earlier release, at once.

    A command that has just promoted the live release and still tests it takes it back itself.
    """
    opened = in_environment(settings)
    show_end(settings, opened.rollback(to=to, services=services, why=why, lock_timeout=lock_timeout))


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


def _show_told(settings: Settings, told: Told | Moved) -> None:
    """How a word to a rollout ended; without a rollout, how the move of traffic did."""
    from penstock.operations.orders import Told  # noqa: PLC0415 - only here

    if not isinstance(told, Told):
        show_end(settings, told)
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
