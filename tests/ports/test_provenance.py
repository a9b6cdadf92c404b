"""Signed statements, SBOMs and the shared cache in a real bucket with a real key, and over the fakes."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.operations.harness import TARGETS, Verbs, digest, yes
from unit.release.shop import Shop, a_provenance

from penstock.build.provenance import Envelope, Unsound
from penstock.model.artifact import Artifact, Recipe, Target
from penstock.model.errors import Refused
from penstock.operations.artifacts import upload
from penstock.operations.build_cache import RemoteBuilds, build_key, is_wanting
from penstock.operations.deploy import deploy
from penstock.operations.provenance import check, sign, statement_key, verified
from penstock.operations.wanted import DeployRequest

if TYPE_CHECKING:
    from pathlib import Path

    from ports.places import Keys, Place

    from penstock.operations.world import World

TARGET = Target(language="python", version="3.13", architecture="arm64")


@pytest.fixture
def world(place: Place, name: str) -> World:
    """An environment with a bucket, and a key that is made with the first signature."""
    return replace(Shop().world(), objects=place.objects, signer=place.signer(name))


@pytest.fixture
def artifact(tmp_path: Path, name: str) -> Artifact:
    """Something that was built just now, unlike any other test's."""
    archive, sbom = tmp_path / "users.zip", tmp_path / "users.cdx.json"
    archive.write_bytes(name.encode())
    sbom.write_text("{}")
    return Artifact(
        unit="users",
        digest=hashlib.sha256(name.encode()).hexdigest(),
        recipe=a_recipe(name).digest,
        target=TARGET,
        size=len(name),
        unzipped=len(name),
        path=str(archive),
        functions=("users",),
        sbom=str(sbom),
    )


def a_recipe(name: str) -> Recipe:
    return Recipe(unit="users", target=TARGET, inputs={"name": name})


def test_what_was_uploaded_is_signed_and_known(world: World, artifact: Artifact) -> None:
    upload(world, [artifact])
    found, envelope = check(world, artifact.digest)
    assert (found.recipe, found.commit) == (artifact.recipe, "c0ffee")
    assert [each.key for each in envelope.signatures] == [world.signer.key()]


@pytest.mark.parametrize("harm", ["byte", "swapped", "unsigned", "foreign", "missing"])
def test_what_was_tampered_with_is_refused(
    place: Place, world: World, artifact: Artifact, name: str, harm: str
) -> None:
    upload(world, [artifact])
    key = statement_key(artifact.digest)
    genuine = check(world, artifact.digest)[1]
    match harm:
        case "byte":
            planted = replace(genuine, payload=genuine.payload.replace(b"c0ffee", b"c0ffef"))
        case "swapped":
            planted = sign(world.signer, Envelope(payload=a_provenance("ab" * 32).payload()))
        case "unsigned":
            planted = replace(genuine, signatures=())
        case _:
            planted = sign(place.signer(f"{name}-foreign"), replace(genuine, signatures=()))
    world.objects.put(key, planted.to_text())
    if harm == "missing":
        world.objects.delete(key)
    with pytest.raises(Refused) as caught:
        check(world, artifact.digest)
    assert caught.value.exit_code == 6


def test_another_machine_takes_it_from_the_shared_cache(
    world: World, artifact: Artifact, name: str, tmp_path: Path
) -> None:
    upload(world, [artifact])
    warnings: list[str] = []
    remote = RemoteBuilds(world.objects, world.signer, "shop", warnings.append)
    found = remote.fetch(a_recipe(name), tmp_path / "fetched.zip", tmp_path / "fetched.json")
    assert found is not None
    assert (tmp_path / "fetched.zip").read_bytes() == name.encode()
    assert remote.fetch(a_recipe("nobody's"), tmp_path / "no.zip", tmp_path / "no.json") is None
    world.objects.put(build_key(artifact.recipe), b"{}")
    assert remote.fetch(a_recipe(name), tmp_path / "no.zip", tmp_path / "no.json") is None
    assert len(warnings) == 1


def test_of_many_who_build_the_same_at_once_all_share_one_sound_entry_whatever_lay_there(
    world: World, artifact: Artifact, name: str, tmp_path: Path
) -> None:
    """As several machines would; they find bytes there that somebody has planted."""
    world.objects.put(build_key(artifact.recipe), b"{" * 50_000)
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(upload, world, [artifact]) for _ in range(6)]:
            done.result()
    warnings: list[str] = []
    remote = RemoteBuilds(world.objects, world.signer, "shop", warnings.append)
    with ThreadPoolExecutor(4) as pool:
        fetched = [
            pool.submit(remote.fetch, a_recipe(name), tmp_path / f"{number}.zip", tmp_path / f"{number}.json")
            for number in range(4)
        ]
        assert {found.artifact for each in fetched if (found := each.result())} == {artifact.digest}
    assert {(tmp_path / f"{number}.zip").read_bytes() for number in range(4)} == {name.encode()}
    assert warnings == []


def test_an_object_that_is_too_big_to_be_true_is_cut_and_refused(
    world: World, artifact: Artifact, name: str, tmp_path: Path
) -> None:
    upload(world, [artifact])
    entry = world.objects.get(build_key(artifact.recipe))
    assert entry is not None
    warnings: list[str] = []
    remote = RemoteBuilds(world.objects, world.signer, "shop", warnings.append)
    world.objects.put(f"artifacts/{artifact.digest}.zip", bytes(3 << 20))
    assert remote.fetch(a_recipe(name), tmp_path / "a.zip", tmp_path / "a.json") is None
    assert (tmp_path / "a.zip").stat().st_size == artifact.size
    world.objects.put(build_key(artifact.recipe), entry.body + b" " * (2 << 20))
    assert remote.fetch(a_recipe(name), tmp_path / "b.zip", tmp_path / "b.json") is None
    assert len(warnings) == 2
    upload(world, [replace(artifact, cached=False)])
    again = world.objects.get(build_key(artifact.recipe))
    assert again is not None
    assert len(again.body) < 1 << 14, "put anew"
    assert not is_wanting(world, artifact)


def test_a_promoted_statement_verifies_with_either_environments_key(place: Place, name: str) -> None:
    here, there = place.signer(name), place.signer(f"{name}-there")
    once = sign(here, Envelope(payload=a_provenance("ab" * 32).payload()))
    twice = sign(there, once).to_text()
    for signer in (here, there):
        assert verified(signer, twice, workspace="shop")[0].artifact == "ab" * 32
    with pytest.raises(Unsound):
        verified(there, once.to_text(), workspace="shop")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("byte", "changed after it was signed"),
        ("swapped", "about another artifact"),
        ("unsigned", "not signed"),
        ("foreign", "it was signed by"),
    ],
)
def test_a_deploy_publishes_nothing_that_its_key_did_not_sign(
    keys: Keys, name: str, tmp_path: Path, harm: str, said: str
) -> None:
    verbs = with_key(tmp_path, keys, name)
    live = verbs.live_code()
    changed = Envelope(payload=a_provenance(digest("users", 2)).payload())
    match harm:
        case "byte":
            signed = sign(verbs.shop.signer, changed)
            planted = replace(signed, payload=signed.payload.replace(b"c0ffee", b"c0ffef"))
        case "swapped":
            planted = sign(verbs.shop.signer, Envelope(payload=a_provenance(digest("orders", 1)).payload()))
        case "unsigned":
            planted = changed
        case _:
            planted = sign(keys.signer(f"{name}-foreign"), changed)
    verbs.code["users"] = 2
    verbs.shop.objects.put(statement_key(digest("users", 2)), planted.to_text())
    verbs.shop.objects.put(f"artifacts/{digest('users', 2)}.zip", b"users 2")
    with pytest.raises(Refused, match=said) as caught:
        verbs.deploy()
    assert caught.value.exit_code == 6
    assert verbs.live_code() == live


@pytest.mark.parametrize("harm", ["missing", "foreign", "byte in the ZIP"])
def test_a_promotion_takes_nothing_that_its_source_did_not_sign(
    keys: Keys, name: str, tmp_path: Path, harm: str
) -> None:
    source, target = (with_key(tmp_path, keys, f"{name}-{one}") for one in ("staging", "production"))
    source.code["users"] = 2
    source.deploy()
    live, key = target.live_code(), statement_key(digest("users", 2))
    match harm:
        case "missing":
            source.shop.objects.delete(key)
        case "foreign":
            theirs = Envelope(payload=a_provenance(digest("users", 2)).payload())
            source.shop.objects.put(key, sign(keys.signer(f"{name}-foreign"), theirs).to_text())
        case _:
            source.shop.objects.put(f"artifacts/{digest('users', 2)}.zip", b"users !")
    with pytest.raises(Refused):
        deploy(target.world(), DeployRequest(source=source.world()), TARGETS, yes)
    assert target.live_code() == live


def with_key(folder: Path, keys: Keys, name: str) -> Verbs:
    """An environment that has been deployed, whose key is of that kind."""
    (folder / name).mkdir()
    verbs = Verbs(root=folder / name)
    verbs.shop.signer = keys.signer(name)  # type: ignore[assignment] # any signer will do
    verbs.deploy()
    return verbs
