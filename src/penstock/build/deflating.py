"""libdeflate by all processors: the package that brings it holds Python's lock meanwhile, the library need not.

The library inside the package is called directly where its symbols can be seen, as they can in the package's wheels.
The bytes are the same either way.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING

from deflate import _deflate, deflate_compress

if TYPE_CHECKING:
    from collections.abc import Callable


def deflate(content: bytes, level: int) -> bytes:
    """The content as a raw DEFLATE stream (RFC 1951)."""
    direct = _direct()
    return bytes(deflate_compress(content, level)) if direct is None else direct(content, level)


@cache
def _direct() -> Callable[[bytes, int], bytes] | None:
    """Compression without Python's lock, or None where the library's symbols are hidden."""
    try:
        library = ctypes.CDLL(_deflate.__file__)
        alloc, compress, free = (
            library.libdeflate_alloc_compressor,
            library.libdeflate_deflate_compress,
            library.libdeflate_free_compressor,
        )
        bound = library.libdeflate_deflate_compress_bound
    except (OSError, AttributeError):
        return None
    alloc.argtypes, alloc.restype = [ctypes.c_int], ctypes.c_void_p
    bound.argtypes, bound.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_size_t
    compress.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
    compress.restype = ctypes.c_size_t
    free.argtypes, free.restype = [ctypes.c_void_p], None

    def run(content: bytes, level: int) -> bytes:
        compressor = alloc(level)
        if not compressor:
            raise MemoryError
        try:
            room = bound(compressor, len(content))
            into = ctypes.create_string_buffer(room)
            size = compress(compressor, content, len(content), into, room)
        finally:
            free(compressor)
        return bytes(memoryview(into)[:size])

    return run
