"""The C library of Lambda's systems, and whether a native library can be loaded with it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from penstock.build import elf
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.artifact import Target

_ON_AMAZON_LINUX_2023: Mapping[str, tuple[int, ...]] = MappingProxyType({"python": (3, 12), "node": (20,)})
"""The first version of each that runs there; earlier ones run on Amazon Linux 2.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html.
"""
_GLIBC = MappingProxyType({"Amazon Linux 2": (2, 26), "Amazon Linux 2023": (2, 34)})


def system(target: Target) -> str:
    """What Lambda runs the target's version on."""
    version = tuple(map(int, target.version.split(".")))
    return f"Amazon Linux {'2023' if version >= _ON_AMAZON_LINUX_2023[target.language] else '2'}"


def check(name: str, content: bytes, target: Target, *, where: str) -> None:
    """Raise BuildFailed for a native library that needs a newer glibc than the target's."""
    needed = elf.glibc(content) if target.platform == "linux" else None
    there = _GLIBC[system(target)]
    if needed is not None and needed > there:
        wanted, has = (".".join(map(str, one)) for one in (needed, there))
        raise BuildFailed(
            f"{name} needs glibc {wanted} or later, and {target} has {has} ({system(target)})",
            where=where,
            hint=f"take one that was made for glibc {has} or earlier, or compile it on {system(target)}",
        )
