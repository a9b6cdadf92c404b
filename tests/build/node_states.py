"""Random workspaces of TypeScript as values: files, lock and environment of a state, and what counts for whom in it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from build.outcomes import rewrite
from build.sites import Site, service, workspace
from hypothesis import strategies as st

from penstock.model.workspace import BuildOptions, Package

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pytest

    from penstock.model.workspace import Service, Workspace

SERVICES, PACKAGES = ("s0", "s1", "s2"), ("p0", "p1", "p2", "q0")
NAMES = (*SERVICES, *PACKAGES)
BARE = {
    "services/bare/src/app.ts": (
        'import { alias } from "#alias";\nimport { led } from "@led/it";\nimport { word } from "patched";\n'
        "export const handler = async () => [alias, led, word];\n"
    ),
    **{f"services/bare/src/alias{mark}.ts": f"export const alias = {mark};\n" for mark in range(1, 4)},
    **{f"services/bare/src/led{mark}/it.ts": f"export const led = {mark};\n" for mark in range(1, 4)},
}
"""A service that has neither a package.json nor a tsconfig.json of its own: it is given what lies around it."""
APPLY = """\
const fs = require("node:fs");
fs.mkdirSync("node_modules/patched", { recursive: true });
fs.writeFileSync("node_modules/patched/index.js", `exports.word = "${fs.readFileSync("patches/word.patch", "utf8")}";`);
"""
SCRIPTS = {
    "prebuild": "mkdir -p dist && cp -r src/. dist && echo 'globalThis.pre = 1;' > dist/pre.js",
    "build": "cat dist/index.ts dist/pre.js > dist/index.js && node ../../tools/tail.cjs >> dist/index.js"
    " && echo 'globalThis.own = 1;' >> dist/index.js"
    " && echo \"globalThis.url = '$API_URL$NOBODYS';\" >> dist/index.js",
}
KINDS: Mapping[str, Mapping[str, object]] = {
    "sources": {"exports": "./src/index.ts"},
    "tsc at the root": {"main": "dist/index.js"},
    "own script": {"main": "dist/index.js", "scripts": SCRIPTS},
}
"""How a shared package leads to its code."""
GRAPHS = st.fixed_dictionaries(
    {name: st.frozensets(st.sampled_from(PACKAGES)) for name in SERVICES}
    # Packages reach only those after them, so that there is no cycle.
    | {name: st.frozensets(st.sampled_from(PACKAGES[at + 1 :])) for at, name in enumerate(PACKAGES[:-1])}
)
KINDS_OF = st.fixed_dictionaries({name: st.sampled_from(sorted(KINDS)) for name in PACKAGES})
NEEDED = {"s0": "one", "s1": "two", "s2": "copied", "p1": "one", "q0": "two"}
"""Which package that is none of the workspace a manifest names, unless that is edited."""
OPTIONS = (BuildOptions(), BuildOptions(source_maps="inside"), BuildOptions(external=("@w/p2",)))
MARKS = (0, 1, 2)
KNOBS: Mapping[str, Sequence[object]] = {
    "source": MARKS,
    # Its name and what it says; not there at all, so that whoever asks for it has nothing.
    "extra": (("extra.ts", 0), ("extra.ts", 1), ("extra/index.ts", 2), ("other.ts", 3), ("extra.js", 4), None),
    "event": MARKS,
    "test": (None, 1, 2),
    "tsconfig": (1, 2, 3),
    "extends": (None, "@t/tsconfig/base.json", "@t/tsconfig"),
    "description": MARKS,
    "build": MARKS,
    "prebuild": MARKS,
    "needs": ("", "one", "two", "copied"),
    "handler": ("src/app.handler", "src/app.other"),
    "options": OPTIONS,
    "layers": ((), ("arn:aws:lambda:eu-west-1:1:layer:numpy:1",)),
    "linked": (None, "shared/one.ts", "shared/two.ts"),
    "kind": tuple(KINDS),
    "without": (None, *PACKAGES),
    "owner": PACKAGES,
    "imports": (1, 2, 3),
    "jsconfig.json": (1, 2, 3),
    "patches/word.patch": MARKS,
    "tools/tail.cjs": MARKS,
    "tooling": MARKS,
    "shared/one.ts": MARKS,
    "shared/two.ts": MARKS,
    "API_URL": (None, "one", "two"),
    "NOBODYS": (None, "one", "two"),
    "locked one": ("1.0.0", "2.0.0"),
    "locked two": ("1.0.0", "2.0.0"),
    "locked copied": MARKS,
}
"""What is edited, with the values that it takes; the first is what it is in the beginning."""
OF_PACKAGES, OF_SERVICES = ("build", "prebuild", "kind"), ("handler", "options", "layers", "linked")
OF_ALL = tuple(KNOBS)[tuple(KNOBS).index("owner") :]
NAMED = {**dict.fromkeys(OF_PACKAGES, PACKAGES), **dict.fromkeys(OF_SERVICES, SERVICES), **dict.fromkeys(OF_ALL, ("",))}
"""Whose knobs those are that not all have; the workspace has no name."""
Edit = tuple[str, str, object]


def edits_of(knob: str) -> st.SearchStrategy[Edit]:
    """Anybody's knob of that name, turned to a value that is more often not its first one."""
    values = (*KNOBS[knob][1:], *KNOBS[knob])
    return st.tuples(st.sampled_from(NAMED.get(knob, NAMES)), st.just(knob), st.sampled_from(values))


# By knobs, so that those of which there are few are turned as often as the others.
EDITS = st.lists(st.sampled_from(tuple(KNOBS)).flatmap(edits_of), min_size=1, max_size=6)


def place(name: str) -> str:
    """Two of them lie in folders of one name."""
    return f"services/{name}" if name in SERVICES else "libs/p0" if name == "q0" else f"packages/{name}"


@dataclass
class State:
    """A workspace as values."""

    graph: Mapping[str, frozenset[str]]
    kinds: Mapping[str, str]
    knobs: dict[tuple[str, str], object] = field(default_factory=dict)

    def get(self, name: str, knob: str) -> object:
        first = {"needs": NEEDED.get(name, ""), "kind": self.kinds.get(name)}.get(knob, KNOBS[knob][0])
        return self.knobs.get((name, knob), first)

    def turn(self, edits: Sequence[Edit]) -> None:
        self.knobs |= {(name, knob): value for name, knob, value in edits}

    def used(self, name: str) -> frozenset[str]:
        return self.graph.get(name, frozenset()) - {str(self.get(name, "without"))}

    def reached(self, name: str) -> frozenset[str]:
        direct = self.used(name)
        return direct.union(*(self.reached(one) for one in direct))

    # ------------------------------------------------------------------------------------------ what counts

    def ships(self, name: str) -> dict[object, object]:
        """All that the bytes of a service may come of."""
        found = self._all("imports", "jsconfig.json", "patches/word.patch") if name == "bare" else {}
        for part in (name, *self.reached(name)) if name != "bare" else ():
            for knob in ("source", "extra", "event", "tsconfig", "extends", "needs"):
                found[part, knob] = self.get(part, knob)
            found |= self._all("tooling") if self.get(part, "extends") else {}
            found |= self._all(f"locked {needed}") if (needed := self.get(part, "needs")) else {}
            found[part, "owner"] = self.get("", "owner") == part
            found |= {(part, "kind"): self.get(part, "kind"), (part, "used"): self.used(part)}
            if self.get(part, "kind") == "own script":
                found |= {(part, knob): self.get(part, knob) for knob in SCRIPTS}
                found |= self._all("tools/tail.cjs", "API_URL")
        if name != "bare":
            found |= {(name, knob): self.get(name, knob) for knob in ("handler", "options")}
        return found

    def counts(self, name: str) -> dict[object, object]:
        """The same, and what is in its recipe because nobody can know: docs/build.md."""
        found = self.ships(name) | {"lock": self.lock()} | self._all("patches/word.patch", "jsconfig.json")
        if "copied" in self._needed():  # docs/build.md: copies count for every service of the lock
            found |= self._all("locked copied")
        if name != "bare" and (linked := self.get(name, "linked")):
            found["linked"] = (linked, self.get("", str(linked)))  # nobody asks for it, but it lies among its files
        # A script may read all of its package's manifest.
        made = (part for part in self.reached(name) if self.get(part, "kind") == "own script")
        return found | {(part, "description"): self.get(part, "description") for part in made}

    def _all(self, *knobs: str) -> dict[object, object]:
        return {knob: self.get("", knob) for knob in knobs}

    # ------------------------------------------------------------------------------------------ files

    def files(self) -> dict[str, str]:
        """All files by path; a link as what it leads to, after `-> `."""
        found = {**BARE, "scripts/apply.cjs": APPLY, "package-lock.json": self.lock()}
        found["package.json"] = json.dumps(self._top())
        paths = {"@led/*": [f"./services/bare/src/led{self.get('', 'jsconfig.json')}/*"]}
        found["jsconfig.json"] = json.dumps({"compilerOptions": {"paths": paths}})
        found["patches/word.patch"] = str(self.get("", "patches/word.patch"))
        found["tools/tail.cjs"] = f"console.log('globalThis.tail = {self.get('', 'tools/tail.cjs')};');\n"
        found[".npmrc"] = "install-links=true\n"  # else npm makes links of folders, and nothing is copied
        found["copied/package.json"] = json.dumps({"name": "copied", "version": "1.0.0", "main": "index.js"})
        found["copied/index.js"] = f"exports.version = 'copied {self.get('', 'locked copied')}';\n"
        found["tooling/tsconfig/package.json"] = json.dumps({"name": "@t/tsconfig", "version": "1.0.0"})
        options = {"useDefineForClassFields": self.get("", "tooling") != 1, "target": f"es202{self.get('', 'tooling')}"}
        found["tooling/tsconfig/base.json"] = json.dumps({"compilerOptions": options})
        found["tooling/tsconfig/tsconfig.json"] = '{ "extends": "./base.json" }'
        found |= {
            path: f"export const word = '{path} {self.get('', path)}';\n" for path in ("shared/one.ts", "shared/two.ts")
        }
        for name in NAMES:
            found |= {f"{place(name)}/{path}": text for path, text in self._own(name).items()}
        return found

    def _own(self, name: str) -> dict[str, str]:
        found = {
            "package.json": json.dumps(self._manifest(name)),
            f"src/{'app' if name in SERVICES else 'index'}.ts": self._code(name),
            "events/created.ts": f"export const created = {self.get(name, 'event')};\n",
            "tsconfig.json": self._tsconfig(name),
        }
        extra = self.get(name, "extra")
        if isinstance(extra, tuple):
            path, mark = extra
            found[f"src/{path}"] = f"export const extra = {mark};\nexport class Field {{ x = {mark}; }}\n"
        if (test := self.get(name, "test")) is not None:
            found["tests/one.test.ts"] = f"{test}\n"
        if self.get("", "owner") == name:
            found["src/moved.ts"] = "export const moved = 'WHOSE';\n"
        if name in SERVICES and (linked := self.get(name, "linked")) is not None:
            found["src/linked.ts"] = f"-> ../../../{linked}"
        return found

    def _code(self, name: str) -> str:
        """A module that gives a text of its own, and what the packages give that it uses."""
        used = sorted(self.used(name))
        lines = "".join(f'import {{ value as {one} }} from "@w/{one}";\n' for one in used)
        lines += 'import { extra, Field } from "./extra";\nimport { created } from "../events/created";\n'
        values = [json.dumps(f"{name} {self.get(name, 'source')}"), *used, "extra", "created", "new Field()"]
        if self.get("", "owner") == name:
            lines += 'import { moved } from "./moved";\n'
            values.append("moved")
        if needed := self.get(name, "needs"):
            lines += f'import {{ version }} from "{needed}";\n'
            values.append("version")
        value = f"[{', '.join(values)}]"
        given_out = f"handler = async () => {value}" if name in SERVICES else f"value = {value}"
        other = "export const other = handler;\n" if name in SERVICES else ""
        return f"{lines}export const {given_out};\n{other}"

    def _tsconfig(self, name: str) -> str:
        mark, extends = int(str(self.get(name, "tsconfig"))), self.get(name, "extends")
        options: dict[str, object] = {"outDir": "dist", "rootDir": "src"}
        if extends is None:
            options |= {"target": f"es202{mark}", "useDefineForClassFields": mark > 1}
        return json.dumps({"compilerOptions": options, "mark": mark} | ({"extends": extends} if extends else {}))

    def _top(self) -> dict[str, object]:
        known = {"name": "w", "version": "1.0.0", "private": True}
        known |= {"workspaces": ["services/*", "packages/*", "libs/*", "tooling/*"]}
        imports = {"#alias": f"./services/bare/src/alias{self.get('', 'imports')}.ts"}
        return {**known, "imports": imports, "scripts": {"postinstall": "node scripts/apply.cjs"}}

    def _known(self, name: str) -> dict[str, object]:
        """What both a manifest and the lock say."""
        needs = {f"@w/{one}": "*" for one in sorted(self.used(name))}
        if needed := self.get(name, "needs"):
            needs[str(needed)] = "file:../../copied" if needed == "copied" else "*"
        known = {"name": name if name in SERVICES else f"@w/{name}", "version": "1.0.0"}
        return {**known, **({"dependencies": needs} if needs else {})}

    def _manifest(self, name: str) -> dict[str, object]:
        leads = dict(KINDS[str(self.get(name, "kind"))]) if name in PACKAGES else {}
        if "scripts" in leads:
            leads["scripts"] = {
                script: re.sub(r"= 1;", f"= {self.get(name, script)};", text) for script, text in SCRIPTS.items()
            }
        return {**self._known(name), **leads, "description": str(self.get(name, "description"))}

    def lock(self) -> str:
        """As npm would write it."""
        top = {key: value for key, value in self._top().items() if key in {"name", "version", "workspaces"}}
        locked: dict[str, object] = {"": {**top, "hasInstallScript": True}}
        locked["node_modules/@t/tsconfig"] = {"resolved": "tooling/tsconfig", "link": True}
        locked["tooling/tsconfig"] = {"name": "@t/tsconfig", "version": "1.0.0"}
        for name in NAMES:
            known = self._known(name)
            locked[f"node_modules/{known['name']}"] = {"resolved": place(name), "link": True}
            locked[place(name)] = known
        for name in sorted(self._needed() - {"copied"}):
            version = str(self.get("", f"locked {name}"))
            found = f"file:{vendored(name, version)}"
            integrity = base64.b64encode(hashlib.sha512(archive(name, version)).digest()).decode()
            about = {"version": version, "resolved": found, "integrity": f"sha512-{integrity}"}
            locked[f"node_modules/{name}"] = about
        if "copied" in self._needed():
            locked["node_modules/copied"] = {"version": "1.0.0", "resolved": "file:copied"}
        return json.dumps({"name": "w", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": locked})

    def _needed(self) -> set[str]:
        return {str(self.get(name, "needs")) for name in NAMES} - {""}

    # ------------------------------------------------------------------------------------------ services

    def workspace(self) -> Workspace:
        packages = (Package(name=f"@w/{name}", path=place(name), language="node") for name in PACKAGES)
        bare = service("bare", "src/app.handler", "node")
        found = workspace(*map(self._service, SERVICES), bare, packages=tuple(packages))
        return replace(found, build_env=("API_URL",))

    def _service(self, name: str) -> Service:
        options, layers = self.get(name, "options"), self.get(name, "layers")
        assert isinstance(options, BuildOptions)
        assert isinstance(layers, tuple)
        one = service(name, str(self.get(name, "handler")), "node", options)
        return replace(one, functions=tuple(replace(function, layers=layers) for function in one.functions))


def vendored(name: str, version: str) -> str:
    """Where that package's archive lies."""
    return f"vendor/{name}-{version}.tgz"


def archive(name: str, version: str) -> bytes:
    """A package as npm packs it, the same bytes each time."""
    manifest = json.dumps({"name": name, "version": version, "main": "index.js"})
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        for path, text in (("package.json", manifest), ("index.js", f"exports.version = '{name} {version}';\n")):
            about = tarfile.TarInfo(f"package/{path}")
            about.size = len(text)
            file.addfile(about, io.BytesIO(text.encode()))
    return gzip.compress(content.getvalue(), mtime=0)


class Edited:
    """A workspace on disk, with its environment, that follows a state; esbuild is one of ours."""

    def __init__(self, folder: Path, state: State, tools: Path, environment: pytest.MonkeyPatch) -> None:
        self.state = state
        self.site = Site(folder, state.workspace())
        self.environment = environment
        self.written: dict[str, str] = {}
        lend(self.site, tools)
        (folder / "vendor").mkdir()
        for name in ("one", "two"):
            for version in KNOBS[f"locked {name}"]:
                (folder / vendored(name, str(version))).write_bytes(archive(name, str(version)))
        self.follow()

    def follow(self) -> set[str]:
        """Write what the state says; gives the paths that changed."""
        files = self.state.files()
        changed = rewrite(self.site, self.written, files)
        for name in PACKAGES:
            if self.state.get(name, "kind") == "sources":
                # Without a script that makes it, what lies there counts, as do all files that git does not know yet.
                shutil.rmtree(self.site.root / place(name) / "dist", ignore_errors=True)
        for name in ("API_URL", "NOBODYS"):
            value = self.state.get("", name)
            self.environment.delenv(name, raising=False)
            if value is not None:
                self.environment.setenv(name, str(value))
        self.written = files
        self.site.workspace = self.state.workspace()
        return changed


def lend(site: Site, tools: Path) -> None:
    """Let a new cache begin with tools that were fetched before."""
    site.cache.joinpath("v1").mkdir(parents=True)
    (site.cache / "v1/tools").symlink_to(tools)


ALL_AT_ONCE: list[list[Edit]] = [
    [
        ("s0", "extends", "@t/tsconfig"),
        ("s1", "linked", "shared/one.ts"),
        ("p0", "extra", ("other.ts", 3)),
        ("q0", "prebuild", 1),
        ("", "owner", "p1"),
        *(("", knob, KNOBS[knob][1]) for knob in ("API_URL", "NOBODYS", "patches/word.patch", "locked copied")),
    ],
    [
        ("p0", "extra", ("extra.ts", 1)),
        ("p1", "kind", "own script"),
        ("s2", "without", "p0"),
        ("s0", "needs", "two"),
        *(("", knob, KNOBS[knob][1]) for knob in ("tooling", "shared/one.ts", "tools/tail.cjs", "locked one")),
    ],
]
"""What was once missed, each kind of it at least once."""
