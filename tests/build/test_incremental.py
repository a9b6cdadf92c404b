"""Whatever is edited in whatever order, a build that remembers gives the bytes of one that remembers nothing.

Random workspaces of Python: who uses whom is drawn, as is which packages have a build backend. Two services are members
of the uv workspace, two list what they need in a requirements.txt.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from build.sites import Site, service, workspace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import SOAKS

from penstock.model.errors import BuildsFailed
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.model.workspace import Workspace

LOCKED, LISTED, PACKAGES = ("u0", "u1"), ("r0", "r1"), ("p0", "p1", "p2")
SERVICES = (*LOCKED, *LISTED)
GRAPHS = st.fixed_dictionaries(
    {name: st.frozensets(st.sampled_from(PACKAGES)) for name in SERVICES}
    # Packages reach only those after them, so that there is no cycle.
    | {name: st.frozensets(st.sampled_from(PACKAGES[at + 1 :])) for at, name in enumerate(PACKAGES[:-1])}
)
OPTIONS = (
    BuildOptions(),
    BuildOptions(prune=False),
    BuildOptions(bytecode=True),
    BuildOptions(extras=("more",)),
    BuildOptions(groups=("some",)),
    BuildOptions(provided=("nowhere",)),
)
KNOBS: Mapping[str, Sequence[object]] = {
    "source": (1, 2, 3),
    "data": (None, 1, 2),
    "test": (None, 1, 2),
    "executable": (False, True),
    "version": (1, 2),
    "readme": (None, 1, 2),
    "linter": (1, 2),
    "needs idna": (False, True),
    "handler": ("app.handler", "app.other", "other.handler"),
    "functions": (1, 2),
    "options": OPTIONS,
    "import": ("json", "nowhere"),
    "uv.toml": (None, "offline = false\n", "offline = true\n"),
    "python": ("3.11", "3.12"),
    "locked idna": ("3.9", "3.10"),
    # Edits of `layers` follow once they are in the recipe, as does a second folder called p0 (libs/p0).
}
"""What is edited, with the values that it takes; the first is what it is in the beginning."""
OWN = ("handler", "functions", "options", "import")
EVERYBODYS = ("uv.toml", "python", "locked idna")
TARGETS = [
    *((name, knob) for name in (*SERVICES, *PACKAGES) for knob in KNOBS if knob not in {*OWN, *EVERYBODYS}),
    *((name, knob) for name in SERVICES for knob in OWN),
    *(("", knob) for knob in EVERYBODYS),
]
EDITS = st.lists(
    st.sampled_from(TARGETS).flatmap(lambda one: st.tuples(st.just(one), st.sampled_from(KNOBS[one[1]]))),
    min_size=1,
    max_size=4,
)


@dataclass
class State:
    """A workspace as values."""

    graph: Mapping[str, frozenset[str]]
    built: frozenset[str]
    """Packages and services that a build backend makes."""
    knobs: dict[tuple[str, str], object] = field(default_factory=dict)

    def get(self, name: str, knob: str) -> object:
        return self.knobs.get((name, knob), KNOBS[knob][0])

    def reached(self, name: str) -> frozenset[str]:
        direct = self.graph.get(name, frozenset())
        return direct.union(*(self.reached(one) for one in direct))

    def files(self) -> dict[str, str]:
        """All files but the lock."""
        members = '["services/u*", "packages/*"]'
        found = {
            "pyproject.toml": '[project]\nname = "w"\nversion = "1"\nrequires-python = ">=3.11"\n'
            f"[tool.uv]\npackage = false\n[tool.uv.workspace]\nmembers = {members}\n"
        }
        if settings := self.get("", "uv.toml"):
            found["uv.toml"] = str(settings)
        for name in (*SERVICES, *PACKAGES):
            found |= {f"{place(name)}/{path}": text for path, text in self._own(name).items()}
        return found

    def _own(self, name: str) -> dict[str, str]:
        top = "src/" if name in PACKAGES else ""
        module = f"{top}{name}/" if name in PACKAGES or (name in self.built and name in LOCKED) else top
        code = f"VALUE = {self.get(name, 'source')}\n"
        found = {f"{module}__init__.py": code} if module else {}
        if name in SERVICES:
            imports = "".join(f"import {one}\n" for one in sorted(self.graph[name]))
            text = f"{imports}import {self.get(name, 'import')}\n{code}def handler(event, context): ...\n"
            found[f"{top}app.py"] = f"{text}other = handler\n"
            found[f"{top}other.py"] = f"from app import *\nfrom app import handler\nMARK = {self.get(name, 'source')}\n"
        for knob, path in (("data", f"{module}data.txt"), ("test", "tests/test_it.py"), ("readme", "README.md")):
            if (value := self.get(name, knob)) is not None:
                found[path] = f"# {value}\n"
        if name in LISTED:
            found["requirements.txt"] = self._listing(name)
        else:
            found["pyproject.toml"] = self._manifest(name)
        return found

    def _listing(self, name: str) -> str:
        lines = [f"-e ../../packages/{one}\n" for one in sorted(self.reached(name))]
        if any(self.get(one, "needs idna") for one in (name, *self.reached(name))):
            lines.append(f"idna=={self.get('', 'locked idna')}\n")
        return "".join(lines)

    def _manifest(self, name: str) -> str:
        used = sorted(self.graph.get(name, frozenset()))
        needs = [*used, *(["idna"] if self.get(name, "needs idna") else [])]
        readme = 'readme = "README.md"\n' if self.get(name, "readme") else ""
        sources = "".join(f"{one} = {{ workspace = true }}\n" for one in used)
        backend = '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'
        return (
            f'[project]\nname = "{name}"\nversion = "{self.get(name, "version")}"\nrequires-python = ">=3.11"\n'
            f"dependencies = {needs}\n{readme}"
            '[project.optional-dependencies]\nmore = ["iniconfig==2.1.0"]\n'
            '[dependency-groups]\nsome = ["toml==0.10.2"]\n'
            f"{backend if name in self.built else ''}[tool.uv.sources]\n{sources}"
            f"[tool.uv.build-backend]\nmodule-root = '{'src' if name in PACKAGES else ''}'\n"
            f"[tool.linter]\nlevel = {self.get(name, 'linter')}\n"
        )

    def workspace(self) -> Workspace:
        services = []
        for name in SERVICES:
            handler = str(self.get(name, "handler"))
            handlers = {f"{name}-{number}": handler for number in range(int(str(self.get(name, "functions"))))}
            options = self.get(name, "options")
            assert isinstance(options, BuildOptions)
            services.append(service(name, handlers, build=options if name in LOCKED else _without_names(options)))
        return workspace(*services)


def _without_names(options: BuildOptions) -> BuildOptions:
    """A requirements.txt knows neither groups nor extras."""
    return BuildOptions(prune=options.prune, bytecode=options.bytecode, provided=options.provided)


def place(name: str) -> str:
    return f"services/{name}" if name in SERVICES else f"packages/{name}"


class Edited:
    """A workspace on disk that follows a state, with the lock that uv makes of it."""

    def __init__(self, folder: Path, state: State) -> None:
        self.state = state
        self.site = Site(folder, state.workspace())
        self.written: dict[str, str] = {}
        self.locked: tuple[object, ...] = ()
        self.follow()

    def follow(self) -> None:
        files = self.state.files()
        for path in self.written.keys() - files.keys():
            (self.site.root / path).unlink()
        self.site.write({path: text for path, text in files.items() if self.written.get(path) != text})
        for name in (*SERVICES, *PACKAGES):
            mode = 0o755 if self.state.get(name, "executable") else 0o644
            for source in (self.site.root / place(name)).rglob("*.py"):
                source.chmod(mode)
        idna = self.state.get("", "locked idna")
        asked = (idna, *(text for path, text in files.items() if path.endswith("pyproject.toml")))
        if asked != self.locked:
            self.site.uv_lock(".", "--upgrade-package", f"idna=={idna}")
        self.written, self.locked = files, asked
        self.site.workspace = self.state.workspace()
        self.site.versions["python"] = str(self.state.get("", "python"))


def outcome(site: Site) -> dict[str, tuple[str, ...]]:
    """What came of each unit: recipe and digest, or why there is none."""
    failures: dict[str, tuple[str, ...]] = {}
    try:
        made = site.builder().build(site.workspace, None, site.targets)
    except BuildsFailed as failed:
        made = failed.made
        failures = {name: (failure.what,) for failure in failed.failures for name in failure.names}
    return failures | {one.unit: (one.recipe, one.digest) for one in made}


@settings(max_examples=60 if SOAKS else 4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    graph=GRAPHS,
    built=st.frozensets(st.sampled_from((*PACKAGES, *LOCKED))),
    rounds=st.lists(EDITS, min_size=2, max_size=3),
)
def test_an_incremental_build_equals_a_clean_one(
    graph: dict[str, frozenset[str]], built: frozenset[str], rounds: list[list[tuple[tuple[str, str], object]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        edited = Edited(Path(folder) / "w", State(graph, built))
        site = edited.site
        digests: dict[str, str] = {}
        outcome(site)
        for number, edits in enumerate(rounds):
            edited.state.knobs |= dict(edits)
            edited.follow()
            incremental = outcome(site)
            clean = Site(site.root, site.workspace)
            clean.versions = site.versions
            clean.cache = site.root / ".penstock" / f"clean-{number}"
            assert incremental == outcome(clean), edits
            shutil.rmtree(clean.cache)
            assert outcome(site) == incremental, "nothing was changed"
            for told in incremental.values():
                if len(told) > 1:
                    assert digests.setdefault(told[0], told[1]) == told[1], "other bytes of the same recipe"
