"""Files of locked packages that another installation has compressed already are not compressed again."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest
from build.sites import Wall

from penstock.adapters.builder_cache import ZipCache
from penstock.adapters.builder_files import SourceFiles
from penstock.adapters.builder_python_earlier import Earlier
from penstock.build import archive
from penstock.build.archive import Member

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"def f():\n    return 'the same words again and again'\n" * 50


@pytest.fixture
def cache(tmp_path: Path) -> ZipCache:
    return ZipCache(tmp_path, SourceFiles(tmp_path, tmp_path / "files.json", Wall()))


def marked(name: str) -> Member:
    """The text, compressed as nobody else would, so that it is known again."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Member(name, 8, zlib.crc32(TEXT), len(TEXT), packer.compress(TEXT) + packer.flush())


def test_equal_content_is_taken_as_it_was_compressed(cache: ZipCache) -> None:
    cache.put("installation", "one", [marked("a.py")])
    Earlier(cache, "key").add("one")
    taken = Earlier(cache, "key").packed("a.py", TEXT, executable=True)
    assert (bytes(taken.packed), taken.executable) == (marked("a.py").packed, True)


@pytest.mark.parametrize("content", [TEXT.replace(b"f", b"g", 1), TEXT + b"#", b""])
def test_other_content_under_the_same_name_is_compressed(cache: ZipCache, content: bytes) -> None:
    cache.put("installation", "one", [marked("a.py")])
    Earlier(cache, "key").add("one")
    assert Earlier(cache, "key").packed("a.py", content, executable=False) == archive.pack("a.py", content)


def test_what_other_tools_compressed_or_somebody_broke_is_not_taken(cache: ZipCache) -> None:
    entry = cache.put("installation", "one", [marked("a.py")])
    Earlier(cache, "key").add("one")
    assert Earlier(cache, "another").packed("a.py", TEXT, executable=False) == archive.pack("a.py", TEXT)
    content = bytearray(entry.path.read_bytes())
    content[60] ^= 1
    entry.path.write_bytes(content)
    assert Earlier(cache, "key").packed("a.py", TEXT, executable=False) == archive.pack("a.py", TEXT)


def test_only_the_last_few_are_offered(cache: ZipCache) -> None:
    for number in range(6):
        cache.put("installation", str(number), [marked(f"{number}.py")])
        Earlier(cache, "key").add(str(number))
    found = [Earlier(cache, "key").packed(f"{n}.py", TEXT, executable=False) for n in range(6)]
    assert [bytes(one.packed) == marked("x").packed for one in found] == [False, False, True, True, True, True]
