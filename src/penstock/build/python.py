"""Python: what uv is asked to do, and which files of what it makes go into the ZIP."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import penstock
from penstock.build import libc, specifiers
from penstock.build.proof import secret_file
from penstock.build.requirements import name_of, normalised
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from penstock.model.artifact import Target
    from penstock.model.workspace import BuildOptions

SUPPLIED_BY_LAMBDA = ("boto3", "botocore", "s3transfer")
"""What Lambda's Python runtimes carry; left out together with what only they need.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html, "Runtime-included SDK versions".
"""
_SOME_DAY = {"boto3": "1.9999", "botocore": "1.9999", "s3transfer": "0.9999"}
"""Versions that runtimes may come to, which Lambda updates by itself."""
_PATIENCE = 600.0
_QUIET = {
    "NO_COLOR": "1",
    "UV_PYTHON_DOWNLOADS": "never",  # for building sources; the Python at hand will do
    "UV_NO_PROGRESS": "1",
    "VIRTUAL_ENV": "",
    "UV_PYTHON": "",
    "PYTHONDONTWRITEBYTECODE": "1",
    # They name files, or packages for one call, of which no recipe speaks: `[tool.uv]` and uv.toml are for that.
    "UV_OVERRIDE": "",
    "UV_CONSTRAINT": "",
    "UV_BUILD_CONSTRAINT": "",
    "UV_EXCLUDE": "",
    "UV_NO_BINARY_PACKAGE": "",
    "UV_NO_BUILD_PACKAGE": "",
}
_AMBIENT = (
    "UV_EXCLUDE_NEWER", "UV_FORK_STRATEGY", "UV_INDEX_STRATEGY", "UV_NO_BINARY", "UV_NO_BUILD",
    "UV_NO_BUILD_ISOLATION", "UV_NO_SOURCES",
    "UV_PRERELEASE", "UV_RESOLUTION", "UV_TORCH_BACKEND",
)  # fmt: skip
"""Variables of the environment that change what uv resolves to, and cannot be set to nothing."""
_REPRODUCIBLE = {
    **_QUIET,
    "SOURCE_DATE_EPOCH": "315532800",  # 1980-01-01
    "SETUPTOOLS_SCM_PRETEND_VERSION": "0.0.0",  # git's state is no input of an artifact
    "UV_DYNAMIC_VERSIONING_BYPASS": "0.0.0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
}
_PER_MACHINE = frozenset(
    {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json", "RECORD.jws"}
)
_NO_COMPILER = {"CC": "false", "CXX": "false"}
"""Native code that is optional is left out on every machine, whether it has a compiler or not."""
_WANTS_COMPILER = re.compile(
    r"command '?\S*\bfalse'? failed|\bfalse: |unable to execute '?\S*\bfalse\b|C compiler cannot create executables"
)
_OF_A_MOMENT = re.compile(r"(?<=/)(\.tmp)\w{6}\b|(?<=/tmp/)(tmp)[a-z0-9_]{8}\b")
"""What is random in the names of temporary folders, uv's and Python's."""
_TRACEBACK = re.compile(
    r"^(?P<head>(?P<indent> *)Traceback \(most recent call last\):\n)(?P<frames>(?:(?P=indent) +.*\n)+)", re.MULTILINE
)
_FRAMES_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """How packages without a wheel are built."""

    built: Path
    """uv's cache of what was built."""
    backends: Path | None
    """Constraints for what builds them."""


def ambient(environ: Mapping[str, str]) -> dict[str, str]:
    """What the environment says about versions, as inputs of recipes."""
    return {f"tool uv, {name}": environ[name] for name in _AMBIENT if environ.get(name)}


def supplied(options: BuildOptions) -> tuple[str, ...]:
    """Packages that stay out of the ZIP because the runtime has them."""
    return () if options.bundle_sdk else SUPPLIED_BY_LAMBDA


def holds_sdk(requirement: str) -> bool:
    """Whether it (PEP 508) asks for one of those packages in versions that the runtime may be beyond some day."""
    some_day = _SOME_DAY.get(normalised(name_of(requirement)))
    if some_day is None:
        return False
    allowed = specifiers.versions(requirement.partition(";")[0].strip())
    return allowed is not None and not allowed.contains(some_day)


def export_command(
    uv: Path,
    project: Path,
    name: str,
    options: BuildOptions,
    *,
    interpreter: Path | None,
    offline: bool,
    beside_archives: Collection[str] | None = None,
) -> Command:
    """Print the locked requirements of one project, with hashes, without the SDK; fails when the lock is stale.

    Whether it is stale uv only says with an interpreter that the project allows; `interpreter` None does without both.
    `beside_archives` are the local packages of a lock that names archives by their paths as well: what is local is left
    out otherwise.
    """
    argv = [
        str(uv),
        "export",
        "--quiet",
        "--locked" if interpreter else "--frozen",
        "--package",
        name,
        "--no-default-groups",
    ]
    if beside_archives is None:
        argv.append("--no-emit-local")
    else:
        argv += ["--no-emit-project", "--no-emit-workspace"]
        argv += [word for package in sorted(beside_archives) for word in ("--no-emit-package", package)]
    argv += ["--no-header", "--no-annotate", "--format", "requirements.txt"]
    argv += [word for package in supplied(options) for word in ("--prune", package)]
    argv += [word for group in options.groups for word in ("--group", group)]
    argv += [word for extra in options.extras for word in ("--extra", extra)]
    argv += ["--python", str(interpreter)] if interpreter else []
    return Command(argv=_network(argv, offline=offline), cwd=project, env=_QUIET, timeout=_PATIENCE)


def resolve_command(
    uv: Path, scratch: Path, target: Target, day: str | None, *, project: Path, offline: bool
) -> Command:
    """Print what `roots.txt` in `scratch` needs on the target, within the pins of `pins.txt` there.

    With `day` the index is read as it was at the end of that day (UTC).
    """
    argv = [
        str(uv),
        "pip",
        "compile",
        "--quiet",
        str(scratch / "roots.txt"),
        "--constraints",
        str(scratch / "pins.txt"),
    ]
    argv += ["--python-version", target.version, "--python-platform", platform_tag(target), "--no-header"]
    argv += ["--annotation-style", "split", "--exclude-newer", day] if day else ["--annotation-style", "split"]
    return Command(argv=_network(argv, offline=offline), cwd=project, env=_REPRODUCIBLE, timeout=_PATIENCE)


def files_command(uv: Path, listing: Path, target: Target, *, project: Path, offline: bool) -> Command:
    """Print which file of each pinned package in `listing` the target gets, with its hash, as a pylock.toml."""
    argv = [str(uv), "pip", "compile", "--quiet", str(listing), "--no-deps", "--no-header", "--format", "pylock.toml"]
    argv += ["--python-version", target.version, "--python-platform", platform_tag(target)]
    return Command(argv=_network(argv, offline=offline), cwd=project, env=_REPRODUCIBLE, timeout=_PATIENCE)


def install_command(
    uv: Path,
    requirements: Path,
    into: Path,
    target: Target,
    *,
    interpreter: Path,
    project: Path,
    offline: bool,
    sources: Sources | None = None,
) -> Command:
    """Install exactly these requirements for the target, by hard links from uv's cache.

    `interpreter` runs the backends of what has no wheel; uv looks for one in any case, and those of version managers
    answer slowly. `project` is where uv finds the settings of indexes. Only from wheels, unless `sources` says how
    others are built.
    """
    argv = [str(uv), "pip", "install", "--quiet", "--target", str(into), "--requirement", str(requirements)]
    argv += ["--python-version", target.version, "--python-platform", platform_tag(target), "--no-deps"]
    argv += ["--python", str(interpreter)]
    env = dict(_REPRODUCIBLE)
    if sources is None:
        argv += ["--only-binary", ":all:"]
    else:
        argv += ["--build-constraints", str(sources.backends)] if sources.backends else []
        env |= _NO_COMPILER | {"UV_CACHE_DIR": str(sources.built)}
    argv += ["--link-mode", "hardlink", "--no-compile-bytecode"]
    return Command(argv=_network(argv, offline=offline), cwd=project, env=env, timeout=_PATIENCE)


def wheel_command(
    uv: Path,
    source: Path,
    into: Path,
    *,
    interpreter: str,
    backends: Path | None,
    project: Path,
    offline: bool,
    together: bool = False,
) -> Command:
    """Let a package's own build backend make its wheel, so that import names and data files are right.

    `interpreter` runs the backend. What it makes is for every Python, so that it need not be the target's, nor one that
    the package itself asks for. `backends` holds constraints for the backend; `project` is where uv finds the settings
    of indexes. With `together` the source is a folder that `workspace_of` made a workspace, of which all are built.
    """
    argv = [str(uv), "build", "--wheel", "--no-sources", "--python", interpreter, "--out-dir", str(into), str(source)]
    argv += ["--build-constraints", str(backends)] if backends else []
    argv += ["--all-packages"] if together else []
    return Command(argv=_network(argv, offline=offline), cwd=project, env=_REPRODUCIBLE, timeout=_PATIENCE)


def workspace_of(members: Iterable[str]) -> str:
    """The pyproject.toml above packages that lie in these folders."""
    return f"[tool.uv.workspace]\nmembers = {json.dumps(list(members))}\n"


def track_commands(git: Path, top: Path) -> tuple[Command, ...]:
    """Make a repository of all files below `top`, the same wherever and whenever; no other one is touched."""
    place = str(top / ".git")
    env = {
        "GIT_DIR": place,  # a hook that runs us has set these to its own
        "GIT_WORK_TREE": str(top),
        "GIT_INDEX_FILE": f"{place}/index",
        "GIT_OBJECT_DIRECTORY": f"{place}/objects",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "penstock", f"GIT_{who}_EMAIL": "-", f"GIT_{who}_DATE": "315532800 +0000"}
    words = ("init --quiet --template=", "add --all --force", "commit --quiet --allow-empty --message=sources")
    return tuple(Command(argv=(str(git), *each.split()), cwd=top, env=env, timeout=_PATIENCE) for each in words)


def lacks_backend(stderr: str) -> bool:
    """Whether uv found no version of a build backend that it may take."""
    told = _unwrapped(stderr)
    marks = ("Failed to resolve requirements from", "No solution found when resolving")
    return all(mark in told for mark in marks) and not is_unreachable(stderr)


def is_unreachable(stderr: str) -> bool:
    """Whether uv could not reach an index."""
    return "Request failed after" in _unwrapped(stderr)


def is_native(stderr: str) -> bool:
    """Whether sources did not build because they are native code: they want a compiler, or fit this machine only."""
    told = _unwrapped(stderr)
    wants_compiler = _WANTS_COMPILER.search(told)
    return wants_compiler is not None or "is not compatible with the target Python" in told


def platform_tag(target: Target) -> str:
    """The target's platform, as uv calls it.

    Amazon Linux 2023 has glibc 2.34, Amazon Linux 2 has 2.26.
    """
    machine = "aarch64" if target.architecture == "arm64" else "x86_64"
    if target.platform == "darwin":
        return f"{machine}-apple-darwin"
    return f"{machine}-manylinux_2_{'28' if libc.system(target).endswith('2023') else '17'}"


def ships(path: str) -> bool:
    """Whether an installed file goes into the ZIP: no bytecode, `.env`, console scripts, nothing of this machine."""
    return not path.startswith("bin/") and _ships_of_wheel(path)


def _ships_of_wheel(path: str) -> bool:
    """The same of a file in a wheel, whose scripts lie elsewhere: its `bin` is a folder as any other."""
    parts = path.split("/")
    if parts[-1].endswith((".pyc", ".pyo")) or "__pycache__" in parts or path == ".lock":
        return False
    if parts[-1].startswith(".env") and secret_file(path):
        return False
    return not (len(parts) >= 2 and parts[-2].endswith(".dist-info") and parts[-1] in _PER_MACHINE)  # noqa: PLR2004


def place_of_wheel_member(path: str) -> str | None:
    """Where a file of an internal package's wheel goes in the ZIP, or None when it stays out.

    `x.data/purelib/…` is moved to the top, as installers do; scripts and headers are not for Lambda. WHEEL names the
    backend's version, which is no part of what the package is.
    """
    parts = path.split("/")
    if path.endswith("/") or (len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] == "WHEEL"):  # noqa: PLR2004
        return None
    if parts[0].endswith(".data"):
        if len(parts) < 3 or parts[1] not in {"purelib", "platlib", "data"}:  # noqa: PLR2004
            return None
        path = "/".join(parts[2:])
        return path if ships(path) else None
    return path if _ships_of_wheel(path) else None


def key(kind: str, parts: Mapping[str, str]) -> str:
    """The cache key of an intermediate result: SHA-256, hex, over everything it is made from, and who makes it."""
    return hashlib.sha256(json.dumps([penstock.__version__, kind, dict(sorted(parts.items()))]).encode()).hexdigest()


def made_by(builder: str) -> dict[str, str]:
    """What a recipe holds of Penstock itself: its version, and `builder`, which counts changes between two versions.

    The version, because each release may make other bytes or look closer at them: what an older one let pass, and keeps
    in a cache that machines share, is no proof. Not a digest over the code, which would take a read of all of it, and
    would call an artifact stale for a comment.
    """
    return {"tool penstock": f"{penstock.__version__}, builder {builder}"}


def lacks_interpreter(stderr: str) -> bool:
    """Whether uv found no Python that the project allows."""
    marks = ("incompatible with the project's Python requirement", "No interpreter found", "Failed to inspect Python")
    return any(mark in stderr for mark in marks)


def stale_lock(stderr: str) -> bool:
    """Whether uv refused because the lock does not fit the manifests any more."""
    return re.search(r"lockfile .*needs to be updated|needs to be updated, but `--locked`", stderr) is not None


def without_wheel(stderr: str) -> str | None:
    """The package, as `name==version` or `name`, that uv found no wheel of for the target."""
    stderr = _unwrapped(stderr)
    match = re.search(r"(\S+==\S+) has no (?:usable )?wheels", stderr)
    match = match or re.search(
        r"[Bb]uilding source distributions (?:for|is disabled, but attempted to build) `([^`]+)`", stderr
    )
    return match[1] if match else None


def not_built(stderr: str) -> str | None:
    """The package, as uv calls it, whose sources did not build."""
    match = re.search(r"Failed to (?:download and )?build `([^`]+)`", stderr)
    return match[1].split(" @ ")[0] if match else None


def is_pure(wheel: str) -> bool:
    """Whether a WHEEL file speaks of a package without native code."""
    tags = re.findall(r"^Tag:\s*(\S+)", wheel, re.MULTILINE)
    return bool(tags) and all(tag.endswith("-none-any") for tag in tags)


def diagnosis(stderr: str) -> str:
    """What uv or a build backend said, without progress and warnings, the same for the same fault.

    Of tracebacks only the end is left: above it are a backend's own calls of itself.
    """
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip()]
    marks = ("error", "Error", "\N{MULTIPLICATION SIGN}", "Traceback")
    begin = next((index for index, line in enumerate(lines) if line.lstrip().startswith(marks)), 0)
    text = _OF_A_MOMENT.sub(r"\1\2", "\n".join(lines[begin:]).removeprefix("error: "))
    return _TRACEBACK.sub(_end_of, text) or "it said nothing"


def _end_of(traceback: re.Match[str]) -> str:
    frames = [frame for frame in re.split(r'^(?= *File ")', traceback["frames"], flags=re.MULTILINE) if frame]
    if len(frames) <= _FRAMES_MAX:
        return traceback[0]
    left_out = f"{traceback['indent']}  \N{HORIZONTAL ELLIPSIS}\n"
    return "".join((traceback["head"], left_out, *frames[-_FRAMES_MAX:]))


def _unwrapped(stderr: str) -> str:
    """What uv said in one line: it wraps its lines."""
    return " ".join(stderr.split())


def _network(argv: list[str], *, offline: bool) -> tuple[str, ...]:
    return (*argv, "--offline") if offline else tuple(argv)
