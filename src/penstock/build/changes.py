"""What changed between two recipes, and which services a set of changed files touches: the graph without a build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from penstock.build.ignore import excludes, skips_file, skips_folder
from penstock.build.node_unread import may_be_unread

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from penstock.model.artifact import Recipe

_MANIFEST = "service.toml"


_IN_WORDS = ("tool ", "option ", "handler ", "target")
"""Inputs whose values say something to people; all others are digests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChange:
    """One input of a recipe, by the label that people know it by: `source users/app.py`, `lock pydantic`.

    `before` and `now` are its values, such as versions, where these are words and not digests.
    """

    input: str
    what: Literal["added", "removed", "changed"]
    before: str = ""
    now: str = ""


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
    exclude: tuple[str, ...] = ()
    """Patterns of what counts for nothing in the first of the folders, which is the service's own."""
    has_unread: bool = False
    """Whether files there that no bundle takes in, by their names, count for nothing."""


def between(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[InputChange, ...]:
    """The inputs that differ, sorted by name; a locked package of which another version came in place of one, once."""
    gone, come = before.keys() - now.keys(), now.keys() - before.keys()
    found = [_change(name, "changed", before, now) for name in before.keys() & now.keys() if before[name] != now[name]]
    for package, (old, new) in _versions(gone, come).items():
        if len(old) == len(new) == 1:
            found.append(InputChange(input=package, what="changed", before=old[0], now=new[0]))
            gone, come = gone - {f"{package} {old[0]}"}, come - {f"{package} {new[0]}"}
    found += [_change(name, "removed", before, now) for name in gone]
    found += [_change(name, "added", before, now) for name in come]
    return tuple(sorted(found, key=lambda one: one.input))


def of_packages(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[InputChange, ...]:
    """The same of locked packages that are no inputs by themselves: versions by name, maybe several of one."""
    found = []
    for name in sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name)):
        old, new = before.get(name, ""), now.get(name, "")
        what: Literal["added", "removed", "changed"] = "changed" if old and new else "added" if new else "removed"
        found.append(InputChange(input=f"lock {name}", what=what, before=old, now=new))
    return tuple(found)


def _versions(gone: Collection[str], come: Collection[str]) -> dict[str, tuple[list[str], list[str]]]:
    """Versions that went and came, by `lock pydantic`."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for side, names in enumerate((gone, come)):
        for name in names:
            package, _, version = name.rpartition(" ")
            if package.startswith("lock "):
                found.setdefault(package, ([], []))[side].append(version)
    return found


def _change(
    name: str, what: Literal["added", "removed", "changed"], before: Mapping[str, str], now: Mapping[str, str]
) -> InputChange:
    if not name.startswith(_IN_WORDS):
        return InputChange(input=name, what=what)
    return InputChange(input=name, what=what, before=before.get(name, ""), now=now.get(name, ""))


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
    paths = sorted(changed)
    for reach in reaches:
        whole = _with_folders((*reach.folders, *reach.files, *reach.locks))
        touching = [path for path in paths if _touches(reach, path, whole, lock_before)]
        if touching:
            found[reach.service] = tuple(touching)
    return found


def _touches(reach: Reach, path: str, whole: Collection[str], lock_before: Callable[[Reach, str], str | None]) -> bool:
    """`whole` are the reach's places and the folders they lie in: of a submodule git tells no more than its folder."""
    if path in reach.locks:
        return lock_before(reach, path) != reach.locks[path]
    if path == "penstock.toml" or path.rstrip("/") in whole:
        return True
    for number, folder in enumerate(reach.folders):
        inner = path.removeprefix(f"{folder}/")
        if number == 0 and (excludes(reach.exclude, inner) or (reach.has_unread and may_be_unread(inner))):
            continue
        if inner != path and (inner == _MANIFEST or counts(inner)):
            return True
    return False


def _with_folders(places: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for place in places:
        folder = place
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def counts(path: str) -> bool:
    """Whether a file, by its path below a service or package, can be part of what is built."""
    above = path.split("/")[:-1]
    folders = ("/".join(above[: count + 1]) for count in range(len(above)))
    return not skips_file(path) and not any(skips_folder(folder) for folder in folders)
