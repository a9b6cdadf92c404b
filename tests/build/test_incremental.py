"""Whatever is edited in whatever order, a build that remembers gives the bytes of one that remembers nothing.

Random workspaces of Python: who uses whom is drawn, as is which packages have a build backend. Two services are members
of the uv workspace, two list what they need in a requirements.txt. What counts for whom is said by `State.counts`.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from build.outcomes import History, check_times_count_for_nothing, files_of, outcome, rewrite, touched
from build.sites import Site, service, workspace
from hypothesis import example, given
from hypothesis import strategies as st
from samples import SOAKS, few_workspaces, patient

from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.model.workspace import Workspace

LOCKED, LISTED, PACKAGES = ("u0", "u1"), ("r0", "r1"), ("p0", "p1", "p2", "q0")
SERVICES = (*LOCKED, *LISTED)
NAMES = (*SERVICES, *PACKAGES)
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
    "linter": (100, 120),
    "needs idna": (False, True),
    "handler": ("app.handler", "app.other", "other.handler"),
    "functions": (1, 2),
    "options": OPTIONS,
    "import": ("json", "nowhere"),
    "backend": (False, True),
    "without": (None, *PACKAGES),
    "layers": ((), ("arn:aws:lambda:eu-west-1:1:layer:numpy:1",)),
    # Where it lies; elsewhere, or not at all, so that whoever asks for it has nothing.
    "inner": ("inner.py", "inner/__init__.py", "other.py", None),
    "linked": (None, "shared/one.py", "shared/two.py"),
    "owner": PACKAGES,
    "shared/one.py": (1, 2, 3),
    "shared/two.py": (1, 2, 3),
    "uv.toml": (None, "offline = false\n", "offline = true\n"),
    "python": ("3.11", "3.12"),
    "locked idna": ("3.9", "3.10"),
}
"""What is edited, with the values that it takes; the first is what it is in the beginning."""
OWN = ("handler", "functions", "options", "import", "layers")
OF_ALL = tuple(KNOBS)[tuple(KNOBS).index("owner") :]
NAMED = {**dict.fromkeys(OWN, SERVICES), **dict.fromkeys(OF_ALL, ("",))}
"""Whose knobs those are that not all have; the workspace has no name."""
Edit = tuple[str, str, object]


def edits_of(knob: str) -> st.SearchStrategy[Edit]:
    """Anybody's knob of that name, turned to a value that is more often not its first one."""
    values = (*KNOBS[knob][1:], *KNOBS[knob])
    return st.tuples(st.sampled_from(NAMED.get(knob, NAMES)), st.just(knob), st.sampled_from(values))


# By knobs, so that those of which there are few are turned as often as the others.
EDITS = st.lists(st.sampled_from(tuple(KNOBS)).flatmap(edits_of), min_size=1, max_size=6)


@dataclass
class State:
    """A workspace as values."""

    graph: Mapping[str, frozenset[str]]
    built: frozenset[str]
    """Packages and services that a build backend makes."""
    knobs: dict[tuple[str, str], object] = field(default_factory=dict)

    def get(self, name: str, knob: str) -> object:
        first = name in self.built if knob == "backend" else KNOBS[knob][0]
        return self.knobs.get((name, knob), first)

    def turn(self, edits: Sequence[Edit]) -> None:
        self.knobs |= {(name, knob): value for name, knob, value in edits}

    def used(self, name: str) -> frozenset[str]:
        return self.graph.get(name, frozenset()) - {str(self.get(name, "without"))}

    def is_built(self, name: str) -> bool:
        return name not in LISTED and bool(self.get(name, "backend"))

    def reached(self, name: str) -> frozenset[str]:
        direct = self.used(name)
        return direct.union(*(self.reached(one) for one in direct))

    def counts(self, name: str) -> dict[object, object]:
        """All that the recipe of a service depends on."""
        parts = (name, *sorted(self.reached(name)))
        knobs = ("source", "data", "executable", "inner", "linked", "needs idna")
        found: dict[object, object] = {(part, knob): self.get(part, knob) for part in parts for knob in knobs}
        for part in parts:
            found |= {(part, "owner"): self.get("", "owner") == part, (part, "used"): self.used(part)}
            found[part, "built"] = self.is_built(part)
            found |= self._all(str(linked)) if (linked := self.get(part, "linked")) else {}
            if part not in LISTED:  # which have no manifest, and whose README stays at home
                found |= {(part, knob): self.get(part, knob) for knob in ("version", "readme")}
        found |= {(name, knob): self.get(name, knob) for knob in OWN if knob != "options"}
        found |= self._all("locked idna") if any(self.get(part, "needs idna") for part in parts) else {}
        return found | self._all("uv.toml", "python") | {"options": self._options(name)}

    ships = counts

    def _all(self, *knobs: str) -> dict[object, object]:
        return {knob: self.get("", knob) for knob in knobs}

    def files(self) -> dict[str, str]:
        """All files but the lock, by path; a link as what it leads to, after `-> `."""
        members = '["services/u*", "packages/*", "libs/*"]'
        found = {
            "pyproject.toml": '[project]\nname = "w"\nversion = "1"\nrequires-python = ">=3.11"\n'
            f"[tool.uv]\npackage = false\n[tool.uv.workspace]\nmembers = {members}\n"
        }
        if settings := self.get("", "uv.toml"):
            found["uv.toml"] = str(settings)
        found |= {path: f"WORD = '{path} {self.get('', path)}'\n" for path in ("shared/one.py", "shared/two.py")}
        for name in NAMES:
            found |= {f"{place(name)}/{path}": text for path, text in self._own(name).items()}
        return found

    def _own(self, name: str) -> dict[str, str]:
        top = "src/" if name in PACKAGES else ""
        is_module = name in PACKAGES or self.is_built(name)
        module = f"{top}{name}/" if is_module else top
        code = f"{self._imports(name, f'{name}.' if is_module else '')}VALUE = {self.get(name, 'source')}\n"
        found = {f"{module}__init__.py": code} if module else {}
        if name in SERVICES:
            imports = "".join(f"import {one}\n" for one in sorted(self.used(name)))
            text = f"{imports}import {self.get(name, 'import')}\n{code}def handler(event, context): ...\n"
            found[f"{module}app.py"] = f"{text}other = handler\n"
            app = f"{name}.app" if is_module else "app"
            text = f"from {app} import *\nfrom {app} import handler\nMARK = {self.get(name, 'source')}\n"
            found[f"{module}other.py"] = text
        if (inner := self.get(name, "inner")) is not None:
            found[f"{module}{inner}"] = "WHERE = 1\n"
        if self.get("", "owner") == name:
            found[f"{module}moved.py"] = "WHOSE = 1\n"
        if (linked := self.get(name, "linked")) is not None:
            found[f"{module}common.py"] = f"-> {'../' * (place(name) + '/' + module).count('/')}{linked}"
        for knob, path in (("data", f"{module}data.txt"), ("test", "tests/test_it.py"), ("readme", "README.md")):
            if (value := self.get(name, knob)) is not None:
                found[path] = f"# {value}\n"
        if name in LISTED:
            found["requirements.txt"] = self._listing(name)
        else:
            found["pyproject.toml"] = self._manifest(name)
        return found

    def _imports(self, name: str, within: str) -> str:
        """Lines that ask for its own modules, wherever they lie by now."""
        lines = f"from {within}inner import WHERE\n"
        lines += f"from {within}moved import WHOSE\n" if self.get("", "owner") == name else ""
        return lines + (f"from {within}common import WORD\n" if self.get(name, "linked") else "")

    def _listing(self, name: str) -> str:
        lines = [f"-e ../../{place(one)}\n" for one in sorted(self.reached(name))]
        if any(self.get(one, "needs idna") for one in (name, *self.reached(name))):
            lines.append(f"idna=={self.get('', 'locked idna')}\n")
        return "".join(lines)

    def _manifest(self, name: str) -> str:
        used = sorted(self.used(name))
        needs = [*used, *(["idna"] if self.get(name, "needs idna") else [])]
        readme = 'readme = "README.md"\n' if self.get(name, "readme") else ""
        sources = "".join(f"{one} = {{ workspace = true }}\n" for one in used)
        backend = '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'
        return (
            f'[project]\nname = "{name}"\nversion = "{self.get(name, "version")}"\nrequires-python = ">=3.11"\n'
            f"dependencies = {needs}\n{readme}"
            '[project.optional-dependencies]\nmore = ["iniconfig==2.1.0"]\n'
            '[dependency-groups]\nsome = ["toml==0.10.2"]\n'
            f"{backend if self.is_built(name) else ''}[tool.uv.sources]\n{sources}"
            f"[tool.uv.build-backend]\nmodule-root = '{'src' if name in PACKAGES else ''}'\n"
            f"[tool.ruff]\nline-length = {self.get(name, 'linter')}\n"
        )

    def workspace(self) -> Workspace:
        services = []
        for name in SERVICES:
            within = f"{name}." if self.is_built(name) else ""
            handler = f"{within}{self.get(name, 'handler')}"
            handlers = {f"{name}-{number}": handler for number in range(int(str(self.get(name, "functions"))))}
            one, layers = service(name, handlers, build=self._options(name)), self.get(name, "layers")
            assert isinstance(layers, tuple)
            services.append(replace(one, functions=tuple(replace(each, layers=layers) for each in one.functions)))
        return workspace(*services)

    def _options(self, name: str) -> BuildOptions:
        options = self.get(name, "options")
        assert isinstance(options, BuildOptions)
        # A requirements.txt knows neither groups nor extras.
        return options if name in LOCKED else replace(options, extras=(), groups=())


def place(name: str) -> str:
    """Two of the packages lie in folders of one name."""
    return f"services/{name}" if name in SERVICES else "libs/p0" if name == "q0" else f"packages/{name}"


class Edited:
    """A workspace on disk that follows a state, with the lock that uv makes of it."""

    def __init__(self, folder: Path, state: State) -> None:
        self.state = state
        self.site = Site(folder, state.workspace())
        self.written: dict[str, str] = {}
        self.locked: tuple[object, ...] = ()
        self.follow()

    @property
    def lock(self) -> str:
        return (self.site.root / "uv.lock").read_text()

    def follow(self) -> set[str]:
        """Write what the state says; gives the paths that changed."""
        files = self.state.files()
        changed = rewrite(self.site, self.written, files)
        for path in files:
            name = next((one for one in NAMES if path.startswith(f"{place(one)}/")), None)
            if name is not None and path.endswith(".py") and not files[path].startswith("-> "):
                mode = 0o755 if self.state.get(name, "executable") else 0o644
                if stat.S_IMODE((self.site.root / path).stat().st_mode) != mode:
                    (self.site.root / path).chmod(mode)
                    changed.add(path)
        idna = self.state.get("", "locked idna")
        asked = (idna, *(text for path, text in files.items() if path.endswith("pyproject.toml")))
        if asked != self.locked:
            self.site.uv_lock(".", "--upgrade-package", f"idna=={idna}")
        self.written, self.locked = files, asked
        self.site.workspace = self.state.workspace()
        self.site.versions["python"] = str(self.state.get("", "python"))
        return changed | {"uv.lock"}


@patient
@few_workspaces
@example(
    graph={name: frozenset(PACKAGES[at % 4 :]) for at, name in enumerate(SERVICES)} | {"p0": frozenset({"q0"})},
    built=frozenset({"p0", "u1"}),
    rounds=[  # what was once missed
        [
            ("p1", "inner", "inner/__init__.py"),
            ("p0", "linked", "shared/one.py"),
            ("u0", "layers", KNOBS["layers"][1]),
            ("u0", "import", "nowhere"),
            ("q0", "source", 2),
            ("", "owner", "p1"),
        ],
        [
            ("", "shared/one.py", 2),
            ("u0", "layers", ()),
            ("p2", "needs idna", True),
            ("r1", "inner", None),
            ("u1", "without", "p1"),
        ],
    ],
)
@given(
    graph=GRAPHS,
    built=st.frozensets(st.sampled_from((*PACKAGES, *LOCKED))),
    rounds=st.lists(EDITS, min_size=1, max_size=3 if SOAKS else 2),
)
def test_an_incremental_build_equals_a_clean_one(
    graph: dict[str, frozenset[str]], built: frozenset[str], rounds: list[list[Edit]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        edited = Edited(Path(folder) / "w", State(graph, built))
        site, history = edited.site, History()
        first = outcome(site)
        history.learn(first, edited.state)
        for number, edits in enumerate(rounds):
            before, lock = files_of(edited.state, SERVICES), edited.lock
            edited.state.turn(edits)
            changed = edited.follow()
            told = set(site.builder().affected(site.workspace, changed, {"uv.lock": lock}.get))
            assert touched(before, files_of(edited.state, SERVICES)) <= told
            incremental = outcome(site)
            history.learn(incremental, edited.state)
            known = shutil.ignore_patterns(".penstock")
            clean = Site(
                shutil.copytree(site.root, Path(folder) / f"clean-{number}", symlinks=True, ignore=known),
                site.workspace,
            )
            clean.versions = site.versions
            assert incremental.told == outcome(clean).told, edits
            check_times_count_for_nothing(site, edited.written, number, incremental)
        edited.state.knobs.clear()
        edited.follow()
        back = outcome(site)
        assert (back.told, back.fresh) == (first.told, set()), "as it was in the beginning"
