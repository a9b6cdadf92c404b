"""A signing key in memory: a keyed hash, which nobody can forge who does not have the object."""

from __future__ import annotations

import hashlib
import hmac

from penstock.model.errors import NotFound
from penstock.ports import Signature


class FakeSigner:
    """One environment's key.

    Args:
        name: the key's; signers of different names do not take each other's signatures.
        created: whether the key is there to begin with.
    """

    def __init__(self, name: str = "alias/shop-dev-artifacts", *, created: bool = True) -> None:
        self.name = name
        self._created = created
        self.signed = 0
        """How often it signed."""

    def key(self) -> str | None:
        """The key's name, or None."""
        return self.name if self._created else None

    def create(self) -> None:
        """Make the key; done when it is there."""
        self._created = True

    def sign(self, message: bytes) -> Signature:
        """Sign. Raises NotFound when there is no key."""
        if not self._created:
            raise NotFound("NotFoundException: there is no key", where=self.name)
        self.signed += 1
        return Signature(key=self.name, value=self._mac(message))

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made that signature; False also when there is no key."""
        return self._created and hmac.compare_digest(signature, self._mac(message))

    def _mac(self, message: bytes) -> bytes:
        return hmac.new(self.name.encode(), message, hashlib.sha256).digest()
