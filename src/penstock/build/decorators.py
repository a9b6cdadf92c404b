"""Decorators, and the metadata that frameworks read of them at run time: `emitDecoratorMetadata` of a tsconfig.

esbuild does not emit it (https://esbuild.github.io/content-types/#tsconfig-json), because it comes from types.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock.ports import Command

EXTENSIONS = (".ts", ".tsx", ".mts", ".cts")
_SKIPPED = re.compile(
    r"""//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`"""
    # An expression may hold a quote that nothing closes.
    r"""|(?<=[(,=:\[!&|?{};])[ \t]*/(?:\\[^\n]|\[(?:\\[^\n]|[^\]\\\n])*\]|[^/\\\[\n])+/""",
    re.DOTALL,
)
_AT_A_LINE = re.compile(r"^[ \t]*@[A-Za-z_$(]", re.MULTILINE)
_DECORATOR = re.compile(r"(?<![\w$)\]])@[A-Za-z_$(]")


def used(source: str) -> bool:
    """Whether a TypeScript source has a decorator.

    By its text alone: in rare cases it sees one where there is none, which takes a second. One that is not seen would
    lose its metadata without a word, so a line that begins as one does counts even where a quote seems to hold it.
    """
    if "@" not in source:
        return False
    return bool(_AT_A_LINE.search(source) or _DECORATOR.search(_SKIPPED.sub(" ", source)))


def bundle_command(  # noqa: PLR0917 - whom it calls
    single: Command, node: Path, script: Path, library: Path, typescript: Path, instead: Mapping[str, str]
) -> Command:
    """What `single` asks of esbuild's program, asked of its library, with TypeScript for the files with decorators.

    `instead` are sources by the modules whose place they take: their types count, and not those of an old result.

    Classes keep their names, because such frameworks call tables, models and routes after them.
    """
    program, *words = single.argv
    argv = (str(node), str(script), str(library), str(typescript), *words, "--keep-names")
    env = {**single.env, "ESBUILD_BINARY_PATH": program, "PENSTOCK_INSTEAD": ""}
    if instead:
        env["PENSTOCK_INSTEAD"] = json.dumps({module: [source] for module, source in sorted(instead.items())})
    return replace(single, argv=argv, env=env)
