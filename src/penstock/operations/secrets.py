"""Values of secrets: they go from a person, or a generator, straight to Secrets Manager, and nowhere else."""

from __future__ import annotations

import secrets as random_source
from typing import TYPE_CHECKING

from penstock.model.errors import UsageError
from penstock.operations.session import require_deployed
from penstock.operations.steps import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.model.workspace import Secret
    from penstock.operations.world import World


def set_secret(world: World, name: str, value: str) -> None:
    """Give a secret of the workspace its value. Raises UsageError before the first deploy."""
    if not value:
        raise UsageError(f"the value of {name} is empty", hint="type it at the prompt, or pipe it to standard input")
    secret = find(world, name)
    require_deployed(world)  # Terraform makes the container, and refuses one that is there already
    world.secrets.put(secret.physical, value)


def list_secrets(world: World) -> Sequence[tuple[Secret, bool]]:
    """Every secret of the workspace, and whether it has a value."""
    return [(secret, world.secrets.has_value(secret.physical)) for secret in world.workspace.secrets]


def find(world: World, name: str) -> Secret:
    """The workspace's secret of that name. Raises UsageError naming those there are."""
    for secret in world.workspace.secrets:
        if secret.name == name:
            return secret
    known = ", ".join(secret.name for secret in world.workspace.secrets) or "none"
    raise UsageError(f"the workspace has no secret {name!r}", hint=f"it has: {known}")


def generate_missing(world: World) -> None:
    """Make up values of `generate = "dev-only"` secrets that have none, in the embedded AWS only.

    Secrets without a value that nobody may make up are named in a note: the functions that read them will fail.
    """
    for secret in world.workspace.secrets:
        if world.secrets.has_value(secret.physical):
            continue
        if secret.generate == "dev-only" and world.workspace.environment.is_local:
            world.secrets.put(secret.physical, random_source.token_urlsafe(32))
            note(world, f"secret {secret.name} got a random value (generate = dev-only)")
        else:
            environment = world.workspace.environment.name
            note(world, f"secret {secret.name} has no value yet: penstock secrets set -e {environment} {secret.name}")
