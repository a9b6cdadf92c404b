"""What is looked at in every artifact before it may ship, whatever its language."""

from __future__ import annotations

import re
import unicodedata
import zlib
from typing import TYPE_CHECKING

from penstock.build import elf, libc, node_addon
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from penstock.build.archive import Member
    from penstock.model.artifact import Target

_NATIVE = re.compile(r"\.(so(\.[\d.]+)?|node)$")
_MAY_BE_NATIVE = (".so", ".node", *".0123456789")
"""How such a path ends: asked of each of thousands before the pattern is."""
_PYTHON_TAG = re.compile(
    r"^(?P<stem>.+?)\.(?:cpython-(?P<version>\d+t?)[a-z]*-(?P<platform>[\w-]+)|(?P<abi>abi3))\.so$"
)
_STORED = 0
_HEAD = 64
_SECRET_FILES = re.compile(
    r"(^|/)(\.env(\..*)?|[^/]+\.env|\.envrc|id_rsa|id_dsa|id_ecdsa|id_ed25519|\.netrc|\.pgpass|\.pypirc|\.npmrc"
    r"|\.git-credentials|[^/]*\.tfvars(\.json)?|[^/]*\.tfstate(\.[^/]*)?)$"
)
_HARMLESS = re.compile(r"(^|/)(\.env\.(example|sample|template|dist)|(example|sample|template)\.env)$")


def check_names(members: Iterable[Member], *, where: str) -> None:
    """Raise BuildFailed for two files that are one on a system that does not tell case or Unicode's forms apart.

    Also for a file that is a folder's namesake, on any system: nobody could unpack both.
    """
    names = [member.name for member in members]
    keys = {name.lower() for name in names}
    if len(keys) == len(names) and all(map(str.isascii, keys)) and keys.isdisjoint(_folders(keys)):
        return  # as nearly all are
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        key = name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
        other = seen.setdefault(key, name)
        if other != name:
            what = f"{other} and {name} would be one file where case or accents do not count"
            raise BuildFailed(what, where=where, hint="rename one of them")
        above = key.rpartition("/")[0]
        while above and above not in folders:
            folders[above] = name
            above = above.rpartition("/")[0]
    for both in sorted(seen.keys() & folders.keys()):
        what = f"{seen[both]} would be a file, and a folder with {folders[both]} in it"
        raise BuildFailed(what, where=where, hint="rename one of them")


def _folders(paths: Iterable[str]) -> set[str]:
    """All folders above these files."""
    found: set[str] = set()
    new = {path.rpartition("/")[0] for path in paths}
    while new:
        found |= new
        new = {path.rpartition("/")[0] for path in new} - found
    return found


def check_native(members: Collection[Member], target: Target, *, where: str) -> None:
    """Raise BuildFailed for a native library that the target cannot load: processor, or Python's or Node's ABI."""
    if target.platform != "linux":
        return
    natives = [member for member in members if is_native(member.name)]
    loadable = {stem for member in natives if (stem := _loadable_stem(member.name, target)) is not None}
    for member in natives:
        _check_machine(member, target, where)
        if target.language == "node":  # of Python's it is asked where they are new
            if node_addon.is_addon(member.name):
                _check_addon(member, target, where)
            libc.check(member.name, member.content(), target, where=where)
        match = _PYTHON_TAG.match(member.name)
        if match and match["version"] and target.language == "python" and match["stem"] not in loadable:
            made_for = f"{match['version'][0]}.{match['version'][1:]}" + (
                " (musl)" if "musl" in match["platform"] else ""
            )
            raise BuildFailed(
                f"{member.name} is made for Python {made_for}, and the target is {target}",
                where=where,
                hint="lock wheels for the target, or let uv install them: a vendored folder is not looked into",
            )


def is_native(path: str) -> bool:
    """Whether a file is a native library by its name."""
    return path.endswith(_MAY_BE_NATIVE) and _NATIVE.search(path) is not None


def secret_file(path: str) -> bool:
    """Whether a file of that name is for one machine or person only, and never for a ZIP."""
    return _SECRET_FILES.search(path) is not None and _HARMLESS.search(path) is None


def _loadable_stem(name: str, target: Target) -> str | None:
    """The module's path when Python on the target can load that file."""
    if not name.endswith(".so"):
        return None
    match = _PYTHON_TAG.match(name)
    if match is None:
        return name.removesuffix(".so")
    fits = match["abi"] or (match["version"] == target.version.replace(".", "") and "musl" not in match["platform"])
    return match["stem"] if fits else None


def _check_machine(member: Member, target: Target, where: str) -> None:
    made_for = elf.system(_head(member))
    if made_for in {"Windows", "macOS"}:
        raise BuildFailed(
            f"{member.name} is made for {made_for}, and Lambda runs Linux", where=where, hint="build it for Linux"
        )
    if made_for not in {"", target.architecture}:
        raise BuildFailed(
            f"{member.name} is made for {made_for}, and the target is {target}",
            where=where,
            hint="lock packages that have a wheel or prebuilt binary for the target's processor",
        )


def _check_addon(member: Member, target: Target, where: str) -> None:
    made_for = node_addon.made_for(member.name, member.content(), target)
    if made_for:
        raise BuildFailed(
            f"{member.name} is made for {made_for}, and the target is {target}",
            where=where,
            hint="install the packages with the target's Node.js, or take a version of the package that uses Node-API",
        )


def _head(member: Member) -> bytes:
    """The first bytes of the content, without unpacking the rest."""
    if member.method == _STORED:
        return bytes(member.packed[:_HEAD])
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(bytes(member.packed[:4096]), _HEAD)
