"""package.json and tsconfig.json: the keys that a bundle's bytes depend on."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Literal

from penstock.build import node_lock, node_sources
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEPENDENCIES = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
_BUNDLED = ("name", "type", "main", "module", "browser", "exports", "imports", "sideEffects")
_OF_TYPES = ("types", "typings", "typesVersions")
_EFFECTIVE = (*_BUNDLED, *_OF_TYPES, *_DEPENDENCIES)
_AT_INSTALL = frozenset({"preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare", "prepublish"})
"""Source: https://docs.npmjs.com/cli/using-npm/scripts, "npm ci"."""
_WORD = re.compile(r"[\w./@+~-]+")
_WRITTEN = re.compile(r"(?:\d?>>?\s*|(?<![\w-])(?:-o|--?out[\w-]*)[\s=]+)([^\s;&|]+)")
"""What a script writes: `> x`, `-o x`, `--outfile=x`, `--outDir x`. It is not among what it is made from."""
_OF_WORKSPACE = re.compile(r"(?<![\w-])(?:-w|--workspace-root)(?![\w-])")
_EXTENDS = re.compile(r'"extends"\s*:\s*(\[[^\]]*\]|"[^"]*")')


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageJson:
    """What a build needs to know of one package.json."""

    name: str
    digest: str
    """Of the keys that resolution and bundling look at, and the build script."""
    requires: str
    """Digest of what it depends on: a change calls for a look at the lock."""
    depends_on: frozenset[str]
    format: Literal["esm", "cjs"]
    build_script: str | None
    scripts: str
    """Digest of all scripts, when some of them run at an install: one may call another. Empty when none does."""
    called: tuple[str, ...]
    """Words of scripts that run at an install, and names of patches: files, where there are such files."""
    named: tuple[str, ...]
    """Words of all scripts beside `build`, which may call them: files, or folders, where there are such."""
    written: frozenset[str]
    """Files that these say they write, where there are such."""
    in_workspace: bool
    """Whether one of these runs a script of the workspace's own package.json: `pnpm -w run x`."""
    package_manager: str | None
    entries: tuple[str, ...]
    """Relative paths that `main`, `module` and `exports` lead to; may hold `*`."""
    given: Mapping[str, tuple[str, ...]]
    """The same by what is asked for: `.`, `./x`, `./*`."""
    imports: Mapping[str, tuple[str, ...]]
    """Relative paths that its own names for its own files lead to: `#x`, `#x/*`."""
    workspaces: tuple[str, ...]
    """Patterns of the folders that npm and Yarn take for members of its workspace."""

    def holds(self, folder: str) -> bool:
        """Whether a folder, relative to this package, is a member of its workspace."""
        plain = (posixpath.normpath(pattern) for pattern in self.workspaces)
        return any(fnmatch(folder, pattern.replace("**", "*")) for pattern in plain)


def package_json(text: str, *, where: str) -> PackageJson:
    """Read a package.json. Raises BuildFailed when it is not a JSON object."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise BuildFailed(f"not valid JSON: {error}", where=where) from error
    if not isinstance(content, dict):
        raise BuildFailed("not a JSON object", where=where)
    wanted = {key: content.get(key) for key in _DEPENDENCIES}
    scripts = content.get("scripts") or {}
    script = scripts.get("build")
    all_scripts = "\n".join(map(str, scripts.values())) if script is not None else ""
    entries = {posixpath.normpath(path) for key in ("main", "module", "exports") for path in _paths(content.get(key))}
    return PackageJson(
        name=str(content.get("name", "")),
        digest=_digest([{key: content.get(key) for key in _EFFECTIVE}, script]),
        requires=_digest([wanted, content.get("overrides"), content.get("pnpm"), content.get("workspaces")]),
        depends_on=frozenset(name for table in wanted.values() for name in table or ()),
        format="esm" if content.get("type") == "module" else "cjs",
        build_script=script,
        scripts=_digest(scripts) if _AT_INSTALL & scripts.keys() else "",
        called=_called(text, scripts),
        named=tuple(dict.fromkeys(_files_of(_WRITTEN.sub(" ", all_scripts)))),
        written=frozenset(posixpath.normpath(word.strip("\"'")) for word in _WRITTEN.findall(all_scripts)),
        in_workspace=_OF_WORKSPACE.search(all_scripts) is not None,
        package_manager=content.get("packageManager"),
        entries=tuple(sorted(entries)),
        workspaces=_workspaces(content.get("workspaces")),
        imports=_imports(content.get("imports")),
        given=node_sources.entries(content.get("exports"), (content.get("module"), content.get("main"))),
    )


def reached(first: PackageJson, packages: Mapping[str, PackageJson]) -> tuple[str, ...]:
    """Names of the internal packages that a manifest reaches, transitively, each after those it depends on."""
    order: list[str] = []
    visiting: set[str] = set()

    def visit(manifest: PackageJson) -> None:
        for name in sorted(manifest.depends_on & packages.keys()):
            if name not in visiting:
                visiting.add(name)
                visit(packages[name])
                order.append(name)

    visit(first)
    return tuple(order)


def can_do_without(text: str, name: str) -> bool:
    """Whether a package's package.json says that another need not be there."""
    try:
        content = json.loads(text)
        peers, optional = content.get("peerDependenciesMeta") or {}, content.get("optionalDependencies") or {}
        return name in optional or bool((peers.get(name) or {}).get("optional"))
    except (ValueError, AttributeError):
        return False


def range_of(text: str, name: str) -> str:
    """The version, or range, of another package that a package.json asks for; empty when it does not."""
    try:
        tables = [json.loads(text).get(kind) or {} for kind in _DEPENDENCIES]
        return str(next((table[name] for table in tables if name in table), ""))
    except (ValueError, AttributeError, TypeError):
        return ""


def outputs(manifest: PackageJson, sources: Mapping[str, object]) -> tuple[str, ...]:
    """Entries that are not among the sources, so that the package's build script must make them."""
    if manifest.build_script is None:
        return ()
    return tuple(path for path in manifest.entries if not _is_there(path, sources))


def results(manifest: PackageJson, sources: Mapping[str, object]) -> tuple[str, ...]:
    """Folders, each with a slash, and files that the package's build script makes for those who depend on it."""
    wanted = outputs(manifest, sources)
    folders = {path.partition("*")[0].rpartition("/")[0].partition("/")[0] for path in wanted}
    files = (path for path in wanted if "*" not in path)
    return (*sorted(f"{folder}/" for folder in (folders | {"dist", "build"}) - {""}), *files) if wanted else ()


def extended_by(path: str, text: str, packages: Mapping[str, str]) -> tuple[str, ...]:
    """Files that a tsconfig extends, relative to the workspace; `packages` are folders of internal packages by name.

    What lies in `node_modules` is left out: the lock speaks for it.
    """
    found = []
    for name in _extended(text):
        if name.startswith("."):
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        else:
            owner = node_lock.package_of(name)
            if owner is None or owner not in packages:
                continue
            place = posixpath.join(packages[owner], name[len(owner) + 1 :] or "tsconfig")
        found.append(place if place.endswith(".json") else f"{place}.json")
    return tuple(found)


def extended_packages(text: str, packages: Mapping[str, str]) -> tuple[str, ...]:
    """Folders of internal packages of which a tsconfig extends something; their package.json may say which file."""
    owners = {node_lock.package_of(name) for name in _extended(text)}
    return tuple(folder for name, folder in sorted(packages.items()) if name in owners)


def _extended(text: str) -> list[str]:
    return [name for match in _EXTENDS.finditer(text) for name in re.findall(r'"([^"]*)"', match[1])]


def patches(text: str) -> tuple[str, ...]:
    """Names of patches that a manifest or setting of a package manager speaks of."""
    return tuple(dict.fromkeys(re.findall(r"[\w./@+~-]+\.(?:patch|diff)\b", text)))


def _called(text: str, scripts: Mapping[str, Any]) -> tuple[str, ...]:
    # A script may call others by their names, so all count where one runs.
    words = [word for script in scripts.values() for word in _files_of(str(script))]
    return tuple(dict.fromkeys((*patches(text), *(words if _AT_INSTALL & scripts.keys() else ()))))


def _files_of(script: str) -> list[str]:
    """Words of a script that may be paths."""
    return [word for word in _WORD.findall(script) if "." in word.strip(".") or "/" in word or word == ".."]


def _workspaces(value: Any) -> tuple[str, ...]:
    listed = value.get("packages") if isinstance(value, dict) else value
    return tuple(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()


def _imports(value: Any) -> dict[str, tuple[str, ...]]:
    named = value if isinstance(value, dict) else {}
    return {name: tuple(map(posixpath.normpath, _paths(inner))) for name, inner in named.items()}


def _paths(value: Any) -> Iterator[str]:
    match value:
        case str() if value.startswith(".") or re.search(r"\.[cm]?[jt]sx?$", value):
            yield value
        case dict():
            for condition, inner in value.items():
                if condition != "types":
                    yield from _paths(inner)
        case list():
            for inner in value:
                yield from _paths(inner)
        case _:
            pass


def _is_there(path: str, sources: Mapping[str, object]) -> bool:
    head, star, _ = path.partition("*")
    if star:
        return any(source.startswith(head) for source in sources)
    return any(candidate in sources for candidate in (path, f"{path}.js", f"{path}.json", f"{path}/index.js"))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
