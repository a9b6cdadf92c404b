"""What a lock says of a package that this machine did not install, as it is for another platform; and all its hashes.

Formats: those of `node_lock`, and https://classic.yarnpkg.com/lang/en/docs/yarn-lock/ (Yarn 1) and that of Yarn 2 and
later, whose checksums are of archives of its own making, and which has none for another platform.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.build import node, node_lock, sbom

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from penstock.build.node_lock import Lock

_LISTED = re.compile(r"[^\[\],\s]+")
_INTEGRITY = re.compile(r"integrity: ([^,}]+)")
_YARN_ENTRY = re.compile(r'^(?P<keys>["\w@].*):\n(?P<about>(?: .*\n?)+)', re.MULTILINE)
_YARN_LINE = re.compile(r'^  (\w+):? "?([^"\n]+)"?$', re.MULTILINE)
_CONDITION = re.compile(r"\b(os|cpu|libc)=([\w-]+)")
_NAME = re.compile(r"(@[A-Za-z0-9~-][\w.~-]*/)?[A-Za-z0-9~][\w.~-]*", re.ASCII)
_VERSION = re.compile(r"\d+\.\d+\.\d+[\w.+-]*", re.ASCII)
_PNPM_KINDS = ("devDependencies", "dependencies", "optionalDependencies")
_STRENGTH = ("sha512", "sha384", "sha256", "sha1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """One package as it is locked. `integrity` is empty where the lock has none that could be checked.

    `platform` holds the package's `os`, `cpu` and `libc`, as far as the lock tells them.
    """

    name: str
    version: str
    integrity: str = ""
    platform: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks for a package: by name and version, and by its folder, relative to the lock, where it lies in one."""

    name: str
    version: str
    folder: str | None = None


def parse(lock_name: str, text: str) -> Lock | None:
    """The lock in a file of that name; None for one of a form that is not understood."""
    return _yarn(text) if lock_name == "yarn.lock" else node_lock.parse(lock_name, text)


def is_well_named(locked: Locked) -> bool:
    """Whether name and version are such as npm takes: both go into a path and into a command, and locks are edited."""
    return _NAME.fullmatch(locked.name) is not None and _VERSION.fullmatch(locked.version) is not None


def find(lock: Lock, asker: Asker, name: str, wanted: str) -> Locked | None:
    """What the lock has for the package `name` that `asker` wants in the version (or range) `wanted`, or None."""
    try:
        if "yarn" in lock:
            return _in_yarn(lock["yarn"], name, wanted)
        return _in_npm(lock["packages"], asker, name) if "npm" in lock else _in_pnpm(lock, asker, name)
    except (LookupError, TypeError, AttributeError):
        return None


def integrities(lock: Lock) -> dict[str, str]:
    """`name@version` → integrity of all that the lock has one for; what is not understood is left out."""
    try:
        return {key: integrity for key, integrity in _integrities(lock) if integrity}
    except (LookupError, TypeError, AttributeError, ValueError):
        return {}


def only_version(lock: Lock, name: str) -> str:
    """The version of a package, if the lock has it in one; else empty."""
    try:
        found = {version for each, _, version in (key.rpartition("@") for key, _ in _integrities(lock)) if each == name}
    except (LookupError, TypeError, AttributeError, ValueError):
        return ""
    return found.pop() if len(found) == 1 else ""


def _integrities(lock: Lock) -> Iterator[tuple[str, str]]:
    if "yarn" in lock:
        for key, about in lock["yarn"].items():
            yield f"{key[: key.index('@', 1)]}@{about['version']}", _in_entry(about)
    elif "npm" in lock:
        for path, about in lock["packages"].items():
            yield f"{path.rpartition('node_modules/')[2]}@{about.get('version', '')}", about.get("integrity", "")
    else:
        for key, about in lock.get("packages", {}).items():
            if named := node_lock.pnpm_named(key):
                yield "@".join(named), _in_resolution(about)


def is_what_is_locked(content: bytes, integrity: str) -> bool:
    """Whether the bytes have the strongest hash that is named, as npm looks at it; True when nothing is named."""
    hashes = {name: digest for each in integrity.split() for name, digest in sbom.integrity(each).items()}
    strongest = next((name for name in _STRENGTH if name in hashes), None)
    if strongest is None:
        return not integrity
    return hashlib.new(strongest, content).hexdigest() == hashes[strongest]


# ------------------------------------------------------------------------------------------ npm


def _in_npm(packages: Mapping[str, Any], asker: Asker, name: str) -> Locked | None:
    same = (key for key in sorted(packages) if key.endswith(f"node_modules/{asker.name}"))
    keys = [key for key in same if packages[key].get("version") == asker.version]
    if asker.folder is not None:
        keys.insert(0, "" if asker.folder == "." else asker.folder)
    for key in keys:
        for place in node_lock.installed(packages, name, key):
            about = packages[place]
            return Locked(
                name=about.get("name", name),
                version=about["version"],
                integrity=about.get("integrity", ""),
                platform={each: about[each] for each in ("os", "cpu", "libc") if each in about},
            )
    return None


# ------------------------------------------------------------------------------------------ pnpm


def _in_pnpm(lock: Lock, asker: Asker, name: str) -> Locked | None:
    packages = lock.get("packages", {})
    for about in _pnpm_askers(lock, asker):
        said = {each: to for kind in _PNPM_KINDS for each, to in (about.get(kind) or {}).items()}.get(name)
        version = said["version"] if isinstance(said, dict) else said
        keys = node_lock.pnpm_keys(name, version) if version else ()
        key = next((key for key in keys if key in packages), None)
        if key is not None:
            found = packages[key]
            real, number = node_lock.pnpm_named(key) or (name, str(version))
            return Locked(
                name=real,
                version=number,
                integrity=_in_resolution(found),
                platform={each: _listed(found[each]) for each in ("os", "cpu", "libc") if each in found},
            )
    return None


def _in_resolution(about: Mapping[str, Any]) -> str:
    found = _INTEGRITY.search(about.get("resolution") or "")
    return found[1].strip() if found else ""


def _pnpm_askers(lock: Lock, asker: Asker) -> Iterator[Mapping[str, Any]]:
    importers = lock.get("importers") or {".": lock}
    if asker.folder in importers:
        yield importers[asker.folder]
    keys = node_lock.pnpm_keys(asker.name, asker.version)
    for entries in (lock.get("snapshots", {}), lock.get("packages", {})):
        for key, about in entries.items():
            if re.split(r"[(_]", key)[0] in keys or key in keys:  # what follows are its peers
                yield about


def _listed(value: str | Mapping[str, Any]) -> list[str]:
    """`[linux, darwin]`, or lines that begin with `- `."""
    text = value if isinstance(value, str) else " ".join(each.removeprefix("- ") for each in value)
    return [each.strip("'\"") for each in _LISTED.findall(text)]


# ------------------------------------------------------------------------------------------ Yarn


def _yarn(text: str) -> Lock:
    entries: dict[str, dict[str, str]] = {}
    for match in _YARN_ENTRY.finditer(text):
        about = dict(_YARN_LINE.findall(match["about"]))
        for key in match["keys"].replace('"', "").split(", "):
            entries[key] = about
    entries.pop("__metadata", None)
    return {"yarn": entries, "berry": node.is_berry(text)}


def _in_yarn(entries: Mapping[str, Mapping[str, str]], name: str, wanted: str) -> Locked | None:
    about = entries.get(f"{name}@{wanted}") or entries.get(f"{name}@npm:{wanted}")
    if about is None:
        return None
    _, _, alias = wanted.partition("npm:")
    resolution, _, _ = about.get("resolution", "").partition("@npm:")
    platform: dict[str, list[str]] = {}
    for kind, value in _CONDITION.findall(about.get("conditions", "")):
        platform.setdefault(kind, []).append(value)
    return Locked(
        name=resolution or alias.rpartition("@")[0] or name,
        version=about["version"],
        integrity=_in_entry(about),
        platform=platform,
    )


def _in_entry(about: Mapping[str, str]) -> str:
    sha1 = about.get("resolved", "").partition("#")[2]
    return about.get("integrity") or (f"sha1:{sha1}" if sha1 else "")
