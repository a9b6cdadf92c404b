"""A provider that `init` has checked need not be hashed anew by every command, where nothing but this machine is meant.

Terraform compares its provider with the lock's checksums whenever it starts: SHA-256 of 700 MB, three times in a
deploy. In the embedded AWS, where credentials are nobody's and resources are a process's memory, `init` has done that
once for all that it depends on. There Terraform is told to take the installed package as it is.

Source: https://developer.hashicorp.com/terraform/cli/config/config-file#development-overrides-for-provider-developers
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.adapters.terraform_mirror import INSTALLATION, PROVIDER, kept_as, quoted, this_platform

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUMMARY = "Provider development overrides are in effect"
"""Terraform's warning about it."""
INSTALLED = ".terraform/providers"


def trusting(config: Path, root: Path, registry: str, scratch: Path) -> Path | None:
    """The CLI configuration that takes the provider installed in a root as it is; None where that cannot be said.

    Args:
        config: the one that Penstock wrote, which `init` goes by.
        root: the root folder, after `init`.
        registry: of the program, such as `registry.terraform.io`.
        scratch: a folder for the file.
    """
    packages = list((root / INSTALLED / registry / PROVIDER).glob(f"*/{this_platform()}"))
    if len(packages) != 1:  # of several only the lock knows which one is meant
        return None
    package = quoted(packages[0].absolute())
    override = f'{INSTALLATION}  dev_overrides {{\n    "{registry}/{PROVIDER}" = {package}\n  }}\n'
    text = config.read_text()
    if INSTALLATION in text:
        text = text.replace(INSTALLATION, override, 1)
    else:
        text += f"{override}  direct {{}}\n}}\n"
    return kept_as(scratch / "checked.tfrc", text)


def is_about_it(diagnostic: Mapping[str, Any]) -> bool:
    """Whether a warning of Terraform's says no more than that it was told so."""
    return bool(diagnostic["summary"] == SUMMARY)
