"""A signing key in a file of this machine, for environments that have none in KMS.

`cryptography` takes a tenth of a second to import, so that it is imported with the first signature only.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.model.errors import NotFound, PenstockError
from penstock.ports import Signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

OTHERS = 0o077
"""Permission bits that a private key's file must not have."""


class FileSigner:
    """An ECDSA key on P-256 in an unencrypted PKCS #8 file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: EllipticCurvePrivateKey | None = None

    def key(self) -> str | None:
        """The public key's SHA-256, or None when there is no file."""
        private = self._private()
        if private is None:
            return None
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow to import

        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"sha256:{hashlib.sha256(public).hexdigest()}"

    def create(self) -> None:
        """Make the file; done when it is there. Raises PenstockError when it cannot be written."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow to import
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        if self._path.exists():
            return
        text = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=self._path.parent)  # readable by its owner only
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                with suppress(FileExistsError):  # another process was first, and its key is the key
                    os.link(draft, self._path)
            finally:
                Path(draft).unlink()
        except OSError as error:
            raise PenstockError(
                f"the signing key cannot be written: {error.strerror}",
                where=str(self._path),
                hint="make room, or make the folder writable",
            ) from error

    def sign(self, message: bytes) -> Signature:
        """Sign. Raises NotFound when there is no file."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - slow to import
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        private = self._private()
        if private is None:
            raise NotFound("there is no signing key", where=str(self._path))
        return Signature(key=str(self.key()), value=private.sign(message, ec.ECDSA(hashes.SHA256())))

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made that signature; False also when there is no file."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - slow to import
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        private = self._private()
        if private is None:
            return False
        try:
            private.public_key().verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    def _private(self) -> EllipticCurvePrivateKey | None:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> EllipticCurvePrivateKey | None:
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - slow to import
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        where = str(self._path)
        try:
            mode, text = self._path.stat().st_mode, self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PenstockError(f"the signing key cannot be read: {error.strerror}", where=where) from error
        if mode & OTHERS:
            raise PenstockError("others may read the signing key", where=where, hint=f"chmod 600 {self._path}")
        try:
            found = load_pem_private_key(text, password=None)
        except (TypeError, ValueError) as error:
            raise PenstockError("this is not a signing key of ours", where=where, hint="remove it") from error
        if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
            raise PenstockError("this is not an ECDSA key on P-256", where=where, hint="remove it")
        return found
