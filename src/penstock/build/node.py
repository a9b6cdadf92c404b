"""Node.js: what esbuild and the package manager are asked to do, and how to read what they say."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from penstock.build import metafile
from penstock.model.errors import BuildFailed
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from penstock.model.artifact import Target
    from penstock.model.workspace import BuildOptions

LOCKS: Mapping[str, Manager] = {
    "pnpm-lock.yaml": "pnpm",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "yarn.lock": "yarn",
}
OTHER_LOCKS = ("bun.lock", "bun.lockb")
SUPPLIED_BY_LAMBDA = ("@aws-sdk/*", "@smithy/*")
"""What Lambda's Node.js runtimes carry.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html, "Runtime-included SDK versions".
"""
NEWEST_KNOWN_PNPM = "10"
EXTENSIONS = (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx")
_PATIENCE = 600.0
# A bundle of ES modules may hold CommonJS that asks for Node's own modules by `require`, or for the place of its file,
# which is that of the bundle, as it is in CommonJS. Names that a module defines by itself are not these.
_REQUIRE = (
    "import{createRequire as penstockRequire}from'node:module';import{fileURLToPath as penstockPath}from'node:url';"
    "const require=penstockRequire(import.meta.url),penstockFile=penstockPath(import.meta.url),"
    "penstockFolder=penstockPath(new URL('.',import.meta.url)).slice(0,-1)||'/';"
)
_PLACES = ("--define:__filename=penstockFile", "--define:__dirname=penstockFolder")
_NOTHING_AROUND = {"NODE_PATH": ""}
"""esbuild would bundle what it leads to."""
_PLAIN = {"CI": "1", "NO_COLOR": "1", "NODE_ENV": ""}
"""With NODE_ENV=production package managers leave out what bundles and compiles, and scripts make other results."""
_PLAIN_PLACE = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
_NEEDED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TMPDIR", "TMP", "TEMP", "XDG_*",
    "LD_LIBRARY_PATH", "DYLD_*", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "SSL_CERT_*",
    *(name for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (proxy, proxy.lower())),
    "npm_config_*", "NPM_CONFIG_*", "COREPACK_*", "YARN_*", "PNPM_HOME",
    "NVM_*", "FNM_*", "VOLTA_*", "ASDF_*", "MISE_*", "NODENV_*", "N_PREFIX",
)  # fmt: skip
"""What compilers and package managers need of a machine. Whatever else a script read would be in its results, and in no
recipe: https://turborepo.dev/docs/crafting-your-repository/using-environment-variables#strict-mode does the same."""
_VARIABLE = re.compile(r"\$\{(\w+)")
NPM_ALL_KINDS = ("--include=dev", "--include=optional", "--include=peer")
"""Whatever `omit`, `production` or `only` say in somebody's settings: no recipe speaks of these.

Source: https://docs.npmjs.com/cli/commands/npm-ci#include
"""
_PLACE = re.compile(r"^\s+(?P<where>\S.*?:\d+):\d+:$", re.MULTILINE)
_ERROR = re.compile(r"^✘ \[ERROR\] ", re.MULTILINE)
_NO_ERROR = re.compile(r"^▲ \[WARNING\] ", re.MULTILINE)
_UNRESOLVED = re.compile(r'Could not resolve "([^"]+)"')
_COUNT = re.compile(r"\d+ (of \d+ )?(errors?|warnings?)( and \d+ errors?)?")

_TEXTS = (
    ".txt",
    ".sql",
    ".graphql",
    ".gql",
    ".html",
    ".md",
    ".csv",
    ".mustache",
    ".hbs",
    ".ejs",
    ".xml",
    ".yaml",
    ".yml",
)
"""Files that `import text from "./x.sql"` gives as a string."""
SETTINGS = ("pnpm-workspace.yaml", ".npmrc", ".yarnrc.yml", ".yarnrc")
"""Files beside the lock that change what a package manager does: catalogs, registries, linkers."""

Manager = Literal["pnpm", "npm", "yarn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a function begins: its source file relative to the service, its place in the ZIP, its export.

    `inside` says that the handler is a property of what is exported: `app.api.get`.
    """

    source: str
    place: str
    export: str
    inside: bool = False


def entry(handler: str, sources: Collection[str], form: Literal["esm", "cjs"], *, where: str) -> Entry:
    """The entry of `src/app.handler`. Raises BuildFailed when there is no such source file.

    As Lambda does, everything up to the first dot of the last path component is the module.
    """
    folder, _, last = handler.rpartition("/")
    stem, _, export = last.partition(".")
    module = posixpath.join(folder, stem)
    source = next((f"{module}{suffix}" for suffix in EXTENSIONS if f"{module}{suffix}" in sources), None)
    if source is None or not export:
        raise BuildFailed(
            f"handler {handler}: there is no {module}.ts (nor .mts, .js, .mjs …)",
            where=where,
            hint=f"make {module}.ts, or name the right module in service.toml",
        )
    place = f"{module}.mjs" if form == "esm" else f"{module}.js"
    return Entry(source=source, place=place, export=export.partition(".")[0], inside="." in export)


def bundle_command(
    esbuild: Path,
    root: Path,
    source: str,
    into: Path,
    *,
    target: Target,
    form: Literal["esm", "cjs"],
    options: BuildOptions,
    beside: Collection[str] = (),
    instead: Mapping[str, str] = MappingProxyType({}),
) -> Command:
    """Bundle a source file (relative to the workspace) into one minified, tree-shaken file without the SDK.

    `beside` names packages that lie in the ZIP's node_modules instead; `instead` are sources by the modules whose place
    they take.
    """
    argv = [str(esbuild), source, "--bundle", "--minify", "--tree-shaking=true", "--platform=node"]
    argv += [f"--target=node{target.version}", f"--format={form}", f"--outfile={into / 'bundle'}"]
    argv += [f"--metafile={into / 'meta.json'}", "--log-level=warning", "--color=false", "--charset=utf8"]
    argv += [f"--external:{pattern}" for pattern in (*supplied(options), *options.external, *beside)]
    argv += [f"--alias:{module}=./{path}" for module, path in sorted(instead.items())]
    argv += [f"--loader:{suffix}=text" for suffix in _TEXTS] + ["--loader:.node=empty"]
    argv += [] if options.source_maps == "none" else ["--sourcemap=external"]
    argv += ["--sources-content=false"] if options.source_maps == "inside" else []
    argv += [f"--banner:js={_REQUIRE}", *_PLACES] if form == "esm" else []
    return Command(argv=tuple(argv), cwd=root, env=_NOTHING_AROUND, timeout=_PATIENCE)


def bundles_command(single: Command, root: Path, sources: Sequence[str], into: Path) -> Command:
    """What `single` asks of esbuild for one source, asked for many: `into/out/<its place among them>.js` each.

    Not by their paths: a folder for each would have to be made and deleted, which takes longer than to bundle it.
    """
    program, _, *words = single.argv
    kept = [word for word in words if not word.startswith(("--outfile=", "--metafile="))]
    kept += [f"--outdir={into / 'out'}", f"--metafile={into / 'meta.json'}"]
    named = (f"{place}={source}" for place, source in enumerate(sources))
    return Command(argv=(program, *named, *kept), cwd=root, env=single.env, timeout=_PATIENCE)


def supplied(options: BuildOptions) -> tuple[str, ...]:
    """Patterns of modules that stay out of bundles because the runtime has them."""
    return () if options.bundle_sdk else SUPPLIED_BY_LAMBDA


def source_map(written: bytes, made_in: str, root: str) -> bytes:
    """Esbuild's map with its sources named from the workspace's root, so that it is the same everywhere."""
    content = json.loads(written)
    content["sources"] = _from_root(content["sources"], made_in, root)
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def source_map_apart(written: bytes, made_in: str, root: str) -> bytes:
    """The same for people's tools rather than for a ZIP: all but the line of sources is left as esbuild wrote it."""
    mark = b'"sources": '
    begin = written.find(mark) + len(mark)
    end = written.find(b"\n", begin)
    line = written[begin:end].decode()
    if begin < len(mark) or end < 0 or not line.endswith("],"):
        return source_map(written, made_in, root)
    sources = json.dumps(_from_root(json.loads(line[:-1]), made_in, root))
    return b"".join((memoryview(written)[:begin], sources.encode(), b",", memoryview(written)[end:]))


def _from_root(sources: list[str], made_in: str, root: str) -> list[str]:
    return [_place(source, made_in, root) for source in sources]


@lru_cache(maxsize=1 << 14)  # functions that are bundled together take in the same packages
def _place(source: str, made_in: str, root: str) -> str:
    place = posixpath.normpath(posixpath.join(made_in, source))
    return posixpath.relpath(place, root) if place.startswith("/") else place


def stray_addon(path: str, packages: Mapping[str, str], *, where: str) -> BuildFailed:
    """The refusal of native code that is in no package of its own; `packages` are those of the workspace, by folder."""
    owner = next((name for folder, name in packages.items() if path.startswith(f"{folder}/")), None)
    (package,) = metafile.packages_of([path]) or (None,)
    if package is not None:
        hint = "name the package by its own name in package.json, not by an alias"
    elif owner is not None:
        hint = f'in service.toml: [build] unbundled = ["{owner}"], if what {owner} exports is JavaScript'
    else:
        hint = 'make it a package of the workspace (JavaScript), and in service.toml: [build] unbundled = ["its name"]'
    return BuildFailed(f"the bundle takes in {path}, and native code cannot be in a bundle", where=where, hint=hint)


def exports_command(esbuild: Path, root: Path, source: str, into: Path) -> Command:
    """Find out what a module exports: bundle the workspace's own files only, as an ES module."""
    argv = [str(esbuild), source, "--bundle", "--packages=external", "--platform=node", "--format=esm"]
    argv += [f"--outfile={into / 'exports'}", f"--metafile={into / 'exports.json'}", "--log-level=error"]
    argv += [f"--loader:{suffix}=text" for suffix in _TEXTS] + ["--loader:.node=empty"]
    return Command(argv=(*argv, "--color=false"), cwd=root, env=_NOTHING_AROUND, timeout=_PATIENCE)


def install_command(manager: Manager, program: tuple[str, ...], root: Path, env: Mapping[str, str]) -> Command:
    """Install exactly what the lock says, and all of it."""
    words: tuple[str, ...] = ("install", "--frozen-lockfile", "--prefer-offline")
    match manager:
        case "npm":
            words = ("ci", "--prefer-offline", *NPM_ALL_KINDS)
        case "pnpm":
            words += ("--prod=false", "--optional")
        case "yarn" if env.get("PENSTOCK_YARN") == "berry":
            words = ("install", "--immutable")
        case "yarn":
            words += ("--non-interactive", "--production=false")
    return Command(argv=(*program, *words), cwd=root, env={**_PLAIN, **env}, timeout=_PATIENCE)


def script_command(
    program: tuple[str, ...], folder: Path, env: Mapping[str, str], passed: Collection[str] = ()
) -> Command:
    """Run a package's own build script. Of the user's variables it sees what programs need, and those `passed`."""
    return Command(
        argv=(*program, "run", "build"),
        cwd=folder,
        env={**_PLAIN, **_PLAIN_PLACE, **env},
        inherits=(*_NEEDED, *sorted(passed)),
        timeout=_PATIENCE,
    )


def named_variables(settings: str) -> frozenset[str]:
    """Variables that a package manager's settings ask for (`${NPM_TOKEN}`); some refuse to do anything without."""
    return frozenset(_VARIABLE.findall(settings))


def binary_package(platform: str, machine: str) -> str:
    """The npm package that holds esbuild's program for a machine: `@esbuild/linux-x64`."""
    return f"@esbuild/{platform}-{'arm64' if machine.lower() in {'arm64', 'aarch64'} else 'x64'}"


def bundle_failure(stderr: str, unit: str) -> BuildFailed:
    """What esbuild refused, each error once with its place; that of the first is where it failed."""
    errors = [_esbuild_error(block) for block in _ERROR.split(stderr)[1:]]
    if not errors:
        text = "\n".join(line.rstrip() for line in stderr.strip().splitlines() if line.strip())
        return BuildFailed(f"esbuild refused it:\n{text or 'it said nothing'}", where=unit)
    (place, first), *further = errors
    more = [f"{where}: {what}" if where else what for where, what in further]
    return BuildFailed("\n".join([f"esbuild refused it: {first}", *more]), where=place or unit)


def unresolved(stderr: str) -> tuple[tuple[str, str], ...]:
    """Modules that esbuild did not find and the files that ask for them; nothing when something else is wrong, too."""
    found = []
    for block in _ERROR.split(stderr)[1:]:
        module, place = _UNRESOLVED.match(block), _PLACE.search(block)
        if module is None or place is None:
            return ()
        found.append((module[1], place["where"].rpartition(":")[0]))
    return tuple(found)


def warnings(stderr: str) -> tuple[str, ...]:
    """What esbuild warned of in the workspace's own files, as `file:line: what`."""
    found = []
    for block in _NO_ERROR.split(stderr)[1:]:
        place = _PLACE.search(block)
        if place is not None and "node_modules/" not in place["where"]:
            found.append(f"{place['where']}: {block.partition(chr(10))[0].rstrip()}")
    return tuple(dict.fromkeys(found))


def _esbuild_error(block: str) -> tuple[str, str]:
    """Place and words of one error: what it is, then the line of code that it is about."""
    block = _NO_ERROR.split(block)[0]
    place = _PLACE.search(block)
    rest = block[: place.start()] + block[place.end() :] if place else block
    lines = [line.rstrip() for line in rest.splitlines() if line.strip() and not _COUNT.fullmatch(line)]
    return place["where"] if place else "", "\n".join(lines)


def stale_lock(output: str) -> bool:
    """Whether the package manager refused because the lock does not fit the manifests any more."""
    marks = (
        "ERR_PNPM_OUTDATED_LOCKFILE",
        "ERR_PNPM_LOCKFILE_CONFIG_MISMATCH",
        "npm ci` can only install",
        "lockfile needs to be updated",
        "lockfile would have been modified",
        "lockfile would have been created",
    )
    return any(mark in output for mark in marks)


def pnpm_for(lock: str) -> str:
    """The major version of pnpm that writes locks of this kind. Source: https://pnpm.io/pnpm-lock.yaml, versions."""
    match = re.search(r"^lockfileVersion:\s*['\"]?(\d+)\.(\d+)", lock, re.MULTILINE)
    if match is None:
        return NEWEST_KNOWN_PNPM
    major, minor = int(match[1]), int(match[2])
    if major == 5:  # noqa: PLR2004 - as the file says
        return {4: "7", 3: "6"}.get(minor, "5")
    return {6: "8"}.get(major, NEWEST_KNOWN_PNPM)


def is_berry(lock: str) -> bool:
    """Whether a yarn.lock is that of Yarn 2 or later."""
    return "__metadata:" in lock
