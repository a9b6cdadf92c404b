"""The environment's bucket: made by the first deploy, filled with what releases run."""

from __future__ import annotations

import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from penstock import __version__
from penstock.build.provenance import Envelope, Provenance
from penstock.model.errors import Refused
from penstock.operations.build_cache import is_wanting, publish
from penstock.operations.provenance import FOLDER, check, sbom_key, sign, statement_key
from penstock.operations.steps import step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.model.artifact import Artifact
    from penstock.operations.world import World

PLACEHOLDER = "bootstrap/placeholder.zip"
"""What Terraform creates functions from; `docs/decisions/0003-placeholder-code.md`."""
UPLOADS = 8


def prepare_store(world: World) -> None:
    """Make sure of the bucket, with its policy and all, of the key that signs artifacts, and of the placeholder.

    Creating is several calls. The placeholder is written when all of them have ended, so that a run that was killed
    in between is finished by the next.
    """
    if world.objects.exists() and world.objects.has(PLACEHOLDER):
        return
    with step(world, f"create bucket {world.workspace.store_bucket}", inner=True):
        world.objects.create()
        world.signer.create()
        world.objects.put(PLACEHOLDER, _placeholder())


def upload(world: World, artifacts: Iterable[Artifact]) -> None:
    """Put every ZIP under its digest with its SBOM and its signed statement, unless they are there."""
    missing = {artifact.digest: artifact for artifact in artifacts}
    with step(world, "upload artifacts", inner=True) as handle:
        with ThreadPoolExecutor(max_workers=UPLOADS) as pool:
            sent = sum(pool.map(lambda artifact: _upload(world, artifact), missing.values()))
        handle.detail = f"{sent} uploaded, {len(missing) - sent} there already"


def artifact_key(digest: str) -> str:
    """Where an artifact lies in the bucket."""
    return f"{FOLDER}{digest}.zip"


def put_statement(world: World, digest: str, envelope: Envelope) -> None:
    """Keep a statement. It is written last: where it is, the ZIP and the SBOM are."""
    world.objects.put(statement_key(digest), envelope.to_text())


def _upload(world: World, artifact: Artifact) -> bool:
    there = world.objects.has(statement_key(artifact.digest))
    if there and (artifact.cached or not is_wanting(world, artifact)):
        return False
    sbom = Path(artifact.sbom).read_bytes() if artifact.sbom else b""
    about = (_signed_sbom(world, artifact) if there else None) or _digest(sbom)
    envelope = Envelope(payload=_provenance(world, artifact, about).payload())
    with ThreadPoolExecutor(max_workers=3) as pool:
        signing = pool.submit(sign, world.signer, envelope)
        bodies = [] if there else [pool.submit(_put_bodies, world, artifact, sbom)]
        sharing = pool.submit(lambda: publish(world, artifact, signing.result()))
        for future in bodies:
            future.result()
        if not there:
            put_statement(world, artifact.digest, signing.result())
        sharing.result()
    return not there


def _put_bodies(world: World, artifact: Artifact, sbom: bytes) -> None:
    if sbom:
        world.objects.put(sbom_key(artifact.digest), sbom)
    world.objects.upload(artifact_key(artifact.digest), Path(artifact.path))


def _signed_sbom(world: World, artifact: Artifact) -> str | None:
    """The digest of the SBOM that lies beside the artifact already: another version may have written another text."""
    with suppress(Refused):
        return check(world, artifact.digest)[0].sbom
    return None


def _digest(sbom: bytes) -> str:
    return hashlib.sha256(sbom).hexdigest() if sbom else ""


def _provenance(world: World, artifact: Artifact, sbom: str) -> Provenance:
    return Provenance(
        workspace=world.workspace.name,
        unit=artifact.unit,
        target=str(artifact.target),
        artifact=artifact.digest,
        size=artifact.size,
        recipe=artifact.recipe,
        commit=world.origin.commit,
        dirty=world.origin.dirty,
        sbom=sbom,
        run=world.run,
        version=__version__,
    )


def _placeholder() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("README", date_time=(1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, "Code comes with the first release: penstock deploy.\n")
    return buffer.getvalue()
