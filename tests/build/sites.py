"""Small real workspaces, and a builder that works on them with the real uv and the real esbuild."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from penstock.adapters.builder import Builder
from penstock.adapters.commands import RealCommands
from penstock.adapters.interpreters import RealInterpreters
from penstock.build.units import units
from penstock.model.artifact import Target
from penstock.model.workspace import BuildOptions, Environment, Function, Package, Service, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.model.artifact import Artifact, Recipe
    from penstock.model.events import Event


UV_ROOT = (
    '[project]\nname = "w"\nversion = "1"\nrequires-python = ">=3.11"\n[tool.uv]\npackage = false\n'
    '[tool.uv.workspace]\nmembers = ["services/*", "packages/*"]\n'
)
"""The pyproject.toml above a uv workspace's services and packages."""
HANDLER_PY = "def handler(event, context):\n    return {}\n"


class Wall:
    """Real time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Later(Wall):
    """A clock by which everything has been as it is for a while."""

    def now(self) -> float:
        return time.time() + 5


class Heard:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]


class Site:
    """A workspace on disk with a builder of its own cache; each call is a new command."""

    def __init__(self, root: Path, workspace: Workspace) -> None:
        self.root = root
        self.workspace = workspace
        self.heard = Heard()
        self.commands = RealCommands()
        self.cache = root / ".penstock" / "cache"
        self.interpreters = RealInterpreters(self.commands, self.cache / "v1" / "interpreters.json")
        self.clock = Wall()
        self.versions = {"python": "3.11", "node": "20"}

    def write(self, files: Mapping[str, str]) -> None:
        for path, content in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(content)

    @property
    def targets(self) -> dict[str, Target]:
        return {
            unit.name: Target(language=unit.language, version=self.versions[unit.language], architecture="x86_64")
            for unit in units(self.workspace)
        }

    def builder(self) -> Builder:
        self.heard = Heard()
        return Builder(self.root, self.commands, self.cache, self.heard, self.clock, interpreters=self.interpreters)

    def build(self, *names: str) -> dict[str, Artifact]:
        made = self.builder().build(self.workspace, names or None, self.targets)
        return {artifact.unit: artifact for artifact in made}

    def recipes(self) -> Mapping[str, Recipe]:
        return self.builder().recipes(self.workspace, self.targets)

    def uv_lock(self, folder: str = ".", *words: str) -> None:
        from penstock.ports import Command  # noqa: PLC0415 - a helper's own need

        uv = self.commands.find("uv")
        assert uv is not None
        argv = (str(uv), "lock", "--quiet", *words)
        result = self.commands.run(Command(argv=argv, cwd=self.root / folder, timeout=120))
        assert result.status == 0, result.stderr


def service(
    name: str,
    handlers: Mapping[str, str] | str,
    language: Literal["python", "node"] = "python",
    build: BuildOptions | None = None,
) -> Service:
    """A service in `services/<name>`; handlers by function, or one for the service's only function."""
    runtime = "python3.11" if language == "python" else "nodejs20.x"
    by_function = {name: handlers} if isinstance(handlers, str) else handlers
    functions = tuple(
        Function(
            name=function,
            service=name,
            physical=f"w-dev-{function}",
            handler=handler,
            runtime=runtime,
            architecture="x86_64",
            memory=128,
            timeout=3,
        )
        for function, handler in by_function.items()
    )
    return Service(
        name=name, path=f"services/{name}", language=language, functions=functions, build=build or BuildOptions()
    )


def workspace(*services: Service, packages: tuple[Package, ...] = ()) -> Workspace:
    environment = Environment(name="dev", account="1" * 12, region="eu-west-1", endpoint="local")
    return Workspace(name="w", environment=environment, services=services, packages=packages)


COMMON = {
    "packages/common/pyproject.toml": (
        '[project]\nname = "common"\nversion = "1.0"\ndependencies = ["idna==3.10"]\n'
        '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'
    ),
    "packages/common/src/common/__init__.py": "def greet() -> str:\n    return 'hello'\n",
    "packages/common/src/common/words.txt": "data travels with the package\n",
}
"""A shared package with a data file."""


def python_service(name: str, *depends: str, module: str | None = None) -> dict[str, str]:
    """Files of a service that is a package of the uv workspace, in src layout."""
    module = module or name
    sources = "".join(f"{package} = {{ workspace = true }}\n" for package in depends if package == "common")
    listed = ", ".join(f'"{package}"' for package in depends)
    return {
        f"services/{name}/pyproject.toml": (
            f'[project]\nname = "{name}"\nversion = "1.0"\ndependencies = [{listed}]\n'
            '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'
            f"[tool.uv.sources]\n{sources}"
            f'[tool.uv.build-backend]\nmodule-name = "{module}"\n'
        ),
        f"services/{name}/src/{module}/__init__.py": "",
        f"services/{name}/src/{module}/app.py": "def handler(event, context):\n    return 'ok'\n",
    }


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition becomes true within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False
