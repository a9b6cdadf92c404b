"""`deploy --from staging`: another environment's live release, the same bytes, verified by digest on the way."""

from __future__ import annotations

import hashlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.build.units import units
from penstock.infra.digest import config_digest
from penstock.infra.openapi import api_digest, route_digests
from penstock.model.errors import NotFound, Refused
from penstock.model.release import FunctionRelease, Pointer, Release
from penstock.operations.artifacts import artifact_key, put_statement
from penstock.operations.assemble import grants_of, promoted_from
from penstock.operations.provenance import check, sbom_key, sign, statement_key
from penstock.operations.steps import note, step, timestamp
from penstock.operations.store import ReleaseStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.artifact import Target
    from penstock.operations.world import World

COPIES = 4
"""At a time; each takes a ZIP's size on this machine's disk."""


def release_from(world: World, source: World, targets: Mapping[str, Target]) -> Release:
    """This environment's release with the bytes of the source environment's live one.

    Args:
        world: where the release goes.
        source: where it runs.
        targets: what each unit must be built for here.

    Raises:
        NotFound: nothing is live in the source.
        Refused: its bytes do not fit here.
    """
    text = source.parameters.get(f"{source.workspace.pointer_prefix}pointer")
    live = Pointer.from_text(text).live_release if text else None
    found = ReleaseStore(source.objects).get(live) if live else None
    if found is None:
        name = source.workspace.environment.name
        raise NotFound(f"nothing is live in {name}", where=name, hint=f"penstock deploy -e {name}")
    if world.origin.commit and found.source[0] != world.origin.commit:
        note(world, f"{found.environment} runs commit {found.commit[:12]}; routes and configuration come from here")
    workspace = world.workspace
    needed = {function.key: targets[unit.name] for unit in units(workspace) for function in unit.functions}
    shape = {
        function.key: FunctionRelease(
            physical=function.physical,
            service=function.service,
            artifact="",
            config=config_digest(workspace, function),
            architecture=needed[function.key].architecture,
            runtime=function.runtime,
            timeout=function.timeout,
            target=str(needed[function.key]),
        )
        for function in workspace.functions
    }
    base = Release(
        environment=workspace.environment.name,
        functions=shape,
        api=api_digest(workspace),
        grants=grants_of(workspace),
        commit=found.commit,
        author="",
        created=timestamp(world),
        routes=route_digests(workspace),
    )
    return promoted_from(found, shape, base)


def copy_artifacts(world: World, source: World, release: Release) -> None:
    """Copy the release's artifacts into this environment's bucket, and sign for them here.

    Each one's statement must be signed by the source's key, its bytes must have the SHA-256 that is their name.
    Raises Refused otherwise.
    """
    digests = sorted({function.artifact for function in release.functions.values()})
    with step(world, f"copy artifacts from {source.workspace.environment.name}") as handle:
        with ThreadPoolExecutor(max_workers=COPIES) as pool:
            copied = sum(pool.map(lambda digest: _copy(world, source, digest), digests))
        handle.detail = f"{copied} copied, {len(digests) - copied} there already"


def _copy(world: World, source: World, digest: str) -> bool:
    if world.objects.has(statement_key(digest)):
        return False  # whether it is ours is checked before anything is published
    provenance, envelope = check(source, digest)
    key, name = artifact_key(digest), source.workspace.environment.name
    hint = f"deploy {name} again, and look who may write its bucket"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "artifact.zip"
        source.objects.download(key, path)
        if _sha256(path) != digest:
            raise Refused(f"the bytes of {key} in {name} are not what their name says", hint=hint)
        world.objects.upload(key, path)
    if provenance.sbom:
        sbom = source.objects.get(sbom_key(digest))
        if sbom is None or hashlib.sha256(sbom.body).hexdigest() != provenance.sbom:
            raise Refused(f"the SBOM of artifact {digest[:12]} in {name} is not the one that was signed", hint=hint)
        world.objects.put(sbom_key(digest), sbom.body)
    put_statement(world, digest, sign(world.signer, envelope))
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
