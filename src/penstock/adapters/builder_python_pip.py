"""uv's installations into one folder: from wheels, and what has none from its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.build import backends, python, requirements
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.adapters.builder_python_uv import Uv
    from penstock.model.artifact import Target

_FROM_SOURCE_MAX = 30
"""Packages of one service without any wheel; far more than anybody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pip:
    """Installs listings of pinned packages for one target."""

    uv: Uv
    target: Target
    project: Path
    """Where uv finds the settings of indexes."""
    scratch: Path
    """For its files; what is installed goes into the folder `site` there."""
    cache: Path
    """uv's cache of what the backends that we list have built.

    Its ordinary one keeps what was built by whichever backend was the newest on that day, and takes it again whatever
    the constraints say now: bytes would depend on what this machine did before.
    """

    @property
    def site(self) -> Path:
        """Where packages are installed."""
        return self.scratch / "site"

    def install(self, text: str) -> tuple[str, ...]:
        """Install what the listing names, from wheels where there are some; the names of those that were built.

        Raises BuildFailed for a package that can be had neither way.
        """
        names = requirements.names(text)
        self.site.mkdir()
        from_source: list[str] = []
        while len(from_source) < len(names):
            told: list[str] = []
            try:
                self._run(requirements.without_names(text, from_source), told)
                break
            except BuildFailed:
                name = requirements.normalised((python.without_wheel("".join(told)) or "").partition("==")[0])
                if name not in names or name in from_source or len(from_source) >= _FROM_SOURCE_MAX:
                    raise
                from_source.append(name)
        if from_source:
            self._install_sources(requirements.without_names(text, names - set(from_source)))
        return tuple(from_source)

    def _install_sources(self, text: str) -> None:
        """By backends that we list, and by others only where the packages ask for them."""
        listed = self.scratch / "backends.txt"
        listed.write_text(backends.constraints((), self.uv.version()))
        told: list[str] = []
        try:
            self._run(text, told, python.Sources(built=self.cache, backends=listed))
        except BuildFailed:
            if not python.lacks_backend("".join(told)):
                raise
            self._run(text, told, python.Sources(built=self.cache, backends=None))

    def _run(self, text: str, told: list[str], sources: python.Sources | None = None) -> None:
        """One call of uv; `told` gets what it said when it could not."""
        listing = self.scratch / "requirements.txt"
        listing.write_text(text)

        def explain(stderr: str) -> BuildFailed | None:
            told.append(stderr)
            return explained(python.not_built(stderr) or python.without_wheel(stderr), self.target, "")

        self.uv.run(
            lambda offline: python.install_command(
                self.uv.program,
                listing,
                self.site,
                self.target,
                project=self.project,
                offline=offline,
                sources=sources,
            ),
            what=f"uv could not install the locked packages for {self.target}",
            where="",
            explain=explain,
        )


def explained(package: str | None, target: Target, where: str) -> BuildFailed | None:
    """The error for a package, as uv calls it, that has no wheel and cannot be built."""
    if package is None:
        return None
    name = package.partition("==")[0]
    return BuildFailed(
        f"{package} has no wheel for {target} ({python.platform_tag(target)}), and its sources do not build here",
        where=where,
        hint=f"lock a version of {name} that has one, or put a wheel of your own in an index",
    )
