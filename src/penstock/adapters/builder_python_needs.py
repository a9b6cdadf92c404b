"""Whether what packages say that they need is there: listed, locked, or the runtime's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.build import metadata, python, requirements
from penstock.build.overlay import LOCKED
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from penstock.adapters.builder_python_parts import PythonPlan
    from penstock.build.archive import Member
    from penstock.build.overlay import Overlay
    from penstock.model.artifact import Target


class Needs:
    """Reads METADATA; remembers that of locked packages, which many services share."""

    def __init__(self) -> None:
        self._capped: dict[tuple[str, int, int], tuple[str, ...]] = {}

    def check(self, plan: PythonPlan, target: Target, overlay: Overlay) -> None:
        """Raise BuildFailed for a package of ours that needs what nothing lists, or one that needs another SDK."""
        found = metadata.distributions(overlay.members)
        if plan.export is None:
            _check_listed(plan, target, overlay, found)
        outside = {*python.supplied(plan.options)} - {*found, *map(requirements.normalised, plan.options.provided)}
        for name, path in found.items():
            capped = self._caps(overlay.members[path]) if outside and overlay.owners[path] == LOCKED else ()
            for text in metadata.needed(capped, target):
                if requirements.normalised(requirements.name_of(text)) in outside:
                    raise _other_sdk(plan, name, text)

    def _caps(self, member: Member) -> tuple[str, ...]:
        key = (member.name, member.crc, member.size)
        if key not in self._capped:
            listed = metadata.listed(member.content().decode(errors="replace"))
            self._capped[key] = tuple(filter(python.holds_sdk, listed))
        return self._capped[key]


def _check_listed(plan: PythonPlan, target: Target, overlay: Overlay, found: dict[str, str]) -> None:
    """Only METADATA knows what `setup.py`, or a pyproject.toml that calls its dependencies dynamic, comes to."""
    there = {*found, *python.supplied(plan.options), *map(requirements.normalised, plan.options.provided)}
    there |= {requirements.normalised(part.manifest.name) for part in plan.packages if part.manifest}
    for path in found.values():
        owner = overlay.owners[path]
        if owner not in {LOCKED, plan.service.folder}:
            text = overlay.members[path].content().decode(errors="replace")
            for name in metadata.unmet(text, there, target):
                raise BuildFailed(
                    f"{owner} needs {name}, but nothing lists it", where=plan.listing.where, hint=plan.listing.lock_hint
                )


def _other_sdk(plan: PythonPlan, name: str, needed: str) -> BuildFailed:
    sdk = requirements.name_of(needed)
    return BuildFailed(
        f"{name}, which is locked, needs {needed.partition(';')[0].strip()}, but the runtime has a {sdk} of its own",
        where=f"{plan.service.folder}/service.toml",
        hint=f'ship what is locked: [build] bundle_sdk = true; where a layer brings it: [build] provided = ["{sdk}"]',
    )
