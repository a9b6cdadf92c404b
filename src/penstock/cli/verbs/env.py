"""`penstock env`: what a shell needs so that terraform, aws and boto3 by hand work in an environment."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.group import Verb
from penstock.cli.output import put, say, talk
from penstock.cli.wiring import aws_overrides, terraform, workspace
from penstock.model.errors import ToolMissing

if TYPE_CHECKING:
    from penstock.cli.settings import Settings


@click.command("env", cls=Verb)
@click.pass_obj
def env(settings: Settings) -> None:
    """Print what a shell needs to work in an environment.

    The lines are for eval: afterwards terraform, the AWS CLI and boto3 talk to this environment and to no other.
    """
    environment = workspace(settings).environment
    lines = dict(aws_overrides(settings, environment))
    # So that Terraform by hand is the Terraform that Penstock runs: same provider, same working folder.
    lines |= dict.fromkeys(("TF_DATA_DIR", "TF_WORKSPACE"))
    try:
        lines["TF_CLI_CONFIG_FILE"] = str(terraform(settings, environment).cli_config)
    except ToolMissing as error:
        talk(f"! without Terraform: {error.what}")
    if settings.json:
        put({"event": "env", "environment": environment.name, "variables": lines})
        return
    for name, value in lines.items():
        say(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
    if sys.stdout.isatty():
        talk(f'# eval "$(penstock env -e {environment.name})"')
