"""The workspace's own smoke tests, against the release that has just gone live."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from penstock.operations.steps import step
from penstock.ports import Command, CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.operations.world import World

TIMEOUT = 600.0
"""Seconds that one script may take."""
TIMED_OUT = 124
"""As `timeout` of the shell has it."""


def smoke(world: World, url: str, *, unwanted: Callable[[], bool]) -> list[str]:
    """Run the scripts one after the other; what was wrong, a few lines each.

    Args:
        world: the environment.
        url: where the API answers.
        unwanted: whether nobody waits for an answer any more; a script that runs then is stopped.
    """
    failures: list[str] = []
    for script in world.workspace.environment.after.smoke:
        with step(world, f"smoke test {PurePosixPath(script).name}"):
            result = _run(world, _command(world, script, url, unwanted))
        if result is None:
            break
        if result.status != 0:
            said = "\n    ".join((result.stdout + result.stderr).strip().splitlines()[-10:])
            failures.append(f"  {script} ended with {result.status}:\n    {said}")
    return failures


def _command(world: World, script: str, url: str, unwanted: Callable[[], bool]) -> Command:
    return Command(
        argv=(str(world.root / script), url),
        cwd=world.root,
        env={"PENSTOCK_URL": url, "PENSTOCK_ENVIRONMENT": world.workspace.environment.name},
        timeout=TIMEOUT,
        unwanted=unwanted,
    )


def _run(world: World, command: Command) -> CommandResult | None:
    """How it ended; None when that is unwanted by now."""
    try:
        return world.commands.run(command)
    except InterruptedError:
        return None
    except TimeoutError as error:
        return CommandResult(status=TIMED_OUT, stdout="", stderr=str(error), seconds=TIMEOUT)
