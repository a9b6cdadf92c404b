"""Code blobs of functions: hashed once, collected only when no committed state needs them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

_KNOWN_BLOBS = 4096


def install(ministack: Ministack, _settings: Settings) -> None:
    """Stand around ministack's writing and pruning of code blobs."""
    blobs = Blobs()
    ministack.wrap(ministack.lambdas, "_write_code_blob", "(code_zip)", blobs.around_write)
    ministack.wrap(ministack.lambdas, "_prune_orphan_code_blobs", "(referenced)", blobs.around_prune)


class Blobs:
    """What was hashed already."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[bytes, str]] = OrderedDict()
        self._lock = threading.Lock()

    def around_write(self, original: Callable[[bytes], str]) -> Callable[[bytes], str]:
        """Hash a function's code once, not at every save."""

        def write_code_blob(code_zip: bytes) -> str:
            with self._lock:
                known = self._known.get(id(code_zip))
            if known is not None and known[0] is code_zip:
                return known[1]
            digest = original(code_zip)
            with self._lock:
                self._known[id(code_zip)] = (code_zip, digest)
                while len(self._known) > _KNOWN_BLOBS:
                    self._known.popitem(last=False)
            return digest

        return write_code_blob

    def around_prune(self, _original: Callable[..., Any]) -> Callable[..., None]:
        """Prune nothing while state is being gathered: the state on disk may still name the blob."""

        def prune_orphan_code_blobs(referenced: Iterable[str]) -> None:
            with self._lock:
                wanted = set(referenced)
                for key in [key for key, (_, digest) in self._known.items() if digest not in wanted]:
                    del self._known[key]

        return prune_orphan_code_blobs
