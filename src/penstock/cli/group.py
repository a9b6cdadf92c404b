"""The group of all verbs, which loads a verb's file only when it is called; and what every verb has in common."""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from penstock.cli.catalogue import HABITS, listed, overview
from penstock.cli.settings import Settings, environment_names
from penstock.model.errors import PenstockError, UsageError


class Verb(click.Command):
    """A command with the global flags on it as well, so that they may stand before or after the verb."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])
        # Required only by the verb's own options; the global ones go into the settings and never into the call.
        self.params.extend(global_options())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verb's example, from the catalogue."""
        super().format_epilog(ctx, formatter)
        name = ctx.command_path.split()[1:2]
        entry = listed().get(name[0]) if name else None
        if entry and isinstance(ctx.parent and ctx.parent.command, LazyGroup):
            with formatter.section("Example"):
                formatter.write_text(entry.example if "penstock" in entry.example else f"penstock {entry.example}")


class VerbGroup(click.Group):
    """A verb with verbs of its own: `local start`."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])
        self.params.extend(global_options())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one may be meant."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown(f"{ctx.command_path} {args[0]}", args[0], list(self.commands), ctx.command_path)
        return super().resolve_command(ctx, args)


class LazyGroup(click.Group):
    """Knows its verbs from the catalogue and loads one file for one verb."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All verbs, in the catalogue's order."""
        return list(listed())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb's command, or None."""
        entry = listed().get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(f"penstock.cli.verbs.{entry.module}"), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101 - the catalogue and the file disagree: a test finds it
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one may be meant."""
        if args and not args[0].startswith("-") and args[0] not in listed():
            raise unknown(args[0], args[0], list(listed()), "penstock")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The catalogue, as without click."""
        formatter.write(overview() + "\n")


def unknown(shown: str, typed: str, known: list[str], prefix: str) -> UsageError:
    """The error for a verb that there is not, with the one that may be meant."""
    habit = HABITS.get(typed, "") if prefix == "penstock" else ""
    near = difflib.get_close_matches(typed, known, n=1)
    meant = habit if habit and habit.split()[0] in known else next(iter(near), "")
    hint = f"did you mean: {prefix} {meant}" if meant else f"{prefix} --help lists them"
    return UsageError(f"there is no verb {shown!r}", hint=hint)


def global_options() -> list[click.Option]:
    """The flags that every verb has. Each writes into the settings, so that the later one wins."""
    return [
        _option(["-e", "--environment"], _set_environment, "NAME", "The environment.", complete=_complete_environment),
        _option(["--workspace"], _set_workspace, "FOLDER", "The workspace's folder."),
        _option(["--json"], _set_json, None, "Events and results as NDJSON on standard output."),
        _option(["--no-color"], _set_no_color, None, "No colours."),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_set_verbosity,
            help="More talk; -vv adds tracebacks.",
        ),
    ]


def _option(
    names: list[str],
    callback: Any,
    metavar: str | None,
    text: str,
    complete: Any = None,
) -> click.Option:
    return click.Option(
        names,
        is_flag=metavar is None,
        metavar=metavar,
        expose_value=False,
        callback=callback,
        help=text,
        shell_complete=complete,
    )


def _settings(ctx: click.Context) -> Settings:
    return ctx.ensure_object(Settings)


def _set_environment(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        _settings(ctx).environment = value


def _set_workspace(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        _settings(ctx).workspace = Path(value)


def _set_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    _settings(ctx).json |= value


def _set_no_color(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    _settings(ctx).no_color |= value


def _set_verbosity(ctx: click.Context, _param: click.Parameter, value: int) -> None:
    _settings(ctx).verbosity += value


def _complete_environment(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    settings = _settings(ctx)
    try:
        return [name for name in environment_names(settings.root) if name.startswith(incomplete)]
    except PenstockError:
        return []


penstock = LazyGroup(
    "penstock",
    params=list(global_options()),
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""The whole command line."""
