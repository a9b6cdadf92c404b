"""Programs that Penstock drives: Terraform, the embedded AWS, language runtimes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TerraformPlan:
    """A saved plan: where it lies, and `terraform show -json` of it. `changed` is the detailed exit code's 2."""

    path: Path
    changed: bool
    document: Mapping[str, Any]


@runtime_checkable
class Terraform(Protocol):
    """Terraform or OpenTofu, run in one root folder."""

    def prepare(self, root: Path) -> None:
        """`init`, when the folder's modules, providers or backend call for it."""

    def plan(self, root: Path, *, out: Path, variables: Mapping[str, str]) -> TerraformPlan:
        """Save a plan. Raises TerraformFailed, Locked (with the holder) when the state is locked."""

    def apply(self, root: Path, plan: Path) -> None:
        """Apply exactly that saved plan."""

    def version(self) -> str:
        """The program's own name and version, as `Terraform 1.11.4`. Raises ToolMissing."""

    def running(self, root: Path) -> Sequence[int]:
        """Ids of this machine's Terraform processes that work in the folder now, ours or started by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStatus:
    """The embedded AWS: its URL, and the process behind it (None when it is down)."""

    url: str
    pid: int | None
    state: Path
    interpreters: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None
    """Resident set in bytes."""
    time_scale: float = 1.0
    """Seconds that pass in its CloudWatch while one passes here …"""
    time_origin: float = 0.0
    """… since this moment, in seconds since the epoch."""
    metrics_delay: float = 0.0
    """Seconds of CloudWatch's until a data point can be read."""


@runtime_checkable
class LocalAws(Protocol):
    """The embedded AWS as a process of this machine."""

    def start(self) -> LocalStatus:
        """Start it unless it runs; wait until it answers. Raises LocalAwsFault."""

    def stop(self) -> bool:
        """Stop it in good order; False when it did not run."""

    def status(self) -> LocalStatus:
        """What runs."""

    def reset(self) -> None:
        """Forget all state of all accounts."""

    def snapshot(self, name: str) -> None:
        """Keep the whole state under a name."""

    def restore(self, name: str) -> None:
        """Go back to a kept state. Raises NotFound."""

    def snapshots(self) -> Sequence[str]:
        """Names of the kept states, sorted."""

    def log(self) -> Path:
        """Where its log lies."""


@runtime_checkable
class Interpreters(Protocol):
    """Which language runtimes this machine has."""

    def find(self, runtime: str) -> Path | None:
        """The interpreter for `python3.13` or `nodejs20.x`, run once to be sure; None when there is none."""

    def host_architecture(self) -> str:
        """`x86_64` or `arm64`."""
