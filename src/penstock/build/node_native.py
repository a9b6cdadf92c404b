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


def is_native(manifest: Mapping[str, Any], files: Collection[str]) -> bool:
    """Whether a package with this package.json, and these files at its top, loads native code."""
    depends = manifest.get("dependencies") or {}
    optional = manifest.get("optionalDependencies") or {}
    return (
        bool(manifest.get("gypfile") or manifest.get("napi") or manifest.get("binary"))
        or "binding.gyp" in files
        or "prebuilds" in files
        or not _LOADERS.isdisjoint(depends)
        or sum(_FOR_A_PLATFORM.search(name) is not None for name in optional) > 1
    )


def fits(manifest: Mapping[str, Any], target: Target) -> bool:
    """Whether npm would install a package with these `os`, `cpu` and `libc` on the target."""
    cpu = "arm64" if target.architecture == "arm64" else "x64"
    return (
        _allows(manifest.get("os"), target.platform)
        and _allows(manifest.get("cpu"), cpu)
        and _allows(manifest.get("libc"), "glibc")
    )


def for_target(name: str, target: Target) -> bool | None:
    """What a package's name says of its platform: `@img/sharp-linux-x64`; None when nothing."""
    match = _FOR_A_PLATFORM.search(name)
    if match is None:
        return None
    cpu = "arm64" if target.architecture == "arm64" else "x64"
    return match[2] == target.platform and match[4] in {None, cpu} and "musl" not in name


def ships(path: str, target: Target) -> bool:
    """Whether a file of such a package goes into the ZIP; `path` is relative to the package."""
    prebuild = _PREBUILD.search(path)
    if prebuild is not None:
        cpu = "arm64" if target.architecture == "arm64" else "x64"
        return prebuild["place"].startswith(f"{target.platform}-{cpu}") and "musl" not in path
    return _LICENCE.search(path) is not None or _NEVER.search(path) is None


def _allows(wanted: Any, value: str) -> bool:
    listed = [wanted] if isinstance(wanted, str) else list(wanted or ())
    if f"!{value}" in listed:
        return False
    plain = [one for one in listed if not one.startswith("!")]
    return not plain or value in plain or "any" in plain
