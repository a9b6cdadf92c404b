"""What the embedded AWS was started with, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from penstock.localaws.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOST = "127.0.0.1"
ROOT_SECRET = "penstock-local"  # noqa: S105 - documented: the secret of every account's administrator
DEFAULT_PORT = 4747
DEFAULT_REGION = "eu-west-1"
DEFAULT_CONCURRENCY = 1000
"""AWS's own: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The command line of ``python -m penstock.localaws``, checked.

    ``interpreters`` maps a Lambda runtime (``python3.13``) to an executable. ``node_sdk`` is a folder that holds
    ``node_modules/@aws-sdk``. ``home`` is searched for interpreters that pyenv and uv installed. ``clock`` is
    CloudWatch's, and ``metrics_delay`` the seconds of it after which a data point can be read. With ``rehearsal``
    calls can be made to fail on request. ``concurrency`` is how many executions an account may have at once in a
    region.
    """

    port: int
    state: Path
    region: str = DEFAULT_REGION
    interpreters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    node: str | None = None
    node_sdk: Path | None = None
    home: Path | None = None
    clock: Clock = field(default_factory=Clock)
    metrics_delay: float = 0.0
    rehearsal: bool = False
    concurrency: int = DEFAULT_CONCURRENCY

    @property
    def url(self) -> str:
        """Where clients and functions reach this server."""
        return f"http://{HOST}:{self.port}"

    @property
    def objects(self) -> Path:
        """S3 objects, one file and one metadata sidecar each."""
        return self.state / "s3"

    @property
    def blobs(self) -> Path:
        """Code of functions, content-addressed."""
        return self.state / "lambda-blobs"

    @property
    def database(self) -> Path:
        """Everything else, one row a service."""
        return self.state / "state.db"

    @property
    def snapshots(self) -> Path:
        """Named copies of all of the above."""
        return self.state / "snapshots"
