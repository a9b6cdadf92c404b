"""uv's installations into one folder: from wheels, and what has none from its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.build import backends, python, requirements
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.adapters.builder_python_uv import Uv
    from penstock.model.artifact import Target

_FROM_SOURCE_MAX = 30
"""Packages of one service without any wheel; far more than anybody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """Installs listings of pinned packages for one target."""

    uv: Uv
    target: Target
    project: Path
    """Where uv finds the settings of indexes."""
    interpreter: Path
    """The Python that runs the backends of what has no wheel: the target's own where this machine has it."""
    scratch: Path
    """For its files; what is installed goes into the folder `site` there."""
    cache: Path
    """uv's cache of what the backends that we list have built.

    Its ordinary one keeps what was built by whichever backend was the newest on that day, and takes it again whatever
    the constraints say now: bytes would depend on what this machine did before.
    """
    warn: Callable[[str], None]

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
        for name in from_source:
            self._build(name, requirements.without_names(text, names - {name}))
        return tuple(from_source)

    def _build(self, name: str, text: str) -> None:
        """One package from its sources, by backends that we list, and by others only when it asks for them."""
        listed = self.scratch / "backends.txt"
        for constraints in backends.in_turn(self.uv.version()):
            listed.write_text(constraints)
            told: list[str] = []
            try:
                self._run(text, told, python.Sources(built=self.cache, backends=listed))
            except BuildFailed:
                if not python.lacks_backend("".join(told)):
                    raise
            else:
                return
        apart = self.scratch / "uv"  # nobody else may take it for built by what we list
        self._run(text, [], python.Sources(built=apart, backends=None))
        self.warn(
            f"{name}: built from its sources by the newest backend of today, whose bytes another day's may not repeat"
        )

    def _run(self, text: str, told: list[str], sources: python.Sources | None = None) -> None:
        """One call of uv; `told` gets what it said when it could not."""
        listing = self.scratch / "requirements.txt"
        listing.write_text(text)

        def explain(stderr: str) -> BuildFailed | None:
            told.append(stderr)
            return explained(stderr, self.target, "")

        self.uv.run(
            lambda offline: python.install_command(
                self.uv.program,
                listing,
                self.site,
                self.target,
                interpreter=self.interpreter,
                project=self.project,
                offline=offline,
                sources=sources,
            ),
            what=f"uv could not install the locked packages for {self.target}",
            where="",
            explain=explain,
        )


def explained(stderr: str, target: Target, where: str) -> BuildFailed | None:
    """The error for a package that has no wheel and cannot be built, as uv says; None when it says something else."""
    package = python.not_built(stderr) or python.without_wheel(stderr)
    if package is None:
        return None
    if python.is_native(stderr):
        return native(package, target, where)
    return _without_wheel(package, target, where, f"its sources do not build here:\n{python.diagnosis(stderr)}")


def native(package: str, target: Target, where: str) -> BuildFailed:
    """The error for a package without a wheel whose sources are native code."""
    return _without_wheel(package, target, where, "its sources are native code")


def _without_wheel(package: str, target: Target, where: str, why: str) -> BuildFailed:
    name = package.partition("==")[0]
    return BuildFailed(
        f"{package} has no wheel for {target} ({python.platform_tag(target)}), and {why}",
        where=where,
        hint=f"lock a version of {name} that has one, or put a wheel of your own in an index",
    )
