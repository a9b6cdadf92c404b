"""Addons (`.node`): whether Node.js on a target can load one.

One made with Node-API works with every version of Node.js; one made against V8 only with that whose NODE_MODULE_VERSION
it was compiled for (https://nodejs.org/api/n-api.html#implications-of-abi-stability).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.build import elf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.artifact import Target

_HEAD = 64
_VERSIONS = {
    "14": 83,
    "15": 88,
    "16": 93,
    "17": 102,
    "18": 108,
    "19": 111,
    "20": 115,
    "21": 120,
    "22": 127,
    "23": 131,
    "24": 137,
    "25": 141,
}
"""NODE_MODULE_VERSION by version of Node.js. Source: nodejs/node, doc/abi_version_registry.json."""
_REGISTERS = re.compile(r"node_register_module_v(\d+)")
_NAMED = re.compile(r"(?:^|[/.-])(?:node-v|abi)(\d{2,3})(?=[-./])")
"""As node-pre-gyp (`node-v115-linux-x64/`) and prebuildify (`node.abi115.node`) name what they look for."""
_OTHER_NODE = "Node.js"
_MUSL = re.compile(r"libc\.(musl-.*\.so\.1|so)")


def is_addon(path: str) -> bool:
    """Whether a file is one by its name."""
    return path.endswith(".node")


def made_for(path: str, content: bytes, target: Target) -> str:
    """What else than the target an addon is made for, in words; empty when the target can load it."""
    if target.platform != "linux":
        return ""
    system = elf.system(content[:_HEAD])
    if system != target.architecture:
        return system or "no system at all (it is no library)"
    library = elf.library(content)
    if library is not None and any(_MUSL.fullmatch(name) for name in library.needs):
        return "musl (Alpine)"
    version = _module_version(path, library)
    wanted = _VERSIONS.get(target.version)
    return "" if version is None or wanted in {None, version} else _in_words(version)


def closest(misfits: Mapping[str, str]) -> tuple[str, str]:
    """Of addons by path, with what they are made for, the one that comes nearest to the target."""
    order = (_OTHER_NODE, "musl")
    return min(
        misfits.items(),
        key=lambda one: next((n for n, mark in enumerate(order) if one[1].startswith(mark)), len(order)),
    )


def is_other_node(made_for: str) -> bool:
    """Whether it is only the version of Node.js that does not fit."""
    return made_for.startswith(_OTHER_NODE)


def _module_version(path: str, library: elf.Library | None) -> int | None:
    """The only NODE_MODULE_VERSION that it works with; None for any, or when nobody can tell."""
    named = _NAMED.search(path)
    if named is not None:
        return int(named[1])  # by which alone it is looked for, whatever it is
    if library is None or any(name.startswith("napi_") for name in library.imports | library.exports):
        return None
    registered = next((match for name in library.exports if (match := _REGISTERS.fullmatch(name))), None)
    return int(registered[1]) if registered else library.node_module


def _in_words(version: int) -> str:
    node = next((node for node, known in _VERSIONS.items() if known == version), None)
    return f"{_OTHER_NODE} {node or 'of another kind'} (NODE_MODULE_VERSION {version})"
