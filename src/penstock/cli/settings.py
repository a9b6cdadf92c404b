"""What the global flags say: filled by the options of the group and of every verb, read by the verbs."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.cli.render.sink import Sink

WORKSPACE_FILE = "penstock.toml"


@dataclass(kw_only=True)
class Settings:
    """The flags that every verb knows."""

    environment: str | None = None
    workspace: Path | None = None
    json: bool = False
    no_color: bool = False
    verbosity: int = 0
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    began: float = field(default_factory=time.monotonic)
    """When the command began, on the monotonic clock."""

    @property
    def color(self) -> bool:
        """Whether colours may be used at all."""
        return not (self.no_color or self.environ.get("NO_COLOR") or self.environ.get("TERM") == "dumb")

    @cached_property
    def root(self) -> Path:
        """The workspace's folder. Raises UsageError when there is none."""
        return find_workspace(self.workspace, Path.cwd())

    @cached_property
    def events(self) -> Sink:
        """Where events go: NDJSON on stdout, rich on a terminal, plain lines elsewhere."""
        if self.json:
            from penstock.cli.render.ndjson import NdjsonSink  # noqa: PLC0415 - one of three

            return NdjsonSink(sys.stdout)
        if sys.stderr.isatty() and self.environ.get("TERM") != "dumb":
            from penstock.cli.render.terminal import TerminalSink  # noqa: PLC0415

            return TerminalSink(sys.stderr, color=self.color, verbosity=self.verbosity)
        from penstock.cli.render.plain import PlainSink  # noqa: PLC0415

        return PlainSink(sys.stderr, verbosity=self.verbosity)

    def chosen_environment(self) -> str:
        """The environment of `-e`, or the only one. Raises UsageError, which names those there are."""
        if self.environment:
            return self.environment
        known = environment_names(self.root)
        if len(known) == 1:
            return known[0]
        raise UsageError("which environment?", hint=f"add -e {'|'.join(known) or 'NAME'}")


def find_workspace(named: Path | None, start: Path) -> Path:
    """The folder with penstock.toml: the one named, else upwards from `start`, else a clone's own example.

    Raises UsageError when there is none.
    """
    if named is not None:
        folder = named.parent if named.name == WORKSPACE_FILE else named
        if not (folder / WORKSPACE_FILE).is_file():
            raise UsageError(f"no {WORKSPACE_FILE} in it", where=str(folder), hint="--workspace names its folder")
        return folder.resolve()
    for folder in (start, *start.parents):
        if (folder / WORKSPACE_FILE).is_file():
            return folder.resolve()
        example = folder / "examples" / "shop"
        if (folder / "src" / "penstock" / "cli").is_dir() and (example / WORKSPACE_FILE).is_file():
            return example.resolve()
    raise UsageError(
        f"no {WORKSPACE_FILE} here or in any folder above",
        where=str(start),
        hint="go to your workspace, or name it: penstock --workspace FOLDER …",
    )


def environment_names(root: Path) -> list[str]:
    """Names of the workspace's environments, read without validation; empty when the file cannot be read."""
    return sorted(_table(root, "environments"))


def first_environment(root: Path) -> str | None:
    """The environment that penstock.toml names first; None when the file cannot be read."""
    return next(iter(_table(root, "environments")), None)


def service_names(root: Path) -> list[str]:
    """Names of the workspace's services: the folders that its globs find, read without validation."""
    globs = _table(root, "workspace").get("services", ["services/*"])
    if not isinstance(globs, list):
        return []
    return sorted(
        {
            found.name
            for pattern in globs
            if isinstance(pattern, str) and not pattern.startswith("/")
            for found in root.glob(pattern)
            if (found / "service.toml").is_file()
        }
    )


def _table(root: Path, name: str) -> dict[str, object]:
    import tomllib  # noqa: PLC0415 - only where an environment was left out, and for completion

    try:
        table = tomllib.loads((root / WORKSPACE_FILE).read_text()).get(name, {})
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}
