"""What changed between two recipes, and which services a set of changed files touches: the graph without a build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from penstock.build.ignore import skips_file, skips_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from penstock.model.artifact import Recipe

_MANIFEST = "service.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChange:
    """One input of a recipe, by the label that people know it by: `source users/app.py`, `lock pydantic 2.11`."""

    input: str
    what: Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a unit will be, or was, built. `state` says what `changes` are relative to.

    never: it was not built here yet. stale: changes since its last build. current: nothing changed since; `changes`
    are those that made its last build differ from the one before.
    """

    unit: str
    state: Literal["never", "stale", "current"]
    changes: tuple[InputChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a service depends on, as places of the workspace (POSIX paths): folders that count whole, and files.

    `locks` are files of which only a part counts, each with a digest of the part that this service reaches.
    """

    service: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    locks: Mapping[str, str]


def between(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[InputChange, ...]:
    """The inputs that differ, sorted by name."""
    found = []
    for name in sorted({*before, *now}):
        if name not in before:
            found.append(InputChange(input=name, what="added"))
        elif name not in now:
            found.append(InputChange(input=name, what="removed"))
        elif before[name] != now[name]:
            found.append(InputChange(input=name, what="changed"))
    return tuple(found)


def parts(recipe: Recipe) -> dict[str, str]:
    """All inputs of a recipe, its target among them."""
    return {**recipe.inputs, "target": f"{recipe.target} {recipe.target.platform}"}


def affected(
    reaches: Iterable[Reach], changed: Collection[str], lock_before: Callable[[Reach, str], str | None]
) -> dict[str, tuple[str, ...]]:
    """Services that the changed files touch, each with those files.

    `lock_before` gives the digest that a service's part of a lock had before, None when there was none.
    """
    found = {}
    for reach in reaches:
        touching = [path for path in sorted(changed) if _touches(reach, path, lock_before)]
        if touching:
            found[reach.service] = tuple(touching)
    return found


def _touches(reach: Reach, path: str, lock_before: Callable[[Reach, str], str | None]) -> bool:
    if path in reach.locks:
        return lock_before(reach, path) != reach.locks[path]
    if path in reach.files or path == "penstock.toml":
        return True
    for folder in reach.folders:
        inner = path.removeprefix(f"{folder}/")
        if inner != path and (inner == _MANIFEST or counts(inner)):
            return True
    return False


def counts(path: str) -> bool:
    """Whether a file, by its path below a service or package, can be part of what is built."""
    above = path.split("/")[:-1]
    folders = ("/".join(above[: count + 1]) for count in range(len(above)))
    return not skips_file(path) and not any(skips_folder(folder) for folder in folders)
