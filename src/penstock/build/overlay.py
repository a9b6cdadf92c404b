"""Several parts of an artifact laid over each other: what happens to files that more than one of them has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.build.archive import Member

_MODULE = re.compile(r"\.(py|so|pyd)$")
_ABOUT = re.compile(r"(^|/)[^/.]*(\.(md|rst|txt))?$")
"""READMEs, licences and their like, which nobody reads in a function."""
_NAMESPACE = re.compile(rb"extend_path|declare_namespace")
_COMMENT = re.compile(rb"(?m)^\s*#.*$")
LOCKED = ""
"""The owner of what the locked packages bring."""


@dataclass(slots=True)
class Overlay:
    """Files by their names, whose each is (a folder of the workspace, or LOCKED), and what a person should know."""

    members: dict[str, Member] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, owner: str, members: Iterable[Member], *, where: str) -> None:
        """Lay a part over what is there. Raises BuildFailed for a module that another part has with other content."""
        if not self.members:
            self.members = {member.name: member for member in members}
            self.owners = dict.fromkeys(self.members, owner)
            return
        for member in members:
            other = self.members.get(member.name)
            if other is None or _is_same(other, member):
                self._take(owner, member)
            elif member.name.endswith("__init__.py") and _says_nothing(member):
                continue
            elif member.name.endswith("__init__.py") and (_says_nothing(other) or _are_namespaces(other, member)):
                self._take(owner, member)
            else:
                self._settle(owner, member, where)

    def _settle(self, owner: str, member: Member, where: str) -> None:
        before = _told(self.owners[member.name])
        if _MODULE.search(member.name):
            raise BuildFailed(
                f"{before} and {_told(owner)} both have {member.name}, with other content, and a ZIP holds one of them",
                where=where,
                hint="give one of them another name, or put it into a package of its own",
            )
        if not _ABOUT.search(member.name):
            self.notes.append(f"{member.name} of {_told(owner)} takes the place of that of {before}")
        self._take(owner, member)

    def _take(self, owner: str, member: Member) -> None:
        self.members[member.name] = member
        self.owners[member.name] = owner


def _told(owner: str) -> str:
    return owner or "a locked package"


def _is_same(one: Member, other: Member) -> bool:
    return (one.crc, one.size) == (other.crc, other.size) and one.content() == other.content()


def _says_nothing(member: Member) -> bool:
    return not _COMMENT.sub(b"", member.content()).strip()


def _are_namespaces(*members: Member) -> bool:
    return all(_NAMESPACE.search(member.content()) for member in members)
