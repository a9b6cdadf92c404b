"""What loading needs to know of a workspace's tree, as one frozen value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.model.errors import Problem

ROOT_FILE = "penstock.toml"
SERVICE_FILE = "service.toml"
PYTHON_FILE = "pyproject.toml"
NODE_FILE = "package.json"
REQUIREMENTS_FILE = "requirements.txt"

MAX_FILE_BYTES = 1_000_000
"""A manifest larger than this is refused unread: no workspace that a person wrote comes near."""

MAX_SERVICES = 2_000
"""Twice the 1,000 services that Penstock is built for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Texts and listing of a workspace. Paths are POSIX, relative to its root, without `.` and `..`.

    `problems` are those of the reading itself: a link that leaves the workspace, a file that cannot be opened.
    """

    root_name: str
    files: Mapping[str, str | bytes]
    listing: frozenset[str]
    """Every file of the root, the services and the packages, whether its text was read or not."""
    problems: tuple[Problem, ...] = field(default=())

    @property
    def digest(self) -> str:
        """SHA-256, hex, over all that loading depends on: equal digests load to equal workspaces."""
        total = hashlib.sha256()
        for path in sorted(self.files):
            text = self.files[path]
            body = text.encode(errors="surrogatepass") if isinstance(text, str) else text
            total.update(f"{len(path)} {path} {len(body)} ".encode(errors="surrogatepass"))
            total.update(body)
        total.update("\0".join(sorted(self.listing)).encode(errors="surrogatepass"))
        return total.hexdigest()
