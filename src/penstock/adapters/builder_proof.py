"""The proof before shipping: what an artifact holds is checked against its target, its own imports and good sense."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from typing import TYPE_CHECKING

from penstock.build import import_faults, libc, proof, proof_imports
from penstock.build.handlers import cannot_be_called
from penstock.model import credentials
from penstock.model.errors import BuildFailed
from penstock.model.events import Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.adapters.builder_files import SourceFile
    from penstock.build.archive import Member
    from penstock.build.proof_imports import Missing, Sound
    from penstock.build.units import Unit
    from penstock.model.artifact import Target
    from penstock.model.workspace import BuildOptions
    from penstock.ports import EventSink

_SECRET_MAX = 1024 * 1024
"""Bytes, of which a NUL says that a bigger file is no text."""
_REMEMBERED_MAX = 20_000


class PythonProof:
    """Checks artifacts; remembers what files of locked packages import, which many services share."""

    def __init__(self, events: EventSink | None) -> None:
        self._events = events
        self._guard = threading.Lock()
        self._known: dict[str, tuple[threading.Lock, dict[str, Sound]]] = {}
        self._told: set[str] = set()

    def check(
        self,
        unit: Unit,
        target: Target,
        options: BuildOptions,
        members: Mapping[str, Member],
        ours: Mapping[str, str],
    ) -> None:
        """Raise BuildFailed unless the artifact can be loaded; `ours` maps the ZIP's paths to the workspace's."""
        where = unit.service.path
        proof.check_names(members.values(), where=where)
        proof.check_native(members.values(), target, where=where)
        for name in ours:
            if proof.is_native(name):
                libc.check(name, members[name].content(), target, where=ours[name])
        found = self._missing(unit, target, options, members, ours)
        # A layer brings modules that nobody here can see.
        certain = [one for one in found if one.certain] if not any(f.layers for f in unit.functions) else []
        for line in import_faults.reasons([one for one in found if one not in certain and one.ours], ours):
            self._tell(f"{unit.name}: {line}, which a call would find out")
        if certain:
            raise import_faults.not_found(certain, ours)

    def _missing(
        self,
        unit: Unit,
        target: Target,
        options: BuildOptions,
        members: Mapping[str, Member],
        ours: Mapping[str, str],
    ) -> tuple[Missing, ...]:
        first, remembered = self._shared(members, ours)
        contents: dict[str, bytes] = {}

        def read(path: str) -> bytes:
            if path not in contents:
                contents[path] = members[path].content()
            return contents[path]

        modules = proof_imports.Modules(members, target.platform)
        handlers = [function.handler.replace("/", ".") for function in unit.functions]
        for handler in proof_imports.undefined(handlers, modules, read, ours.keys(), version=target.version):
            module, _, name = handler.rpartition(".")
            raise BuildFailed(
                f"handler {handler}: {modules.files[module]} does not define {name}, nor does what it imports by *",
                where=f"{unit.service.path}/service.toml",
                hint=f"import {name} by its name",
            )
        for handler, fault in proof_imports.uncallable(handlers, modules, read, ours.keys()):
            raise cannot_be_called(handler, fault, where=f"{unit.service.path}/service.toml")
        unread: dict[str, int] = {}
        # The first of those with these packages reads them for all; others that began now would all do the same.
        with contextlib.nullcontext() if remembered else first:
            found = proof_imports.missing(
                [handler.rpartition(".")[0] for handler in handlers],
                modules,
                read,
                ours.keys(),
                version=target.version,
                provided=options.provided,
                known=remembered,
                unread=unread,
            )
        if unread:
            self._tell(f"{unit.name}: {import_faults.unread(unread, ours, target.version)}")
        return found

    def _shared(
        self, members: Mapping[str, Member], ours: Mapping[str, str]
    ) -> tuple[threading.Lock, dict[str, Sound]]:
        """What is known of the locked packages' files; another version of one is another file."""
        versions = sorted(name for name in members if name.endswith(".dist-info/METADATA") and name not in ours)
        key = " ".join(f"{name} {members[name].crc:x}" for name in versions)
        with self._guard:
            if len(self._known) > _REMEMBERED_MAX:
                self._known.clear()
            return self._known.setdefault(key, (threading.Lock(), {}))

    def tell(self, notes: Iterable[str]) -> None:
        """Warn of each, once."""
        for note in notes:
            self._tell(note)

    def _tell(self, text: str) -> None:
        if self._events is not None and text not in self._told:
            self._told.add(text)
            self._events.emit(Note(text=text, level="warning"))


def check_secrets(folder: str, files: Mapping[str, SourceFile], options: BuildOptions, clean: set[str]) -> None:
    """Raise BuildFailed for a source file that looks as if it held a secret, unless a person has looked at it.

    `clean` are digests of contents that hold none, and grows: many functions share a package.
    """
    for path, file in files.items():
        if path in options.reviewed or f"{folder}/{path}" in options.reviewed:
            continue
        is_named_so = proof.secret_file(path)
        if file.digest in clean and not is_named_so:
            continue
        found = ("a file for one machine or person", 0) if is_named_so else _secret_in(file)
        if found is not None:
            raise _secret(folder, path, found)
        clean.add(file.digest)


def check_shipped(
    folder: str, members: Iterable[Member], files: Mapping[str, SourceFile], options: BuildOptions, clean: set[str]
) -> None:
    """The same of what a part puts into the ZIP, under whatever name; `files` are what it was made from."""
    for member in members:
        content = member.content()
        digest = hashlib.sha256(content).hexdigest()
        source = source_of(member.name, folder, files).removeprefix(f"{folder}/")
        secret = None if digest in clean else _secret_of(content)
        if secret is None:
            clean.add(digest)
        elif source not in files or files[source].digest != digest:
            same = (path for path, file in files.items() if file.digest == digest)
            source = next(same, member.name)
        is_named_so = proof.secret_file(source) or proof.secret_file(member.name)
        found = ("a file for one machine or person", 0) if is_named_so else secret
        if found is not None and options.reviewed and {source, f"{folder}/{source}", member.name} & {*options.reviewed}:
            continue
        if found is not None:
            raise _secret(folder, source, found)


def check_made(folder: str, path: str, content: bytes, options: BuildOptions) -> None:
    """The same of a file that ships as it lies in a part's folder, be it a source or what some script has made."""
    found = _secret_of(content)
    if found is not None and not {path, f"{folder}/{path}"} & {*options.reviewed}:
        raise _secret(folder, path, found)


def source_of(member: str, folder: str, files: Mapping[str, SourceFile]) -> str:
    """The workspace's path of a file that a package's backend put into the ZIP."""
    if member in files:
        return f"{folder}/{member}"
    if f"src/{member}" in files:
        return f"{folder}/src/{member}"
    found = next((path for path in files if path.endswith(f"/{member}")), None)
    return f"{folder}/{found}" if found else member


def _secret_in(file: SourceFile) -> tuple[str, int] | None:
    return _secret_of(file.read())


def _secret_of(content: bytes) -> tuple[str, int] | None:
    is_text = len(content) <= _SECRET_MAX or b"\0" not in content[:_SECRET_MAX]
    return credentials.secret(content) if is_text else None


def _secret(folder: str, path: str, found: tuple[str, int]) -> BuildFailed:
    what, line = found
    return BuildFailed(
        f"it holds {what}, which would be readable by everybody who can read the function" if line else f"it is {what}",
        where=f"{folder}/{path}:{line}" if line else f"{folder}/{path}",
        hint=f'keep it with: penstock secrets set; or, when it is none, in service.toml: [build] reviewed = ["{path}"]',
    )
