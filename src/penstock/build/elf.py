"""Shared libraries: for which system and C library one is, what it needs and offers, how Node.js registers it.

Read is ELF only, of 64 bits, little-endian, as Lambda's processors are. Formats: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
and, for versions of symbols, https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html;
`node_module` of Node's src/node.h.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"\x7fELF"
_MACHINES = {62: "x86_64", 183: "arm64", 3: "x86 (32 bits)", 40: "arm (32 bits)"}
_MAC_OS = frozenset({b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"})
_HEAD_MIN = 64
_OF_LAMBDA = (62, 183)
_OF_64_BITS, _LITTLE_ENDIAN = 2, 1
_SECTION = struct.Struct("<II4QII2Q")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_DYNAMIC = struct.Struct("<qQ")
_NEEDED_VERSIONS = 0x6FFFFFFE
_VERSIONS_OF = struct.Struct("<HHIII")
"""Of one library: format, how many, its name, where the first is, where the next library's are."""
_VERSION = struct.Struct("<IHHII")
"""Hash, flags, number, name, where the next is."""
_WEAK = 2
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")
_GLIBC_BY_MARK = {"GLIBC_ABI_DT_RELR": (2, 36)}
"""Source: the release notes of glibc 2.36."""
_PROGBITS, _RELOCATIONS, _DYNAMICS, _DYNAMIC_SYMBOLS = 1, 4, 6, 11
_NEEDED = 1
_WRITABLE = 1
_MODULE = struct.Struct("<iI")
"""The beginning of a `node_module`: `nm_version`, `nm_flags`."""
_FILE_NAME, _MODULE_NAME = 16, 40
_NO_POINTERS = (0, 8, 48, 56)
"""Where it holds none before it is loaded: version and flags, `nm_dso_handle`, `nm_priv`, `nm_link`."""
_VERSIONS = range(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A library's dynamic symbols. `node_module` is the version in a static `node_module`, if it has one."""

    needs: tuple[str, ...]
    imports: frozenset[str]
    exports: frozenset[str]
    node_module: int | None = None


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


def system(head: bytes) -> str:
    """What a library is made for, by its first 64 bytes: `x86_64`, `arm64`, `macOS` …; empty when it is none at all."""
    if head[:4] in _MAC_OS:
        return "macOS"
    if head[:2] == b"MZ":
        return "Windows"
    if head[:4] != _MAGIC:
        return ""  # a linker's script, or a placeholder
    if len(head) < _HEAD_MIN:
        return "no processor (it is cut short)"
    is_little, is_64 = head[5] == _LITTLE_ENDIAN, head[4] == _OF_64_BITS
    machine = struct.unpack_from("<H" if is_little else ">H", head, 18)[0]
    made_for = _MACHINES.get(machine, f"machine {machine}")
    if machine in _OF_LAMBDA and not is_64:
        made_for += " (32 bits)"
    return made_for if is_little else f"{made_for} (big-endian)"


def library(content: bytes) -> Library | None:
    """Read a shared library; None for one that is cut short, has no table of sections, or is nothing of the kind."""
    try:
        sections = tuple(_sections(content))
        needs = tuple(_needs(content, sections))
        imports, exports = _symbols(content, sections)
        return Library(
            needs=needs,
            imports=frozenset(imports),
            exports=frozenset(exports),
            node_module=_node_module(content, sections) if "node_module_register" in imports else None,
        )
    except (struct.error, IndexError, ValueError):
        return None


def glibc(content: bytes) -> tuple[int, int] | None:
    """The oldest glibc that a library can be loaded with; None when it asks for none, or cannot be read."""
    try:
        sections = tuple(_sections(content))
        names = [name for one in sections if one.kind == _NEEDED_VERSIONS for name in _versions(content, one, sections)]
    except (struct.error, IndexError, ValueError):
        return None
    found = [_GLIBC_BY_MARK[name] for name in names if name in _GLIBC_BY_MARK]
    found += [(int(match[1]), int(match[2])) for name in names if (match := _GLIBC.fullmatch(name))]
    return max(found, default=None)


def _versions(content: bytes, section: _Section, sections: tuple[_Section, ...]) -> Iterator[str]:
    """Names of the versions without which the loader gives up."""
    left = section.size // _VERSION.size  # whatever the numbers in it say
    at = section.offset
    while left > 0:
        _, count, _, first, following = _VERSIONS_OF.unpack_from(content, at)
        place = at + first
        for _ in range(min(count, left)):
            left -= 1
            _, flags, _, name, further = _VERSION.unpack_from(content, place)
            if not flags & _WEAK:
                yield _text(content, sections[section.link], name)
            place += further
        if not following:
            return
        left -= 1
        at += following


def _sections(content: bytes) -> Iterator[_Section]:
    (table,) = struct.unpack_from("<Q", content, 40)
    size, count = struct.unpack_from("<HH", content, 58)
    if content[:6] != _MAGIC + b"\x02\x01" or not count or size != _SECTION.size:
        raise ValueError("not a library that can be read")
    for each in range(count):
        _, kind, flags, address, offset, length, link, *_ = _SECTION.unpack_from(content, table + each * size)
        yield _Section(kind, flags, address, offset, length, link)


def _entries(content: bytes, section: _Section, form: struct.Struct) -> Iterator[tuple[int, ...]]:
    end = section.offset + section.size - section.size % form.size
    return form.iter_unpack(content[section.offset : end])


def _text(content: bytes, strings: _Section, at: int) -> str:
    begin = strings.offset + at
    return content[begin : content.index(b"\0", begin)].decode("ascii", "replace")


def _needs(content: bytes, sections: tuple[_Section, ...]) -> Iterator[str]:
    for section in sections:
        if section.kind == _DYNAMICS:
            for tag, value in _entries(content, section, _DYNAMIC):
                if tag == _NEEDED:
                    yield _text(content, sections[section.link], value)


def _symbols(content: bytes, sections: tuple[_Section, ...]) -> tuple[set[str], set[str]]:
    """Names of undefined and of defined dynamic symbols."""
    imports: set[str] = set()
    exports: set[str] = set()
    for section in sections:
        if section.kind == _DYNAMIC_SYMBOLS:
            for name, _, _, home, _, _ in _entries(content, section, _SYMBOL):
                (exports if home else imports).add(_text(content, sections[section.link], name))
    return imports, exports


def _node_module(content: bytes, sections: tuple[_Section, ...]) -> int | None:
    """The `nm_version` of the `node_module` that NODE_MODULE() makes, known by where its pointers will be."""
    moved = {
        place
        for section in sections
        if section.kind == _RELOCATIONS
        for place, _, _ in _entries(content, section, _RELOCATION)
    }
    for section in sections:
        if section.kind != _PROGBITS or not section.flags & _WRITABLE:
            continue
        for place in sorted(place - _FILE_NAME for place in moved):
            at = place - section.address
            if not 0 <= at <= section.size - _MODULE.size or place + _MODULE_NAME not in moved:
                continue
            version, _ = _MODULE.unpack_from(content, section.offset + at)
            if version in _VERSIONS and not any(place + each in moved for each in _NO_POINTERS):
                return int(version)
    return None
