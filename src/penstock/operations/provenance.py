"""Signed statements of where artifacts come from: `artifacts/<sha256>.intoto.json`.

Whatever is published was signed with this environment's key before, by whoever built it or promoted it here. A bucket
that somebody else can write is not enough to run code.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock.build.provenance import Envelope, Provenance, Unsound
from penstock.model.errors import NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Collection

    from penstock.operations.world import World
    from penstock.ports import Signer

READERS = 8
FOLDER = "artifacts/"
STATEMENT = ".intoto.json"


def statement_key(digest: str) -> str:
    """Where an artifact's statement lies in the bucket."""
    return f"{FOLDER}{digest}{STATEMENT}"


def sbom_key(digest: str) -> str:
    """Where an artifact's SBOM lies in the bucket."""
    return f"{FOLDER}{digest}.cdx.json"


def sign(signer: Signer, envelope: Envelope) -> Envelope:
    """The envelope with this environment's signature as well; the key is made when there is none."""
    try:
        signature = signer.sign(envelope.message)
    except NotFound:
        signer.create()
        signature = signer.sign(envelope.message)
    return replace(envelope, signatures=(*envelope.signatures, signature))


def verified(
    signer: Signer, data: Any, *, workspace: str, artifact: str = "", recipe: str = ""
) -> tuple[Provenance, Envelope]:
    """What an envelope states, if that signer's key signed it and it is about what it is taken for.

    Args:
        signer: whose signature it must have.
        data: the envelope as text or JSON.
        workspace: which it must be about.
        artifact: the digest that it must be about; empty for any.
        recipe: the digest that it must be about; empty for any.

    Raises:
        Unsound: says why it is not to be believed.
    """
    envelope = Envelope.from_text(data) if isinstance(data, bytes) else Envelope.from_json(data)
    if not envelope.signatures:
        raise Unsound("it is not signed")
    if not any(signer.verify(envelope.message, each.value) for each in envelope.signatures):
        ours, theirs = signer.key(), sorted({each.key for each in envelope.signatures})
        if ours in theirs:
            raise Unsound("its signature does not fit: it was changed after it was signed")
        raise Unsound(f"it was signed by {', '.join(theirs)}, not by {ours or 'a key of this environment'}")
    found = Provenance.of(envelope.payload)
    if artifact and found.artifact != artifact:
        raise Unsound(f"it is about another artifact ({found.artifact[:12]})")
    if recipe and found.recipe != recipe:
        raise Unsound(f"it is about another recipe ({found.recipe[:12]})")
    if found.workspace != workspace:
        raise Unsound(f"it is about another workspace ({found.workspace})")
    return found, envelope


def check(world: World, digest: str) -> tuple[Provenance, Envelope]:
    """What is known of an artifact of this environment.

    Raises Refused unless this environment's key signed a statement about exactly these bytes.
    """
    key, name = statement_key(digest), world.workspace.environment.name
    where = f"{world.workspace.store_bucket}/{key}"
    stored = world.objects.get(key)
    if stored is None:
        raise Refused(
            f"artifact {digest[:12]} has no signature in {name}",
            where=where,
            hint=f"build and sign it: penstock deploy -e {name} from the commit that it was made of",
        )
    try:
        return verified(world.signer, stored.body, workspace=world.workspace.name, artifact=digest)
    except Unsound as unsound:
        raise Refused(
            f"the signature of artifact {digest[:12]} in {name} is refused: {unsound}",
            where=where,
            hint="look who may write that bucket; when you know why, delete the object and deploy again",
        ) from unsound


def check_all(world: World, digests: Collection[str]) -> None:
    """`check` for several at a time. Raises the first that is refused."""
    if len(digests) == 1:
        check(world, *digests)
        return
    with ThreadPoolExecutor(max_workers=READERS) as pool:
        for _ in pool.map(lambda digest: check(world, digest), sorted(digests)):
            pass
