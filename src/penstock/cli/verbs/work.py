"""`penstock validate`, `schema`, `render`: the workspace's files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from penstock.cli.engine import in_workspace
from penstock.cli.group import Verb
from penstock.cli.output import put, say, talk
from penstock.operations.summary import counted

if TYPE_CHECKING:
    from penstock.cli.settings import Settings


@click.command("validate", cls=Verb)
@click.pass_obj
def validate(settings: Settings) -> None:
    """Check every file of the workspace, all at once.

    Reports all problems of all environments in one run, each with its file, line, and what to write instead; then
    handlers that their file does not define, and services that are not in the lock.
    """
    from penstock.workspace.load import environments  # noqa: PLC0415 - pydantic

    engine = in_workspace(settings)
    names = environments(engine.source)
    loaded = engine.beside(settings.environment or names[0]).validate()
    functions = len(loaded.functions)
    if settings.json:
        services = [service.name for service in loaded.services]
        put({"event": "valid", "workspace": loaded.name, "environments": list(names), "services": services})
    else:
        talk(
            f"{loaded.name} is in order: {counted(len(loaded.services), 'service')}, {counted(functions, 'function')}, "
            f"{counted(len(loaded.packages), 'package')}, environments {', '.join(names)}"
        )


@click.command("schema", cls=Verb)
@click.argument("which", type=click.Choice(["penstock", "service"]), required=False)
def schema(which: str | None) -> None:
    """Print the JSON Schema of the configuration files.

    Editors check and complete penstock.toml and service.toml with it. Without an argument both are printed, by name.
    """
    from penstock.workspace.schema import json_schema  # noqa: PLC0415 - pydantic

    found = json_schema()
    say(json.dumps(_chosen(found, which), indent=2, sort_keys=True))


def _chosen(found: dict[str, object], which: str | None) -> object:
    if which is None:
        return found
    return found[next(name for name in found if name.startswith(which))]


@click.command("render", cls=Verb)
@click.option("--check", is_flag=True, help="Write nothing; fail when a generated file is not current.")
@click.pass_obj
def render(settings: Settings, check: bool) -> None:
    """Write the Terraform roots of all environments.

    They are to be committed. infra/environments/*/main.tf.json are generated; infra/modules are copies of those that
    Penstock ships. Your own *.tf beside them are left alone.
    """
    engine = in_workspace(settings)
    if check:
        engine.check_rendered()
        written = []
    else:
        written = [str(path.relative_to(engine.root)) for path in engine.render()]
    if settings.json:
        put({"event": "rendered", "written": written})
        return
    for path in written:
        say(path)
    if not written:
        talk("the generated files are current")
