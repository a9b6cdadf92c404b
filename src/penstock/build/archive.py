"""ZIPs whose bytes depend on their members' names, contents and executable bits, and on nothing else.

Members are sorted by name, dated 1980-01-01 00:00:00, 0644 or 0755, without extra fields, comments or folders, and
compressed once, by libdeflate: a packed member is copied from archive to archive as it is. Format: APPNOTE.TXT 6.3.3
by PKWARE, without ZIP64, because Lambda's limit on unzipped code (250 MB) is far below 4 GiB.
"""

from __future__ import annotations

import struct
import threading
import zlib
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

_STORED, _DEFLATED = 0, 8
_DOS_EPOCH = (0, (1 << 5) | 1)
"""Time and date of 1980-01-01 00:00:00."""
_UTF8 = 0x800
_MADE_ON_UNIX = (3 << 8) | 20
_NEEDS = 20
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5HL")
_PLACE = struct.Struct("<L")
_IN_BOTH = slice(6, 32)
"""From the version that is needed to the length of the extra fields."""
_END = struct.Struct("<4s4H2LH")
_MEMBERS_MAX = 0xFFFF
_PIECE = 1 << 20
"""Bytes that are written at once: most members are small."""
_DIRECT = 1 << 16
"""Bytes that are worth a call of the system of their own."""
_rooms = threading.local()
"""Each thread's own: nothing is in it between two archives."""
_LEVEL = 9
"""Of libdeflate's 12: those above take three to five times as long for 2.5 % less."""


class ArchiveError(ValueError):
    """A member that must not be, or an archive that is not one of ours."""


class Output(Protocol):
    """What an archive is written to."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Append the bytes, a big piece of the archive, which are others when it has returned."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file, already compressed. `size` is that of the content, in bytes."""

    name: str
    method: int
    crc: int
    size: int
    packed: bytes | memoryview
    executable: bool = False
    lies: tuple[memoryview, int] | None = field(default=None, init=False, repr=False, compare=False)
    """The archive that it was read from, and where it begins there: it can be taken over from there as it is."""
    headers: tuple[bytes, bytes, bytes] | None = field(default=None, init=False, repr=False, compare=False)
    """Of one that was read: what stands before it, and in the directory before and after its place."""

    def content(self) -> bytes:
        """The content, decompressed."""
        return bytes(self.packed) if self.method == _STORED else zlib.decompress(self.packed, -zlib.MAX_WBITS)


def pack(name: str, content: bytes, *, executable: bool = False) -> Member:
    """Compress one file, or store it when that is smaller. Raises ArchiveError for a name that would escape."""
    check_name(name)
    packed = _deflated(content)
    stored = len(packed) >= len(content)
    return Member(
        name=name,
        method=_STORED if stored else _DEFLATED,
        crc=zlib.crc32(content),
        size=len(content),
        packed=content if stored else packed,
        executable=executable,
    )


def tools() -> dict[str, str]:
    """What decides the compressed bytes, for recipes."""
    from deflate import __version__  # noqa: PLC0415 - native, and only builds need it

    return {"tool deflate": f"{__version__}, level {_LEVEL}"}


def _deflated(content: bytes) -> bytes:
    if not content:
        return b"\3\0"
    from penstock.build.deflating import deflate  # noqa: PLC0415 - native, and only builds need it

    return deflate(content, _LEVEL)


def check_name(name: str) -> None:
    """Raise ArchiveError unless the name is a plain relative POSIX path."""
    parts = name.split("/")
    if not name or any(part in {"", ".", ".."} for part in parts) or "\\" in name or not name.isprintable():
        raise ArchiveError(f"a file may not be named {name!r} in an archive")


def write(members: Iterable[Member], output: Output) -> int:
    """Write the archive; its size in bytes. Raises ArchiveError for two members of one name, or for too many."""
    ordered = sorted(members, key=attrgetter("name"))  # by code points, which is the order of UTF-8 as well
    for earlier, later in pairwise(ordered):
        if earlier.name == later.name:
            raise ArchiveError(f"two files are named {later.name!r}")
    if len(ordered) > _MEMBERS_MAX:
        raise ArchiveError(f"{len(ordered)} files are more than a ZIP holds ({_MEMBERS_MAX})")
    directory = bytearray()
    pieces = _Pieces(output)
    offset = 0
    for member in ordered:
        local, listed, name = member.headers or _headers(member)
        size = len(local) + len(member.packed)
        if member.lies is not None:
            pieces.take(*member.lies, size)
        else:
            pieces.add(local)
            pieces.add(member.packed)
        directory += listed + _PLACE.pack(offset) + name
        offset += size
    directory += _END.pack(b"PK\5\6", 0, 0, len(ordered), len(ordered), len(directory), offset, 0)
    pieces.end()
    output.write(memoryview(directory))
    return offset + len(directory)


def _headers(member: Member) -> tuple[bytes, bytes, bytes]:
    name = member.name.encode()
    flags = 0 if member.name.isascii() else _UTF8
    common = (flags, member.method, *_DOS_EPOCH, member.crc, len(member.packed), member.size, len(name), 0)
    mode = 0o100755 if member.executable else 0o100644
    local = _LOCAL.pack(b"PK\3\4", _NEEDS, *common) + name
    return local, _CENTRAL.pack(b"PK\1\2", _MADE_ON_UNIX, _NEEDS, *common, 0, 0, 0, mode << 16), name


class _Pieces:
    """Hands on what it is given in few big pieces.

    What lies one after the other in another archive is taken over at once, and not copied before it is written.
    """

    def __init__(self, output: Output) -> None:
        self._write = output.write
        self._room = _room()
        self._used = 0
        self._source: memoryview | None = None
        self._begin = self._end = 0

    def take(self, source: memoryview, at: int, size: int) -> None:
        """So many bytes of another archive."""
        if source is not self._source or at != self._end:
            self._finish()
            self._source, self._begin = source, at
        self._end = at + size

    def add(self, piece: bytes | memoryview) -> None:
        """A piece that lies somewhere."""
        if self._source is not None:
            self._finish()
        size = len(piece)
        if self._used + size > _PIECE:
            self._flush()
        if size > _PIECE:
            self._write(piece)
        else:
            self._room[self._used : self._used + size] = piece
            self._used += size

    def end(self) -> None:
        """No more will come."""
        self._finish()
        self._flush()

    def _finish(self) -> None:
        source, self._source = self._source, None
        if source is None:
            return
        taken = source[self._begin : self._end]
        if len(taken) < _DIRECT:
            self.add(taken)
        else:
            self._flush()
            self._write(taken)

    def _flush(self) -> None:
        if self._used:
            self._write(self._room[: self._used])
            self._used = 0


def _room() -> memoryview:
    """Where this thread puts pieces together. The same each time: memory that is new to a process costs most here."""
    found: memoryview | None = getattr(_rooms, "own", None)
    if found is None:
        found = _rooms.own = memoryview(bytearray(_PIECE))
    return found


def read(data: bytes | memoryview) -> tuple[Member, ...]:
    """The members of an archive that `write` made, not decompressed. Raises ArchiveError for anything else."""
    try:
        return _read(memoryview(data))
    except (struct.error, UnicodeDecodeError) as error:
        raise ArchiveError("not an archive of ours, or cut short") from error


def _read(view: memoryview) -> tuple[Member, ...]:
    signature, _, _, _, count, size, position, _ = _END.unpack_from(view, len(view) - _END.size)
    if signature != b"PK\5\6" or position + size + _END.size != len(view):
        raise ArchiveError("not an archive of ours, or cut short")
    found = []
    for _ in range(count):
        listed = bytes(view[position : position + _CENTRAL.size])
        fields = _CENTRAL.unpack(listed)
        method, crc, packed_size, content_size, name_size = fields[4], fields[7], fields[8], fields[9], fields[10]
        begin = position + _CENTRAL.size
        (offset,) = _PLACE.unpack_from(view, begin)
        begin += _PLACE.size
        encoded = bytes(view[begin : begin + name_size])
        position = begin + name_size
        begin = offset + _LOCAL.size + name_size
        local, packed = bytes(view[offset:begin]), view[begin : begin + packed_size]
        # All that stands before a member stands in the directory as well.
        if local != b"PK\3\4" + listed[_IN_BOTH] + encoded or listed[:4] != b"PK\1\2" or len(packed) != packed_size:
            raise ArchiveError("not an archive of ours, or cut short")
        name = encoded.decode()
        check_name(name)
        member = Member(name, method, crc, content_size, packed, bool(fields[15] >> 16 & 0o100))
        object.__setattr__(member, "headers", (local, listed, encoded))
        object.__setattr__(member, "lies", (view, offset))  # what is made of it by `replace` lies nowhere
        found.append(member)
    return tuple(found)
