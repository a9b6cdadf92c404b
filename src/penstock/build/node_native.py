"""Packages that cannot be bundled, because they load native code: which ones, and what of them goes into the ZIP.

Known by what npm itself looks at (https://docs.npmjs.com/cli/configuring-npm/package-json: `gypfile`, `os`, `cpu`,
`optionalDependencies` for other platforms) and by the helpers that find a library at run time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from penstock.model.artifact import Target

_LOADERS = frozenset(
    {"bindings", "node-gyp-build", "node-pre-gyp", "@mapbox/node-pre-gyp", "prebuild-install", "node-addon-api", "nan"}
)
_FOR_A_PLATFORM = re.compile(r"(^|[-/.])(linux|darwin|win32|freebsd|android)([-.](x64|arm64|arm|ia32|universal)|$)")
_NEVER = re.compile(
    r"(^|/)(test|tests|__tests__|docs?|examples?|benchmarks?|\.github|node_gyp_bins|obj\.target|\.deps)/"
    r"|\.(md|markdown|map|c|cc|cpp|cxx|h|hpp|gyp|gypi|o|a|mk|d|tsbuildinfo|flow)$|\.d\.[cm]?ts$|(^|/)(binding\.gyp|Makefile)$",
    re.IGNORECASE,
)
_LICENCE = re.compile(r"(^|/)(licen[cs]e|notice|copying)[^/]*$", re.IGNORECASE)
_PREBUILD = re.compile(r"(^|/)prebuilds/(?P<place>[^/]+)/(?P<file>.+)$")
_SYSTEMS = frozenset({"linux", "darwin", "win32", "freebsd", "openbsd", "android", "sunos", "aix", "musl", "linuxmusl"})
_CPUS = frozenset({"x64", "arm64", "arm", "ia32", "ppc64", "s390x", "riscv64", "loong64", "mips64el"})
_LIBRARY = re.compile(r"\.(so(\.[\d.]+)?|dylib|dll|exe)$")


def is_native(manifest: Mapping[str, Any], files: Collection[str]) -> bool:
    """Whether a package with this package.json, and these files at its top, loads native code."""
    depends = manifest.get("dependencies") or {}
    return (
        is_compiled(manifest, files)
        or bool(manifest.get("napi") or manifest.get("binary"))
        or "prebuilds" in files
        or not _LOADERS.isdisjoint(depends)
        or is_split(manifest)
    )


def fits(manifest: Mapping[str, Any], target: Target) -> bool:
    """Whether npm would install a package with these `os`, `cpu` and `libc` on the target."""
    return (
        _allows(manifest.get("os"), target.platform)
        and _allows(manifest.get("cpu"), _cpu(target))
        and _allows(manifest.get("libc"), "glibc")
    )


def for_target(name: str, target: Target) -> bool | None:
    """What a package's name says of its platform: `@img/sharp-linux-x64`; None when nothing."""
    match = _FOR_A_PLATFORM.search(name)
    if match is None:
        return None
    return match[2] == target.platform and match[4] in {None, _cpu(target)} and "musl" not in name


def ships(path: str, target: Target) -> bool:
    """Whether a file of such a package may go into the ZIP, by its name; `path` is relative to the package."""
    prebuild = _PREBUILD.search(path)
    if prebuild is not None:
        said = set(re.split(r"[-_+.]", f"{prebuild['place']}-{prebuild['file']}".lower()))
        return not said & _SYSTEMS - {target.platform} and (not said & _CPUS or _cpu(target) in said)
    return not is_chaff(path)


def is_chaff(path: str) -> bool:
    """Whether a file of such a package is of no use at run time, on any target: sources, tests, documents."""
    return _NEVER.search(path) is not None and _LICENCE.search(path) is None


def is_for_another(path: str, system: str, target: Target) -> bool:
    """Whether a library or program, made for `system` (of `elf.system`), is of no use on the target."""
    return target.platform == "linux" and _LIBRARY.search(path) is not None and system not in {"", target.architecture}


def is_compiled(manifest: Mapping[str, Any], files: Collection[str]) -> bool:
    """Whether a package has its native code made, or fetched, when it is installed."""
    return bool(manifest.get("gypfile")) or "binding.gyp" in files


def is_split(manifest: Mapping[str, Any]) -> bool:
    """Whether a package's native code lies in packages of their own, one for each platform."""
    return sum(_FOR_A_PLATFORM.search(name) is not None for name in manifest.get("optionalDependencies") or {}) > 1


def _cpu(target: Target) -> str:
    """As npm calls it."""
    return "arm64" if target.architecture == "arm64" else "x64"


def _allows(wanted: Any, value: str) -> bool:
    listed = [wanted] if isinstance(wanted, str) else list(wanted or ())
    if f"!{value}" in listed:
        return False
    plain = [one for one in listed if not one.startswith("!")]
    return not plain or value in plain or "any" in plain
