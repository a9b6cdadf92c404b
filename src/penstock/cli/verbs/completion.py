"""`penstock completion`: the script that makes a shell complete verbs, options, environments and services."""

from __future__ import annotations

import os
from pathlib import PurePath

import click
from click.shell_completion import get_completion_class

from penstock.cli.group import Verb, penstock
from penstock.cli.output import say, talk
from penstock.model.errors import UsageError

HOW = {
    "bash": 'eval "$(penstock completion bash)"        # in ~/.bashrc',
    "zsh": 'eval "$(penstock completion zsh)"         # in ~/.zshrc',
    "fish": "penstock completion fish > ~/.config/fish/completions/penstock.fish",
}


@click.command("completion", cls=Verb)
@click.argument("shell", type=click.Choice(list(HOW)), required=False)
def completion(shell: str | None) -> None:
    """Print the completion script of a shell.

    Without SHELL it is the one that $SHELL names. It completes verbs, options, the workspace's environments and its
    services.
    """
    shell = shell or PurePath(os.environ.get("SHELL", "")).name
    script = get_completion_class(shell) if shell in HOW else None
    if script is None:
        hint = f"penstock completion {'|'.join(HOW)}"
        raise UsageError(f"no completion for {shell or 'an unknown shell'}", hint=hint)
    say(script(penstock, {}, "penstock", "_PENSTOCK_COMPLETE").source())
    talk(f"# {HOW[shell]}")
