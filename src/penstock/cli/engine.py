"""From the flags to `penstock.api`, which is loaded only by verbs that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.cli.settings import first_environment

if TYPE_CHECKING:
    from penstock.api import Penstock
    from penstock.cli.settings import Settings


def in_environment(settings: Settings) -> Penstock:
    """The environment of the flags. Raises UsageError when none is chosen and there are several."""
    return _opened(settings, settings.chosen_environment())


def in_first_environment(settings: Settings) -> Penstock:
    """The environment of the flags, else the first one in penstock.toml: for verbs that change no environment."""
    return _opened(settings, settings.environment or first_environment(settings.root) or settings.chosen_environment())


def in_workspace(settings: Settings) -> Penstock:
    """The workspace, for verbs that need no environment."""
    return _opened(settings, settings.environment or "")


def _opened(settings: Settings, environment: str) -> Penstock:
    from penstock.api import Penstock  # noqa: PLC0415 - start-up counts

    return Penstock.open(settings.root, environment, events=settings.events, environ=settings.environ)
