"""What the verbs that need no environment's world are made of: the tree's source, and the embedded AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.adapters.local_aws import LocalAwsProcess
    from penstock.adapters.terraform import TerraformCli
    from penstock.cli.settings import Settings
    from penstock.model.workspace import Environment, Workspace
    from penstock.workspace.source import Source


def source(settings: Settings) -> Source:
    """The workspace's tree as it is now."""
    from penstock.adapters.workspace_files import read_source  # noqa: PLC0415 - start-up counts

    return read_source(settings.root)


def workspace(settings: Settings, environment: str | None = None) -> Workspace:
    """The workspace, resolved for an environment. Raises WorkspaceInvalid with all problems."""
    from penstock.workspace.load import load  # noqa: PLC0415

    return load(source(settings), environment or settings.chosen_environment())


def local_aws(settings: Settings) -> LocalAwsProcess:
    """The embedded AWS of this workspace."""
    from penstock.adapters.commands import RealCommands  # noqa: PLC0415
    from penstock.adapters.interpreters import RealInterpreters  # noqa: PLC0415
    from penstock.adapters.local_aws import LocalAwsProcess, port_from  # noqa: PLC0415

    own = settings.root / ".penstock"
    return LocalAwsProcess(
        state=own / "local",
        port=port_from(settings.environ),
        interpreters=RealInterpreters(RealCommands(), own / "cache" / "interpreters.json"),
        environ=settings.environ,
    )


def aws_overrides(settings: Settings, environment: Environment) -> dict[str, str | None]:
    """The environment variables that mean this environment and no other."""
    from penstock.adapters.aws_environ import overrides  # noqa: PLC0415

    endpoint = local_aws(settings).url if environment.is_local else environment.endpoint
    return overrides(environment, endpoint, settings.environ)


def terraform(settings: Settings, environment: Environment) -> TerraformCli:
    """Terraform, with that environment's credentials."""
    from penstock.adapters.terraform import TerraformCli  # noqa: PLC0415

    return TerraformCli(
        workspace=settings.root,
        environ=settings.environ,
        overrides=aws_overrides(settings, environment),
        events=settings.events,
    )
