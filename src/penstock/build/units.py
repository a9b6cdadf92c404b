"""What gets a ZIP of its own: a Python service as a whole, each function of a Node service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.errors import UsageError
from penstock.model.names import instead_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from penstock.model.workspace import Function, Language, Service, Workspace


_LATER = frozenset({"layer", "layers", "image", "images", "container", "containers"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One artifact to be. All its functions share runtime and architecture."""

    name: str
    service: Service
    functions: tuple[Function, ...]

    @property
    def language(self) -> Language:
        """The language family of its functions."""
        return self.functions[0].language


def units(workspace: Workspace) -> tuple[Unit, ...]:
    """All units of the workspace, sorted by name.

    Functions of a Python service that declare different runtimes or architectures cannot share native packages;
    each such group becomes a unit, named after its first function.
    """
    found = [unit for service in workspace.services for unit in _of_service(service)]
    return tuple(sorted(found, key=lambda unit: unit.name))


def select(available: Sequence[Unit], names: Iterable[str] | None) -> tuple[Unit, ...]:
    """The units of these names; a service's name stands for all its units, None for everything.

    Raises UsageError for a name that is neither.
    """
    if names is None:
        return tuple(available)
    wanted = set(names)
    known = {unit.name for unit in available} | {unit.service.name for unit in available}
    unknown = sorted(wanted - known)
    if later := sorted(_LATER & set(unknown)):
        raise UsageError(
            f"penstock does not build {later[0]} yet (later)",
            hint='it ships ZIPs; layers that exist are named in service.toml: layers = ["arn:…"]',
        )
    if unknown:
        raise UsageError(f"there is no service named {', '.join(unknown)}", hint=instead_of(unknown, known))
    return tuple(unit for unit in available if unit.name in wanted or unit.service.name in wanted)


def _of_service(service: Service) -> list[Unit]:
    functions = sorted(service.functions, key=lambda function: function.key)
    if service.language == "node":
        groups = [[function] for function in functions]
    else:
        by_target: dict[tuple[str, str], list[Function]] = {}
        for function in functions:
            by_target.setdefault((function.runtime, function.architecture), []).append(function)
        groups = list(by_target.values())
    if len(groups) == 1:
        return [Unit(name=service.name, service=service, functions=tuple(groups[0]))]
    return [Unit(name=group[0].key, service=service, functions=tuple(group)) for group in groups]
