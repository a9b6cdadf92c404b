"""EventBridge Scheduler in memory: nothing is called, tests look at what would be."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.model.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """What is called every minute."""

    function: str
    role: str
    payload: str
    until: float


class FakeSchedules:
    """Groups by name, and the schedules in them."""

    def __init__(self, *groups: str) -> None:
        self._groups: dict[str, dict[str, Scheduled]] = {group: {} for group in groups}

    def configure(self, group: str) -> None:
        """Make the group, as Terraform does."""
        self._groups.setdefault(group, {})

    def start(self, name: str, *, group: str, function: str, role: str, payload: str, until: float) -> None:
        """Call the function every minute until then. Raises NotFound when there is no such group."""
        if group not in self._groups:
            raise NotFound(f"ResourceNotFoundException: Schedule group {group} does not exist.", where=group)
        self._groups[group][name] = Scheduled(function=function, role=role, payload=payload, until=until)

    def stop(self, name: str, *, group: str) -> None:
        """Call it no more; done when there is no such schedule."""
        self._groups.get(group, {}).pop(name, None)

    def scheduled(self, group: str) -> dict[str, Scheduled]:
        """Everything that is called, by the schedule's name; for assertions."""
        return dict(self._groups.get(group, {}))
