"""The remote build cache: `builds/<recipe>.json` in the environment's bucket, an artifact for each recipe.

An entry is a signed statement that binds recipe and artifact. Nothing of it is believed before its signature, and
nothing that it leads to before its digest; what does not fit is built here instead. Many may write: an entry is put
where none is, and one that is not sound is replaced only over what was read.
"""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from penstock.build.provenance import Envelope, Provenance, Unsound
from penstock.model.errors import AccessDenied, Conflict, PenstockError, Refused, RemoteFault
from penstock.operations.provenance import FOLDER, sbom_key, verified
from penstock.operations.steps import warn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.model.artifact import Artifact, Recipe
    from penstock.operations.world import World
    from penstock.ports import ObjectStore, Signer, StoredObject

PREFIX = "builds/"
_ENTRY_MAX = 1 << 20
"""Bytes. An entry has a few thousand."""
_SBOM_MAX = 64 << 20
"""Bytes. An SBOM has some hundred for each package."""


def publish(world: World, artifact: Artifact, envelope: Envelope) -> None:
    """Let others find the artifact by its recipe; a fault here costs them time, and is not the deploy's."""
    if not _shares(world, artifact):
        return
    try:
        _put(world, artifact, _entry(artifact, envelope))
    except RemoteFault as fault:
        warn(world, f"{artifact.unit} is not shared through the remote build cache: {fault.what}")


def _put(world: World, artifact: Artifact, entry: bytes) -> None:
    """Put the entry where there is none, or one that is not sound."""
    key = build_key(artifact.recipe)
    try:
        world.objects.put_if_absent(key, entry)
    except Conflict:
        stored = world.objects.get(key, at_most=_ENTRY_MAX)
        if stored is not None and not _is_sound(world, stored, artifact):
            with suppress(Conflict):  # somebody else replaced it at the same moment
                world.objects.put_if_match(key, entry, stored.etag)


def is_wanting(world: World, artifact: Artifact) -> bool:
    """Whether others ought to find the artifact by its recipe, and do not; not when that cannot be found out."""
    if not _shares(world, artifact):
        return False
    try:
        stored = world.objects.get(build_key(artifact.recipe), at_most=_ENTRY_MAX)
        return stored is None or not _is_sound(world, stored, artifact)
    except RemoteFault:
        return False


def build_key(recipe: str) -> str:
    """Where a recipe's entry lies in the bucket."""
    return f"{PREFIX}{recipe}.json"


def forget(objects: ObjectStore, statement: str) -> None:
    """Delete the entry that leads to an artifact, whose statement is at that key and about to go as well.

    An entry of another recipe that gave the same bytes stays, leads to nothing, and is good again with the next build.
    """
    stored = objects.get(statement)
    if stored is not None:
        with suppress(Unsound):
            objects.delete(build_key(Provenance.of(Envelope.from_text(stored.body).payload).recipe))


class RemoteBuilds:
    """Artifacts that somebody else built. Never fails: what cannot be had is built.

    Args:
        objects: the environment's bucket.
        signer: its key.
        workspace: its name.
        warn: takes one line when something is wrong; what cannot be reached is told, and asked, once.
    """

    def __init__(self, objects: ObjectStore, signer: Signer, workspace: str, warn: Callable[[str], None]) -> None:
        self._objects = objects
        self._signer = signer
        self._workspace = workspace
        self._warn = warn
        self._lock = threading.Lock()
        self._there: bool | None = None

    def fetch(self, recipe: Recipe, archive: Path, sbom: Path) -> Provenance | None:
        """Bring the artifact of a recipe into one file and its SBOM into another; None when it has to be built."""
        if not self._is_there():
            return None
        try:
            return self._fetch(recipe.digest, archive, sbom)
        except Unsound as unsound:
            self._warn(f"the remote build cache's entry for {recipe.unit} is not used: {unsound}")
        except PenstockError as fault:
            self._give_up(fault)
        return None

    def _fetch(self, recipe: str, archive: Path, sbom: Path) -> Provenance | None:
        stored = self._objects.get(build_key(recipe), at_most=_ENTRY_MAX)
        if stored is None:
            return None
        found = _provenance(stored.body, self._signer, self._workspace, recipe)
        about = self._objects.get(sbom_key(found.artifact), at_most=_SBOM_MAX)
        key = f"{FOLDER}{found.artifact}.zip"
        if about is None or not self._objects.has(key):
            return None  # collected by `penstock prune`
        if hashlib.sha256(about.body).hexdigest() != found.sbom:
            raise Unsound("its SBOM is not the one that was signed")
        self._objects.download(key, archive, at_most=found.size)
        with archive.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != found.artifact:
                raise Unsound("its bytes are not those that were signed")
        sbom.write_bytes(about.body)
        return found

    def _is_there(self) -> bool:
        with self._lock:
            if self._there is None:
                try:
                    self._there = self._objects.exists()
                except (AccessDenied, Refused):  # not for these credentials
                    self._there = False
                except PenstockError as fault:
                    self._there = True
                    self._tell(fault)
            return self._there

    def _give_up(self, fault: PenstockError) -> None:
        with self._lock:
            if self._there:
                self._tell(fault)

    def _tell(self, fault: PenstockError) -> None:
        self._there = False
        what = fault.what.partition("\n")[0]
        self._warn(f"the remote build cache cannot be reached ({what}); what is missing is built here")


def _shares(world: World, artifact: Artifact) -> bool:
    return bool(artifact.recipe) and world.workspace.environment.build_cache


def _entry(artifact: Artifact, envelope: Envelope) -> bytes:
    """Only the envelope is ever believed; the rest is for people and other tools."""
    content = {
        "artifact": artifact.digest,
        "size": artifact.size,
        "target": str(artifact.target),
        "unit": artifact.unit,
        "provenance": envelope.to_json(),
    }
    return json.dumps(content, sort_keys=True).encode()


def _provenance(body: bytes, signer: Signer, workspace: str, recipe: str) -> Provenance:
    if len(body) >= _ENTRY_MAX:
        raise Unsound("it is not an entry of ours, which are small")
    try:
        data = json.loads(body)["provenance"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise Unsound("it is not an entry of ours") from error
    return verified(signer, data, workspace=workspace, recipe=recipe)[0]


def _is_sound(world: World, stored: StoredObject, artifact: Artifact) -> bool:
    try:
        found = _provenance(stored.body, world.signer, world.workspace.name, artifact.recipe)
    except Unsound:
        return False
    return found.artifact == artifact.digest
