"""`penstock secrets`: values go from a person straight to Secrets Manager, and are never shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_environment
from penstock.cli.group import Verb, VerbGroup
from penstock.cli.output import put, table, talk

if TYPE_CHECKING:
    from penstock.cli.settings import Settings


@click.group("secrets", cls=VerbGroup)
def secrets() -> None:
    """Set the values of secrets, see which have one."""


@secrets.command("set", cls=Verb)
@click.argument("name")
@click.pass_obj
def set_(settings: Settings, name: str) -> None:
    """Give the secret NAME its value, typed at a hidden prompt or piped to standard input.

    The value is no argument on purpose: arguments are seen by every process of the machine.
    """
    if sys.stdin.isatty():
        value: str = click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        # One newline at the end is the pipe's, not the secret's.
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    in_environment(settings).set_secret(name, value)
    if settings.json:
        put({"event": "secret-set", "name": name})
    else:
        talk(f"{name} has a new value; functions read it at their next start")


@secrets.command("list", cls=Verb)
@click.pass_obj
def list_(settings: Settings) -> None:
    """Name the workspace's secrets, and say whether each has a value."""
    rows = [
        {
            "secret": secret.name,
            "in_aws": secret.physical,
            "value": has if settings.json else "set" if has else "missing",
        }
        for secret, has in in_environment(settings).list_secrets()
    ]
    if rows or settings.json:
        table(settings, rows, columns=["secret", "in_aws", "value"], kind="secret")
    else:
        talk("the workspace has no secrets")
