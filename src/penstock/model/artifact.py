"""What is built, from what, and for which target."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.workspace import Architecture, Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an artifact must run on. `version` is `3.13` or `20`."""

    language: Language
    version: str
    architecture: Architecture
    platform: str = "linux"

    def __str__(self) -> str:
        return f"{self.language}{self.version}/{self.architecture}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything an artifact is made from; `digest` is the cache key.

    `inputs` maps a label that a person understands (`source users/app.py`, `lock pydantic`, `option minify`) to the
    digest or value that was seen, so that two recipes can be compared line by line.
    """

    unit: str
    """The service, or `service-function` where a function has a bundle of its own."""
    target: Target
    inputs: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256, hex, over the canonical JSON of unit, target and inputs."""
        text = json.dumps([self.unit, str(self.target), self.target.platform, dict(sorted(self.inputs.items()))])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A ZIP, named by its SHA-256 (hex). Sizes in bytes."""

    unit: str
    digest: str
    recipe: str
    target: Target
    size: int
    unzipped: int
    path: str
    """Where the ZIP lies on this machine."""
    functions: tuple[str, ...]
    """Keys of the functions that run from it."""
    sbom: str = ""
    """Where its SBOM lies on this machine; empty when there is none."""
    cached: bool = False
    seconds: float = 0.0
    delta: int | None = None
    """By how many bytes the ZIP outgrew that of the unit's build before on this machine; None when there was none."""
