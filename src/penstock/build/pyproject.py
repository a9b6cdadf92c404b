"""pyproject.toml: the keys that an artifact's bytes depend on."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from penstock.build import poetry
from penstock.build.requirements import extras_of, name_of, normalised
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_TOOLS_WITHOUT_EFFECT = frozenset(
    {
        "bandit", "basedpyright", "black", "bumpversion", "codespell", "commitizen", "coverage", "deptry", "djlint",
        "docformatter", "flake8", "importlinter", "interrogate", "isort", "mutmut", "mypy", "nox", "pydocstyle",
        "pylint", "pyre", "pyright", "pytest", "pytest_env", "ruff", "semantic_release", "taskipy", "tox", "ty",
        "typos", "vulture", "yapf", "poe",
    }
)  # fmt: skip

_UV_WITHOUT_EFFECT = frozenset(
    {
        "build-backend", "cache-keys", "conflicts", "default-groups", "dependency-groups", "dev-dependencies",
        "environments", "managed", "package", "required-environments", "required-version", "sources", "workspace",
    }
)  # fmt: skip
"""Keys of `[tool.uv]` that say nothing about a list of requirements that is to be installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a build needs to know of one pyproject.toml."""

    name: str
    digest: str
    """Of all keys but those of tools that only look at the code."""
    requires: str
    """Digest of what it depends on: a change calls for a look at the lock."""
    depends: bool
    """Whether it depends on anything at all."""
    dependencies: tuple[str, ...]
    """Those of `[project]`, as they are written (PEP 508), or else Poetry's in the same words."""
    optional: dict[str, list[str]]
    """Those of its extras."""
    settings: str
    """Digest of those settings of uv's that say what it installs; empty without any."""
    groups: str
    """Digest of its dependency groups, for those who ship one of them."""
    module: str
    """The one module that Poetry looks for when nothing names others; empty when that is not so."""
    buildable: bool
    """Whether a build backend makes it a package; else its files are taken as they are."""
    backend: tuple[str, ...]
    """What `[build-system]` requires, as it is written (PEP 508)."""
    by_uv: bool
    """Whether that is uv's own backend, which runs no code of the package's, and may make others by the same call."""
    files: tuple[str, ...]
    """Further files that its metadata names: README, licences."""
    names_itself: bool
    """Whether something in it may have it shipped as data, so that all of it counts."""

    def needs(self, extras: Collection[str] = ()) -> list[str]:
        """What it depends on with these extras, those that they name in turn included."""
        found, asked, queue = list(self.dependencies), set[str](), list(extras)
        while queue:
            extra = normalised(queue.pop())
            if extra in asked:
                continue
            asked.add(extra)
            for text in self.optional.get(extra, ()):
                if normalised(name_of(text)) == normalised(self.name):
                    queue += extras_of(text)
                else:
                    found.append(text)
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, for a cache."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Manifest:
        """Back from JSON, which knows no tuples."""
        listed: dict[str, Any] = {key: tuple(content[key]) for key in ("backend", "dependencies", "files")}
        return cls(**{**content, **listed})


def manifest(text: str, *, where: str) -> Manifest:
    """Read a pyproject.toml. Raises BuildFailed when it is not TOML."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BuildFailed(f"not valid TOML: {error}", where=where) from error
    project = content.get("project", {})
    tools = {name: keys for name, keys in content.get("tool", {}).items() if name not in _TOOLS_WITHOUT_EFFECT}
    uv = tools.get("uv", {})
    if "poetry" in tools:  # groups are for developers, and Poetry's lock tells what is in them
        tools["poetry"] = {k: v for k, v in tools["poetry"].items() if k not in {"group", "dev-dependencies"}}
    wanted = {key: project.get(key) for key in ("name", "dependencies", "optional-dependencies", "requires-python")}
    sources = {key: value for key, value in uv.items() if key not in {"build-backend", "workspace"}}
    effective = {key: value for key, value in content.items() if key not in {"tool", "dependency-groups"}}
    return Manifest(
        name=str(project.get("name", "")),
        digest=_digest({**effective, "tool": tools}),
        requires=_digest([wanted, sources, tools.get("poetry", {}).get("dependencies")]),
        depends=bool(project.get("dependencies") or tools.get("poetry", {}).get("dependencies")),
        dependencies=tuple(_dependencies(project, tools.get("poetry", {}), where)),
        optional={
            normalised(extra): [text for text in texts if isinstance(text, str)]
            for extra, texts in project.get("optional-dependencies", {}).items()
        },
        settings=_digest(found) if (found := {k: v for k, v in uv.items() if k not in _UV_WITHOUT_EFFECT}) else "",
        groups=_digest(content.get("dependency-groups")),
        module=_expected_module(project, tools.get("poetry")),
        buildable=_is_buildable(content, tools),
        backend=tuple(_backend(content)),
        by_uv=_is_by_uv(content.get("build-system", {}), uv),
        files=_named_files(content),
        names_itself=names_manifest(json.dumps([project, {**tools, "uv": uv.get("build-backend")}], default=str)),
    )


def names_manifest(text: str) -> bool:
    """Whether what tells a backend what to ship may mean pyproject.toml: by its name, or as one of `*.toml`."""
    return ".toml" in text


def is_poetrys(text: str) -> bool:
    """Whether Poetry locks what it depends on. Raises TOMLDecodeError when it is not TOML."""
    tools = tomllib.loads(text).get("tool", {})
    return "poetry" in tools and "uv" not in tools


def _dependencies(project: dict[str, Any], tool: dict[str, Any], where: str) -> Iterator[str]:
    listed = project.get("dependencies", ())
    yield from (text for text in listed if isinstance(text, str))
    if not listed:
        yield from (line.text for line in poetry.needs(tool.get("dependencies", {}), where))


def _is_buildable(content: dict[str, Any], tools: dict[str, Any]) -> bool:
    if tools.get("uv", {}).get("package", True) is False or tools.get("poetry", {}).get("package-mode", True) is False:
        return False
    return "build-system" in content


def _backend(content: dict[str, Any]) -> Iterator[str]:
    listed = content.get("build-system", {}).get("requires", ())
    yield from (text for text in listed if isinstance(text, str)) if isinstance(listed, list) else ()


def _is_by_uv(system: dict[str, Any], settings: dict[str, Any]) -> bool:
    is_ordinary = settings.keys().isdisjoint({"workspace", "managed", "required-version"})
    return is_ordinary and system.get("build-backend") == "uv_build" and "backend-path" not in system


def _expected_module(project: dict[str, Any], poetry: dict[str, Any] | None) -> str:
    if poetry is None or "packages" in poetry:
        return ""
    return str(poetry.get("name") or project.get("name", "")).replace("-", "_").replace(".", "_")


def _named_files(content: dict[str, Any]) -> tuple[str, ...]:
    """READMEs and licences that `[project]`, Poetry, setuptools or hatchling's plugins name."""
    project, tools = content.get("project", {}), content.get("tool", {})
    dynamic = tools.get("setuptools", {}).get("dynamic", {})
    values = [project.get("readme"), tools.get("poetry", {}).get("readme"), dynamic.get("readme")]
    values += [project["license"]] if isinstance(project.get("license"), dict) else []  # else an SPDX expression
    hooks = tools.get("hatch", {}).get("metadata", {}).get("hooks", {})
    values += [one.get("path") for hook in hooks.values() for one in _tables(hook.get("fragments"))]
    named = []
    for value in values:
        plain = value.get("file") if isinstance(value, dict) else value
        named += [plain] if isinstance(plain, str) else [one for one in plain or () if isinstance(one, str)]
    return tuple(dict.fromkeys(named))


def _tables(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
