"""Where the provider comes from, and the CLI configuration that tells Terraform so.

In this order: PENSTOCK_TERRAFORM_MIRROR; Terraform's own CLI configuration, where it says `provider_installation`;
Terraform's implied mirror folders; any filesystem mirror under the system's add-on software folder (`/opt/*`);
the registry. The result is one file in the workspace's `.penstock/terraform/`, passed by TF_CLI_CONFIG_FILE, so that
a TF_CLI_CONFIG_FILE that names a missing file breaks nothing.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.adapters.publish import publish
from penstock.model.errors import ToolMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROVIDER = "hashicorp/aws"
INSTALLATION = "provider_installation {\n"
"""How the block begins, in what is written here."""
ADD_ON_SOFTWARE = Path("/opt")
"""The Filesystem Hierarchy Standard's place for add-on software packages."""

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_CREDENTIALS = re.compile(r"^\s*credentials\s+\"[^\"]*\"\s*\{[^}]*\}\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSource:
    """The CLI configuration to pass, and in words where the provider will come from."""

    config: Path
    origin: str
    searched: tuple[str, ...]
    """Every folder that was looked at, for the message when nothing is to be had."""


def provide(
    environ: Mapping[str, str], folder: Path, registry: str, *, add_ons: Path = ADD_ON_SOFTWARE
) -> ProviderSource:
    """Decide where the provider comes from and write the configuration file into `folder`.

    Raises ToolMissing when PENSTOCK_TERRAFORM_MIRROR names a folder without the provider for this machine.
    """
    home = Path(environ.get("HOME") or Path.home())
    explicit = environ.get("PENSTOCK_TERRAFORM_MIRROR")
    own = _own_configuration(environ, home)
    own_text = own.read_text(errors="replace") if own else ""
    if explicit:
        mirror = Path(explicit).expanduser().absolute()
        if not holds_provider(mirror, registry):
            raise ToolMissing(
                f"no {PROVIDER} provider for {this_platform()} in {mirror}",
                where="PENSTOCK_TERRAFORM_MIRROR",
                hint=f"name a folder that holds {registry}/{PROVIDER}/<version>/{this_platform()}",
            )
        return _written(folder, own_text, mirror, registry, searched=(str(mirror),))
    if own is not None and "provider_installation" in own_text:
        return ProviderSource(config=own, origin=str(own), searched=(str(own),))
    implied = list(implied_mirrors(environ, home))
    searched = (*(str(path) for path in implied), str(add_ons / "*"))
    for path in implied:
        if holds_provider(path, registry):
            return _written(folder, own_text, None, registry, searched=searched, origin=str(path))
    for path in sorted(add_ons.glob(f"*/{registry}/{PROVIDER}")):
        mirror = path.parents[2]
        if holds_provider(mirror, registry):
            return _written(folder, own_text, mirror, registry, searched=searched)
    return _written(folder, own_text, None, registry, searched=searched, origin=f"the registry {registry}")


def implied_mirrors(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """The folders that Terraform searches by itself.

    Source: https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories
    """
    if platform.system() == "Darwin":
        yield home / ".terraform.d" / "plugins"
        yield home / "Library" / "Application Support" / "io.terraform" / "plugins"
        yield Path("/Library/Application Support/io.terraform/plugins")
        return
    yield home / ".terraform.d" / "plugins"
    yield Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "terraform" / "plugins"
    for folder in (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":"):
        if folder:
            yield Path(folder) / "terraform" / "plugins"


def holds_provider(mirror: Path, registry: str) -> bool:
    """Whether a filesystem mirror holds the provider for this machine, unpacked or packed."""
    place = mirror / registry / PROVIDER
    system = this_platform()
    try:
        return any(place.glob(f"*/{system}/terraform-provider-aws*")) or any(
            place.glob(f"terraform-provider-aws_*_{system}.zip")
        )
    except OSError:
        return False


def this_platform() -> str:
    """This machine as Terraform names it: `linux_amd64`, `darwin_arm64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{_MACHINES.get(machine, machine)}"


def quoted(path: Path) -> str:
    """A path as a word of Terraform's language."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def kept_as(config: Path, text: str) -> Path:
    """The file with that text, written when it has another one."""
    if not config.exists() or config.read_text() != text:
        publish(config, text.encode())
    return config


def _own_configuration(environ: Mapping[str, str], home: Path) -> Path | None:
    named = environ.get("TF_CLI_CONFIG_FILE")
    for path in (Path(named) if named else None, home / ".terraformrc"):
        if path is not None and path.is_file() and os.access(path, os.R_OK):
            return path.absolute()
    return None


def _written(
    folder: Path, own_text: str, mirror: Path | None, registry: str, *, searched: tuple[str, ...], origin: str = ""
) -> ProviderSource:
    # Tokens of private registries stay where they are: they never get a copy in the repository's folder.
    parts = ["# Written by Penstock; passed to Terraform by TF_CLI_CONFIG_FILE. Changes are overwritten.\n"]
    kept = _CREDENTIALS.sub("", own_text).strip()
    if kept and not (mirror and "provider_installation" in kept):
        parts.append(kept + "\n")
    if mirror:
        name = f"{registry}/{PROVIDER}"
        parts.append(
            INSTALLATION + f'  filesystem_mirror {{\n    path    = {quoted(mirror)}\n    include = ["{name}"]\n  }}\n'
            f'  direct {{\n    exclude = ["{name}"]\n  }}\n'
            "}\n"
        )
    config = kept_as(folder.absolute() / "cli.tfrc", "\n".join(parts))
    return ProviderSource(config=config, origin=origin or str(mirror), searched=searched)
