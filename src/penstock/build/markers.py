"""Environment markers, evaluated for the target and not for the machine that builds.

uv does so for external packages; which of the workspace's own packages a target needs is decided here. Format:
https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from penstock.model.artifact import Target

_TOKEN = re.compile(r"""\s*(\(|\)|===|[<>=!~]=|[<>]|not\s+in\b|[A-Za-z_][\w.]*|"[^"]*"|'[^']*')""")
_VERSIONS = frozenset({"python_version", "python_full_version", "implementation_version"})
_ORDER: Mapping[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "==": operator.eq, "!=": operator.ne, "===": operator.eq,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def applies(marker: str, target: Target) -> bool:
    """Whether what a marker stands at is for the target; what cannot be told, such as a kernel's release, is."""
    tokens, end = [], 0
    while match := _TOKEN.match(marker, end):
        tokens.append(match[1])
        end = match.end()
    if not tokens or marker[end:].strip():  # what is no marker says nothing
        return True
    found = _either(tokens, _environment(target))
    return found or bool(tokens)


def all_of(markers: Collection[str]) -> str:
    """The marker that applies when all do; empty, which always does, when there are none."""
    return " and ".join(f"({one})" for one in sorted(markers)) if len(markers) > 1 else "".join(markers)


def marker_of(requirement: str) -> str:
    """The marker in a requirement's text; empty when there is none."""
    found = re.search(r"(?:\s;|;\s)\s*(?P<marker>.+)$", re.sub(r"\s--hash.*", "", requirement))
    return found["marker"].strip() if found else ""


def _environment(target: Target) -> dict[str, str]:
    """A version without a patch release is its first, as uv takes it."""
    linux = target.platform == "linux"
    full = f"{target.version}.0"
    return {
        "os_name": "posix",
        "sys_platform": target.platform,
        "platform_system": "Linux" if linux else target.platform.capitalize(),
        "platform_machine": "aarch64" if linux and target.architecture == "arm64" else target.architecture,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "python_version": target.version,
        "python_full_version": full,
        "implementation_version": full,
    }


def _either(tokens: list[str], known: Mapping[str, str]) -> bool:
    found = _all(tokens, known)
    while tokens and tokens[0] == "or":
        tokens.pop(0)
        found = _all(tokens, known) or found  # the rest has to be read in any case
    return found


def _all(tokens: list[str], known: Mapping[str, str]) -> bool:
    found = _one(tokens, known)
    while tokens and tokens[0] == "and":
        tokens.pop(0)
        found = _one(tokens, known) and found
    return found


def _one(tokens: list[str], known: Mapping[str, str]) -> bool:
    if not tokens:
        return True
    if tokens[0] == "(":
        tokens.pop(0)
        found = _either(tokens, known)
        if tokens:
            tokens.pop(0)
        return found
    left, sign, right, tokens[:] = *(tokens[:3] + [""] * 3)[:3], tokens[3:]
    names = {one for one in (left, right) if not one.startswith(("'", '"'))}
    values = [one.strip("'\"") if one not in names else known.get(one) for one in (left, right)]
    if values[0] is None or values[1] is None:
        return True
    return _compare(values[0], re.sub(r"\s+", " ", sign), values[1], versions=bool(names & _VERSIONS))


def _compare(left: str, sign: str, right: str, *, versions: bool) -> bool:
    if sign in {"in", "not in"}:
        inside = left in re.split(r"[\s,|]+", right) if versions else left in right
        return inside == (sign == "in")
    if not versions:
        return (left == right) == (sign != "!=")
    if sign == "~=":
        return _number(left) >= _number(right) and _starts(left, right.rpartition(".")[0])
    if right.endswith(".*") or left.endswith(".*"):
        shorter, longer = sorted((left.removesuffix(".*"), right.removesuffix(".*")), key=len)
        return _starts(longer, shorter) == (sign != "!=")
    return _ORDER[sign](_number(left), _number(right)) if sign in _ORDER else True


def _number(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in re.findall(r"\d+", version)]
    while parts and not parts[-1]:  # 3.12.0 is 3.12
        parts.pop()
    return tuple(parts)


def _starts(version: str, beginning: str) -> bool:
    parts, first = version.split("."), beginning.split(".")
    return parts[: len(first)] == first
