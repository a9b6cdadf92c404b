"""The environment's bucket: made by the first deploy, filled with what releases run."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.operations.steps import step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.model.artifact import Artifact
    from penstock.operations.world import World

PLACEHOLDER = "bootstrap/placeholder.zip"
"""What Terraform creates functions from; `docs/decisions/0003-placeholder-code.md`."""
UPLOADS = 8


def prepare_store(world: World) -> None:
    """Make sure of the bucket, with its policy and all, and of the placeholder in it.

    Creating is several calls. The placeholder is written when all of them have ended, so that a run that was killed
    in between is finished by the next.
    """
    if world.objects.exists() and world.objects.has(PLACEHOLDER):
        return
    with step(world, f"create bucket {world.workspace.store_bucket}", inner=True):
        world.objects.create()
        world.objects.put(PLACEHOLDER, _placeholder())


def upload(world: World, artifacts: Iterable[Artifact]) -> None:
    """Put every ZIP under its digest, unless it is there."""
    missing = {artifact.digest: artifact for artifact in artifacts}
    with step(world, "upload artifacts", inner=True) as handle:
        with ThreadPoolExecutor(max_workers=UPLOADS) as pool:
            sent = sum(pool.map(lambda artifact: _upload(world, artifact), missing.values()))
        handle.detail = f"{sent} uploaded, {len(missing) - sent} there already"


def artifact_key(digest: str) -> str:
    """Where an artifact lies in the bucket."""
    return f"artifacts/{digest}.zip"


def _upload(world: World, artifact: Artifact) -> bool:
    key = artifact_key(artifact.digest)
    if world.objects.has(key):
        return False
    world.objects.upload(key, Path(artifact.path))
    return True


def _placeholder() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("README", date_time=(1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, "Code comes with the first release: penstock deploy.\n")
    return buffer.getvalue()
