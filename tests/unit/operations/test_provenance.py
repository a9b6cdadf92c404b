"""Nothing is published that this environment's key did not sign: whoever can write the bucket cannot run code."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.operations.harness import TARGETS, Verbs, digest, yes
from unit.release.shop import NAMES, Shop, a_release

from penstock.build.provenance import Envelope, Provenance, Unsound
from penstock.model.errors import AccessDenied, Busy, Refused, RemoteFault
from penstock.model.release import Pointer
from penstock.operations.build_cache import RemoteBuilds, build_key
from penstock.operations.deploy import deploy
from penstock.operations.provenance import sign, verified
from penstock.operations.prune import prune
from penstock.operations.wanted import DeployRequest
from penstock.release.reconcile import Applied, Loaded
from penstock.testing import FakeSigner

if TYPE_CHECKING:
    from pathlib import Path

ONES = dict.fromkeys(NAMES, 1)
CHANGED = digest("users", 2)
STATEMENT = f"artifacts/{CHANGED}.intoto.json"
SOME = Provenance(
    workspace="shop",
    unit="users",
    target="python3.13/arm64",
    artifact=CHANGED,
    size=7,
    recipe="ab" * 32,
    commit="c0ffee",
    dirty=True,
    sbom="cd" * 32,
    run="run-1",
    version="0.1.0",
)


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    verbs = Verbs(root=tmp_path)
    verbs.deploy()
    return verbs


def statement(verbs: Verbs, key: str = STATEMENT) -> dict[str, Any]:
    stored = verbs.shop.objects.get(key)
    assert stored is not None
    found: dict[str, Any] = json.loads(stored.body)
    return found


def planted(verbs: Verbs, body: bytes | None) -> None:
    """Ship a change whose statement somebody has put there before, with the true bytes beside it."""
    verbs.code["users"] = 2
    if body is not None:
        verbs.shop.objects.put(STATEMENT, body)
    verbs.shop.objects.put(f"artifacts/{CHANGED}.zip", b"users 2")
    verbs.deploy()


# ------------------------------------------------------------------------------------------ statements


def test_a_statement_is_in_toto_with_slsas_provenance() -> None:
    found = json.loads(SOME.payload())
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert found["subject"][0]["digest"] == {"sha256": CHANGED}
    source = found["predicate"]["buildDefinition"]["resolvedDependencies"][0]
    assert source == {
        "name": "source",
        "digest": {"gitCommit": "c0ffee"},
        "annotations": {"uncommittedChanges": True},
    }


@pytest.mark.parametrize("some", [SOME, replace(SOME, commit="", dirty=False, sbom="")])
def test_a_statement_reads_back_as_it_was_written(some: Provenance) -> None:
    assert Provenance.of(some.payload()) == some
    envelope = sign(FakeSigner(), Envelope(payload=some.payload()))
    assert Envelope.from_text(envelope.to_text()) == envelope


def test_what_is_signed_is_dsses_encoding_of_type_and_payload() -> None:
    """The example of https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, with in-toto's type."""
    assert Envelope(payload=b"hello world").message == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"payloadType": "text"}',
        b'{"payloadType": "application/vnd.in-toto+json", "payload": "%", "signatures": []}',
        b'{"payloadType": "application/vnd.in-toto+json", "payload": "", "signatures": [1]}',
        b'{"payloadType": "application/vnd.in-toto+json", "payload": 1, "signatures": []}',
    ],
)
def test_anything_else_is_not_a_signed_statement(text: bytes) -> None:
    with pytest.raises(Unsound):
        Envelope.from_text(text)


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"_type": "x", "predicateType": "y"}'])
def test_a_signature_on_something_else_is_no_statement(payload: bytes) -> None:
    envelope = sign(FakeSigner(), Envelope(payload=payload))
    with pytest.raises(Unsound, match="not a statement"):
        verified(FakeSigner(), envelope.to_text(), workspace="shop")


def test_no_more_signatures_are_looked_at_than_an_honest_envelope_has() -> None:
    class Counting(FakeSigner):
        looked = 0

        def verify(self, message: bytes, signature: bytes) -> bool:
            self.looked += 1
            return super().verify(message, signature)

    signer = Counting("ours")
    many = Envelope(payload=SOME.payload())
    for _ in range(100):
        many = sign(FakeSigner("theirs"), many)
    with pytest.raises(Unsound):
        verified(signer, many.to_text(), workspace="shop")
    assert signer.looked == 8


# ------------------------------------------------------------------------------------------ at deploy


def test_a_new_artifact_is_signed_once_with_commit_recipe_and_digest(verbs: Verbs) -> None:
    before = verbs.shop.signer.signed
    verbs.code["users"] = 2
    verbs.deploy()
    assert verbs.shop.signer.signed == before + 1
    found = Provenance.of(base64.b64decode(statement(verbs)["payload"]))
    assert (found.artifact, found.commit, found.dirty) == (CHANGED, "c0ffee", False)
    assert found.recipe == verbs.recipe("users")


def test_a_deploy_with_nothing_to_do_signs_and_verifies_nothing(verbs: Verbs) -> None:
    before = verbs.shop.signer.signed
    assert not verbs.deploy().changed
    assert verbs.shop.signer.signed == before


def test_a_missing_signature_is_refused() -> None:
    """Bytes that lie in the bucket without a statement, as somebody would put them there."""
    shop, release = Shop(), a_release((1, 1, 1))
    shop.terraform_applies(release)
    shop.objects.delete(f"artifacts/{release.functions['users'].artifact}.intoto.json")
    with pytest.raises(Refused, match="has no signature in dev") as caught:
        shop.run(Loaded(release=release, applied=Applied.of(release)))
    assert caught.value.hint.startswith("build and sign it: penstock deploy -e dev")
    assert [version.version for version in shop.functions.versions("shop-dev-users")] == ["1"], "nothing is published"


def test_a_swapped_statement_is_refused(verbs: Verbs) -> None:
    other = verbs.shop.objects.get(f"artifacts/{digest('orders', 1)}.intoto.json")
    assert other is not None
    with pytest.raises(Refused, match="about another artifact") as caught:
        planted(verbs, other.body)
    assert caught.value.exit_code == 6
    assert STATEMENT in caught.value.where
    assert verbs.live_code() == ONES


def test_a_foreign_signer_is_refused_and_named(verbs: Verbs) -> None:
    theirs = sign(FakeSigner("mallory"), Envelope(payload=SOME.payload()))
    with pytest.raises(Refused, match="signed by mallory, not by alias/shop-dev-artifacts"):
        planted(verbs, theirs.to_text())
    assert verbs.live_code() == ONES


def test_a_foreign_signer_under_our_keys_name_is_refused(verbs: Verbs) -> None:
    theirs = sign(FakeSigner("mallory"), Envelope(payload=SOME.payload())).to_json()
    theirs["signatures"][0]["keyid"] = verbs.shop.signer.name
    with pytest.raises(Refused, match="changed after it was signed"):
        planted(verbs, json.dumps(theirs).encode())


def test_a_flipped_byte_in_the_statement_is_refused(verbs: Verbs) -> None:
    envelope = sign(verbs.shop.signer, Envelope(payload=SOME.payload()))
    flipped = replace(envelope, payload=envelope.payload.replace(b"c0ffee", b"c0ffef"))
    with pytest.raises(Refused, match="changed after it was signed"):
        planted(verbs, flipped.to_text())


def test_a_statement_without_a_signature_is_refused(verbs: Verbs) -> None:
    with pytest.raises(Refused, match="not signed"):
        planted(verbs, Envelope(payload=SOME.payload()).to_text())


def test_another_workspaces_statement_is_refused(verbs: Verbs) -> None:
    envelope = sign(verbs.shop.signer, Envelope(payload=replace(SOME, workspace="other").payload()))
    with pytest.raises(Refused, match="another workspace"):
        planted(verbs, envelope.to_text())


def test_a_flipped_byte_in_the_zip_is_refused_by_its_digest(verbs: Verbs) -> None:
    envelope = sign(verbs.shop.signer, Envelope(payload=SOME.payload()))
    verbs.code["users"] = 2
    verbs.shop.objects.put(STATEMENT, envelope.to_text())
    verbs.shop.objects.put(f"artifacts/{CHANGED}.zip", b"users 3")
    with pytest.raises(RemoteFault):
        verbs.deploy()
    assert verbs.live_code() == ONES


def test_an_unsigned_zip_that_an_earlier_run_left_is_signed_and_written_again(verbs: Verbs) -> None:
    planted(verbs, None)
    assert verbs.live_code() == {**ONES, "users": 2}
    assert statement(verbs)["signatures"]


def test_an_environment_from_before_there_were_keys_gets_one(verbs: Verbs) -> None:
    verbs.shop.signer = FakeSigner(created=False)
    verbs.code["users"] = 2
    verbs.deploy()
    assert verbs.shop.signer.key() is not None


# ------------------------------------------------------------------------------------------ promotion


def production(verbs: Verbs, tmp_path: Path) -> Verbs:
    """Another environment with a key and a bucket of its own, ready for what the first one runs."""
    (tmp_path / "production").mkdir()
    other = Verbs(root=tmp_path / "production")
    other.shop.signer = FakeSigner("alias/shop-production-artifacts")
    del verbs
    return other


def promote(source: Verbs, target: Verbs) -> None:
    deploy(target.world(), DeployRequest(source=source.world()), TARGETS, yes)


def test_a_promotion_verifies_with_the_sources_key_and_signs_with_its_own(verbs: Verbs, tmp_path: Path) -> None:
    target = production(verbs, tmp_path)
    promote(verbs, target)
    assert target.live_code() == ONES
    found = statement(target, f"artifacts/{digest('users', 1)}.intoto.json")
    assert [each["keyid"] for each in found["signatures"]] == [verbs.shop.signer.name, target.shop.signer.name]


@pytest.mark.parametrize("harm", ["missing", "foreign", "swapped", "byte"])
def test_what_the_source_did_not_sign_is_not_promoted(verbs: Verbs, tmp_path: Path, harm: str) -> None:
    target, users = production(verbs, tmp_path), digest("users", 1)
    key = f"artifacts/{users}.intoto.json"
    match harm:
        case "missing":
            verbs.shop.objects.delete(key)
        case "foreign":
            planted = sign(FakeSigner("mallory"), Envelope(payload=replace(SOME, artifact=users).payload()))
            verbs.shop.objects.put(key, planted.to_text())
        case "swapped":
            other = verbs.shop.objects.get(f"artifacts/{digest('orders', 1)}.intoto.json")
            assert other is not None
            verbs.shop.objects.put(key, other.body)
        case _:
            verbs.shop.objects.put(f"artifacts/{users}.zip", b"users !")
    with pytest.raises(Refused):
        promote(verbs, target)
    assert not target.shop.objects.has(key)
    assert Pointer.from_text(str(target.shop.parameters.get("/penstock/shop/dev/pointer"))).live_release is None


# ------------------------------------------------------------------------------------------ the remote cache


class Remote:
    """The build cache of an environment, as another machine sees it."""

    def __init__(self, verbs: Verbs, folder: Path) -> None:
        self.verbs = verbs
        self.objects = verbs.shop.objects
        self.warnings: list[str] = []
        self.archive, self.sbom = folder / "fetched.zip", folder / "fetched.json"
        self.builds = RemoteBuilds(self.objects, verbs.shop.signer, "shop", self.warnings.append)

    def fetch(self, unit: str = "users") -> Provenance | None:
        return self.builds.fetch(self.verbs.recipe_of(unit), self.archive, self.sbom)

    def entry(self) -> dict[str, Any]:
        return statement(self.verbs, build_key(self.verbs.recipe("users")))

    def plant(self, body: bytes) -> None:
        self.objects.put(build_key(self.verbs.recipe("users")), body)


@pytest.fixture
def remote(verbs: Verbs, tmp_path: Path) -> Remote:
    return Remote(verbs, tmp_path)


def test_another_machine_gets_the_same_bytes_by_the_recipe(remote: Remote) -> None:
    found = remote.fetch()
    assert found is not None
    assert hashlib.sha256(remote.archive.read_bytes()).hexdigest() == found.artifact == digest("users", 1)
    assert hashlib.sha256(remote.sbom.read_bytes()).hexdigest() == found.sbom
    assert remote.warnings == []


def test_a_recipe_that_nobody_built_is_no_hit_and_no_news(remote: Remote) -> None:
    remote.verbs.code["users"] = 2
    assert remote.fetch() is None
    assert remote.warnings == []


def test_an_environment_that_was_never_deployed_is_not_asked(tmp_path: Path) -> None:
    verbs = Verbs(root=tmp_path)
    verbs.shop.objects._created = False
    remote = Remote(verbs, tmp_path)
    assert remote.fetch() is None
    assert remote.warnings == []


def test_an_entry_that_somebody_made_up_is_told_and_not_used(remote: Remote) -> None:
    evil = hashlib.sha256(b"evil").hexdigest()
    payload = replace(SOME, artifact=evil, recipe=remote.verbs.recipe("users")).payload()
    remote.objects.put(f"artifacts/{evil}.zip", b"evil")
    remote.plant(json.dumps({"provenance": sign(FakeSigner("mallory"), Envelope(payload=payload)).to_json()}).encode())
    assert remote.fetch() is None
    assert "signed by mallory" in remote.warnings[0]
    assert not remote.archive.exists()


def test_another_recipes_entry_is_not_used(remote: Remote) -> None:
    remote.plant(json.dumps(statement(remote.verbs, build_key(remote.verbs.recipe("orders")))).encode())
    assert remote.fetch() is None
    assert "another recipe" in remote.warnings[0]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"provenance": 1}', b"\xff\xff", b"[" * 100_000])
def test_a_corrupted_entry_is_told_and_not_used(remote: Remote, body: bytes) -> None:
    remote.plant(body)
    assert remote.fetch() is None
    assert len(remote.warnings) == 1


def test_corrupted_bytes_and_sboms_are_told_and_not_used(remote: Remote) -> None:
    remote.objects.put(f"artifacts/{digest('users', 1)}.zip", b"users !")
    assert remote.fetch() is None
    assert "its bytes are not those that were signed" in remote.warnings[0]
    remote.objects.put(f"artifacts/{digest('users', 1)}.cdx.json", b"{}")
    assert remote.fetch() is None
    assert "SBOM" in remote.warnings[1]


def test_an_entry_that_is_not_sound_is_replaced_by_the_next_who_builds_it(remote: Remote) -> None:
    good = remote.entry()
    remote.plant(b"{")
    remote.verbs.code["orders"] = 2  # so that there is something to deploy
    remote.verbs.deploy()
    assert remote.entry()["artifact"] == good["artifact"]
    assert remote.fetch() is not None


def test_what_cannot_be_reached_is_told_in_one_line_and_asked_once(remote: Remote) -> None:
    asked = []

    def get(key: str, **_: object) -> None:
        asked.append(key)
        raise RemoteFault("no answer:\nnothing", where=key)

    remote.objects.get = get  # type: ignore[method-assign] # a network that is down
    assert remote.fetch() is remote.fetch() is None
    assert len(asked) == 1
    assert remote.warnings == ["the remote build cache cannot be reached (no answer:); what is missing is built here"]


@pytest.mark.parametrize("port", ["get", "put_if_absent", "put_if_match"])
@pytest.mark.parametrize("fault", [AccessDenied("not for these credentials"), Busy("no answer")])
def test_a_deploy_does_not_fail_for_the_remote_cache(remote: Remote, port: str, fault: RemoteFault) -> None:
    plain = getattr(remote.objects, port)

    def faulty(key: str, *rest: object, **how: object) -> object:
        if key.startswith("builds/"):
            raise fault
        return plain(key, *rest, **how)

    remote.plant(b"{")
    remote.verbs.code["orders"] = 2
    setattr(remote.objects, port, faulty)
    remote.verbs.deploy()
    assert remote.objects.has(f"artifacts/{digest('orders', 2)}.zip")


@pytest.mark.parametrize("port", ["exists", "get", "has", "download"])
@pytest.mark.parametrize("fault", [AccessDenied("not for these credentials"), Busy("no answer")])
def test_what_a_build_cannot_have_it_does_without(remote: Remote, port: str, fault: RemoteFault) -> None:
    def faulty(*_: object, **__: object) -> object:
        raise fault

    setattr(remote.objects, port, faulty)
    assert remote.fetch() is remote.fetch() is None
    assert len(remote.warnings) <= 1


def test_of_what_is_too_big_to_be_true_no_more_is_read_than_shows_it(remote: Remote) -> None:
    honest = remote.objects.get(build_key(remote.verbs.recipe("users")))
    assert honest is not None
    remote.plant(honest.body + b" " * (2 << 20))
    assert remote.fetch() is None
    assert "not an entry of ours" in remote.warnings[0]
    remote.plant(honest.body)
    remote.objects.put(f"artifacts/{digest('users', 1)}.zip", bytes(1 << 20))
    assert remote.fetch() is None
    assert "its bytes are not those that were signed" in remote.warnings[1]
    assert remote.archive.stat().st_size < 1 << 10


def test_nothing_is_shared_when_it_is_switched_off(tmp_path: Path) -> None:
    verbs = Verbs(root=tmp_path)
    environment = replace(verbs.workspace.environment, build_cache=False)
    verbs.workspace = replace(verbs.workspace, environment=environment)
    verbs.deploy()
    assert verbs.shop.objects.list("builds/") == []
    assert len(verbs.shop.objects.list("artifacts/")) == 3 * len(NAMES)


def test_pruning_takes_sbom_statement_and_entry_along(verbs: Verbs) -> None:
    gone = verbs.recipe("users")
    for number in (2, 3):
        verbs.code["users"] = number
        verbs.deploy()
    verbs.code["users"] = 4
    verbs.deploy()
    prune(verbs.world(), keep=1)
    left = verbs.shop.objects.list("artifacts/")
    assert not [key for key in left if digest("users", 1) in key]
    assert len([key for key in left if digest("users", 4) in key]) == 3
    assert build_key(gone) not in verbs.shop.objects.list("builds/")
    assert build_key(verbs.recipe("users")) in verbs.shop.objects.list("builds/")
