from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.file_signer import FileSigner
from penstock.model.errors import NotFound, PenstockError

if TYPE_CHECKING:
    from pathlib import Path

    from ports.places import Keys

LONG = b"longer than KMS takes" * 1000


def test_without_a_key_nothing_is_signed_and_nothing_verifies(keys: Keys, name: str) -> None:
    signer = keys.signer(name)
    assert signer.key() is None
    with pytest.raises(NotFound):
        signer.sign(b"text")
    assert not signer.verify(b"text", b"anything")


def test_a_key_is_made_once_and_making_it_again_is_fine(keys: Keys, name: str) -> None:
    signer = keys.signer(name)
    signer.create()
    first = signer.key()
    signer.create()
    assert signer.key() == first is not None


def test_what_was_signed_verifies_with_the_same_key_later(keys: Keys, name: str) -> None:
    keys.signer(name).create()
    signature = keys.signer(name).sign(LONG)
    assert keys.signer(name).verify(LONG, signature.value)
    assert signature.key == keys.signer(name).key()


def test_another_text_another_signature_and_another_key_do_not_verify(keys: Keys, name: str) -> None:
    ours, theirs = keys.signer(name), keys.signer(f"{name}-other")
    ours.create()
    theirs.create()
    signature = ours.sign(b"text").value
    assert not ours.verify(b"tex!", signature)
    assert not ours.verify(b"text", signature[:-1] + bytes([signature[-1] ^ 1]))
    assert not ours.verify(b"text", b"")
    assert not ours.verify(b"text", b"nonsense")
    assert not theirs.verify(b"text", signature)


def test_a_key_in_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "shop-dev.pem"
    FileSigner(path).create()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["shop-dev.pem"]
    path.chmod(0o640)
    with pytest.raises(PenstockError, match="others may read") as caught:
        FileSigner(path).sign(b"text")
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("text", [b"", b"-----BEGIN PRIVATE KEY-----\nno\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key_is_said_plainly(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "shop-dev.pem"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(PenstockError, match="not a signing key"):
        FileSigner(path).key()
