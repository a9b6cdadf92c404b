"""What weighs what in a ZIP, as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from penstock.build.archive import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A file or folder of a ZIP. Bytes: `packed` in the ZIP, `unpacked` on the function's disk.

    `others` counts the entries of the folder `path` that are too light to be told one by one, where it stands for them.
    """

    path: str
    depth: int
    packed: int
    unpacked: int
    files: int
    others: int = 0


def tree(members: Iterable[Member], *, depth: int = 2, least: float = 0.01) -> tuple[Weight, ...]:
    """Folders and files, the heaviest first, each followed by what it holds, `depth` levels deep.

    What is lighter than the share `least` of the whole is summed up as the last of its folder; the first is the whole,
    with an empty path.
    """
    sums: dict[str, list[int]] = {}
    for member in members:
        steps = member.name.split("/")
        for count in range(min(len(steps), depth) + 1):
            into = sums.setdefault("/".join(steps[:count]), [0, 0, 0])
            into[0] += len(member.packed)
            into[1] += member.size
            into[2] += 1
    whole = sums.get("", [0, 0, 0])[0]
    below: dict[str, list[str]] = {}
    for path in sums:
        if path:
            below.setdefault(path.rpartition("/")[0], []).append(path)

    def walk(path: str, level: int) -> Iterator[Weight]:
        packed, unpacked, files = sums.get(path, [0, 0, 0])
        yield Weight(path=path, depth=level, packed=packed, unpacked=unpacked, files=files)
        inner = sorted(below.get(path, ()), key=lambda one: (-sums[one][0], one))
        heavy = [one for one in inner if sums[one][0] >= least * whole]
        for one in heavy:
            yield from walk(one, level + 1)
        if heavy and (light := inner[len(heavy) :]):
            packed, unpacked, files = (sum(each) for each in zip(*(sums[one] for one in light), strict=True))
            yield Weight(path=path, depth=level + 1, packed=packed, unpacked=unpacked, files=files, others=len(light))

    return tuple(walk("", 0))
