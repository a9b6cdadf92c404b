"""docs/reference/cli.md, from the commands themselves: `python -m penstock.cli.reference > docs/reference/cli.md`."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.catalogue import GROUPS, OPTIONS, listed
from penstock.cli.group import global_options, penstock
from penstock.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
<!-- Generated from the commands by penstock.cli.reference. Do not edit. -->
# Command line

Data goes to standard output, talk to standard error. Without a terminal there are no prompts, no colours and no
progress bars. From a clone of Penstock, verbs work on `examples/shop` unless told otherwise.
"""

_CODES = """\
## Exit codes

| code | meaning |
|-|-|
| 0 | done; also when there was nothing to do |
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_global_flags(), *_verbs(), _CODES.rstrip("\n"), *_exit_codes(), ""])


def _global_flags() -> Iterator[str]:
    yield "## Flags of every verb\n"
    yield "| flag | meaning |"
    yield "|-|-|"
    for flag, meaning in OPTIONS:
        yield f"| `{flag}` | {meaning} |"
    yield ""


def _verbs() -> Iterator[str]:
    context = click.Context(penstock, info_name="penstock")
    for title, verbs in GROUPS:
        yield f"## {title}\n"
        for verb in verbs:
            command = penstock.get_command(context, verb.name)
            assert command is not None  # noqa: S101 - it is listed
            yield from _command(command, f"penstock {verb.name}", context, "###")
            if isinstance(command, click.Group):
                inner = click.Context(command, info_name=verb.name, parent=context)
                for name in command.list_commands(inner):
                    yield from _command(command.commands[name], f"penstock {verb.name} {name}", inner, "####")


def _command(command: click.Command, path: str, parent: click.Context, level: str) -> Iterator[str]:
    context = click.Context(command, info_name=path.rsplit(" ", 1)[-1], parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{level} `{path}`\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield f"```\n{path} {usage}".rstrip()
    yield "```\n"
    shared = {option.name for option in global_options()}
    rows = [
        record
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in shared
        for record in [parameter.get_help_record(context)]
        if record
    ]
    if rows:
        yield "| option | meaning |"
        yield "|-|-|"
        for option, meaning in rows:
            yield f"| `{option.replace('|', chr(92) + '|')}` | {meaning} |"
        yield ""
    words = path.split()
    if len(words) == 2:  # noqa: PLR2004 - `penstock` and a verb
        example = listed()[words[1]].example
        yield f"Example: `{example if 'penstock' in example else f'penstock {example}'}`\n"


def _exit_codes() -> Iterator[str]:
    """From the error tree: the code sits on the class, and its docstring is the meaning."""
    yield f"| 1 | {_first_line(errors.PenstockError)} |"
    classes = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, errors.PenstockError)]
    for error in classes[1:]:
        if "exit_code" in vars(error):
            yield f"| {error.exit_code} | {_first_line(error)} |"


def _first_line(error: type) -> str:
    return (error.__doc__ or "").strip().splitlines()[0]


if __name__ == "__main__":
    sys.stdout.write(reference())
