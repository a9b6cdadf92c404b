"""Which program plays Terraform here: `terraform` or `tofu`, as found, at least 1.11."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.model.errors import ToolMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST = (1, 11)
"""S3 native locking (`use_lockfile`) left its experimental stage in Terraform 1.11."""

INSTALL_HINT = (
    "install Terraform ≥ 1.11 (https://developer.hashicorp.com/terraform/install) "
    "or OpenTofu ≥ 1.11 (https://opentofu.org/docs/intro/install), or name one in PENSTOCK_TERRAFORM"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The program, and what it says it is."""

    path: Path
    version: str

    @property
    def is_tofu(self) -> bool:
        """True for OpenTofu, whose providers come from a registry of its own."""
        return "tofu" in self.path.name

    @property
    def registry(self) -> str:
        """The host that `hashicorp/aws` means to this program."""
        return "registry.opentofu.org" if self.is_tofu else "registry.terraform.io"

    def __str__(self) -> str:
        return f"{'OpenTofu' if self.is_tofu else 'Terraform'} {self.version}"


def find_program(environ: Mapping[str, str], memory: Path) -> Program:
    """The first of PENSTOCK_TERRAFORM, `terraform`, `tofu` that is new enough.

    Args:
        environ: the process's environment; PATH and PENSTOCK_TERRAFORM are read.
        memory: a file that keeps the answer, so that the program is asked for its version once, not every run.

    Raises ToolMissing, which says what was found instead and what to install.
    """
    chosen = environ.get("PENSTOCK_TERRAFORM")
    search = environ.get("PATH", os.defpath)
    rejected: list[str] = []
    for name in [chosen] if chosen else ["terraform", "tofu"]:
        found = shutil.which(name, path=search)
        if found is None:
            if chosen:
                raise ToolMissing(
                    f"{chosen!r} is not a program that can be run", where="PENSTOCK_TERRAFORM", hint=INSTALL_HINT
                )
            continue
        path = Path(found)
        version = _remembered(path, memory) or _ask(path)
        if version is None:
            rejected.append(f"{path} does not answer `version`")
        elif _number(version) < OLDEST:
            rejected.append(f"{path} is {version}, older than 1.11")
        else:
            _remember(path, version, memory)
            return Program(path=path, version=version)
    what = "; ".join(rejected) if rejected else "neither `terraform` nor `tofu` is on the path"
    raise ToolMissing(what, hint=INSTALL_HINT)


def _ask(path: Path) -> str | None:
    try:
        done = subprocess.run(
            [str(path), "version", "-json"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "CHECKPOINT_DISABLE": "1"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # A warning about a missing CLI configuration may stand around the JSON.
    found = re.search(r'"terraform_version"\s*:\s*"([0-9][^"]*)"', done.stdout)
    return found.group(1) if found else None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0])[:2])


def _fingerprint(path: Path) -> list[str | int]:
    state = path.stat()
    return [str(path.resolve()), state.st_mtime_ns, state.st_size]


def _remembered(path: Path, memory: Path) -> str | None:
    try:
        kept = json.loads(memory.read_text())
        if kept["program"] == _fingerprint(path):
            return str(kept["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def _remember(path: Path, version: str, memory: Path) -> None:
    text = json.dumps({"program": _fingerprint(path), "version": version})
    try:
        if not memory.exists() or memory.read_text() != text:
            memory.parent.mkdir(parents=True, exist_ok=True)
            memory.write_text(text)
    except OSError:
        return  # a read-only folder costs a question per run, nothing more
