"""`penstock env`: what a shell needs so that terraform, aws and boto3 by hand work in an environment."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from penstock.adapters.aws_environ import overrides
from penstock.cli.engine import in_environment
from penstock.cli.group import Verb
from penstock.cli.output import put, say, talk
from penstock.model.errors import ToolMissing

if TYPE_CHECKING:
    from penstock.cli.settings import Settings


@click.command("env", cls=Verb)
@click.pass_obj
def env(settings: Settings) -> None:
    """Print what a shell needs to work in an environment.

    The lines are for eval: afterwards terraform, the AWS CLI and boto3 talk to this environment and to no other. The
    embedded AWS is started when the environment lives there.
    """
    engine = in_environment(settings)
    environment = engine.workspace.environment
    if environment.is_local:
        engine.local_aws.start()  # what the shell will talk to
    lines = overrides(environment, engine.endpoint(environment), settings.environ)
    # So that Terraform by hand is the Terraform that Penstock runs: same provider, same working folder.
    lines |= dict.fromkeys(("TF_DATA_DIR", "TF_WORKSPACE"))
    try:
        lines["TF_CLI_CONFIG_FILE"] = str(engine.terraform.cli_config)
    except ToolMissing as error:
        talk(f"! without Terraform: {error.what}")
    if settings.json:
        put({"event": "env", "environment": environment.name, "variables": lines})
        return
    for name, value in lines.items():
        say(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
    if sys.stdout.isatty():
        talk(f'# eval "$(penstock env -e {environment.name})"')
