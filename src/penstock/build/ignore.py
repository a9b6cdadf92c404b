"""Which files of a folder never reach a function, so that touching them rebuilds nothing.

The rules are those that people expect without being told; what a package ships is decided by its own build backend.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_FOLDERS = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "venv", "node_modules", ".pnpm-store", "__pycache__", ".mypy_cache",
        ".pytest_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox", ".penstock", ".terraform", ".aws-sam",
        ".idea", ".vscode", "htmlcov", ".turbo", ".cache", ".serverless", "cdk.out", ".nx", ".direnv",
        ".terragrunt-cache", ".eggs", ".ipynb_checkpoints", ".env",
    }
)  # fmt: skip
_FILES = (
    "*.pyc", "*.pyo", "*.tsbuildinfo", ".DS_Store", "Thumbs.db", ".coverage", ".coverage.*", ".env", ".env.*", "*.swp",
    "*~", ".gitignore", ".gitattributes", ".gitmodules", ".dockerignore", ".npmrc", ".editorconfig",
    ".git",  # a file in submodules and worktrees, which names a place of this machine
    ".envrc", "*.tfvars", "*.tfvars.json", "*.tfstate", "*.tfstate.*", "*.log",
)  # fmt: skip
_FOLDERS_AT_ROOT = frozenset({"tests", "test", "__tests__", "events", "coverage"})
_OUTPUTS = frozenset({"dist", "build"})
_FILES_AT_ROOT = (
    "service.toml", "penstock.toml", "uv.lock", "poetry.lock", "conftest.py", "test_*.py", "*.test.ts",
    "Makefile", "Dockerfile", "README*", "CHANGELOG*", "CONTRIBUTING*",
    "eslint.config.*", "vitest.config.*", "jest.config.*", "ruff.toml", ".ruff.toml", "mypy.ini", ".mypy.ini",
    "pytest.ini", "tox.ini", "noxfile.py", ".flake8", ".pylintrc", ".coveragerc", ".pre-commit-config.yaml",
    ".python-version", ".tool-versions",
)  # fmt: skip


_TEST = re.compile(r"\.(test|spec)\.[cm]?[jt]sx?$")
_ANY_FILE = re.compile("|".join(map(translate, _FILES)))
_ROOT_FILE = re.compile("|".join(map(translate, _FILES_AT_ROOT)))


ENVIRONMENTS = (".env", ".envrc")
"""What people keep variables in, beside the code."""
INSTEAD = "what a function needs of it belongs into `env`, or `secrets` of [uses], in service.toml"
"""What to do with them."""


def left_out_note(unit: str, path: str) -> str:
    """What to tell whoever has a `.env` beside the code: it works on their machine, and then it does not."""
    return f"{unit}: {path} stays out of the ZIP; {INSTEAD}"


def skips_folder(relative: str, *, outputs: bool = False) -> bool:
    """Whether nothing below this folder counts. `relative` is POSIX, below the service or package.

    `dist` and `build` at the top are results, unless `outputs` says that nothing makes them.
    """
    name = relative.rpartition("/")[2]
    return (
        name in _FOLDERS
        or name.endswith(".egg-info")
        or relative in _FOLDERS_AT_ROOT
        or (relative in _OUTPUTS and not outputs)
    )


def named_in(text: str) -> list[str]:
    """Files at the top that are left out by rule, and that a text speaks of: a `setup.py` may read its README."""
    words = dict.fromkeys(re.findall(r"[\w.-]*\w", text))
    return [word for word in words if _ROOT_FILE.match(word) and not _ANY_FILE.match(word)]


def skips_file(relative: str) -> bool:
    """Whether this file does not count. `relative` is POSIX, below the service or package."""
    name = relative.rpartition("/")[2]
    return bool(_ANY_FILE.match(name)) or ("/" not in relative and bool(_ROOT_FILE.match(name)))


def is_of_tests(path: str) -> bool:
    """Whether a file of JavaScript or TypeScript is, by its name, one of tests; they lie beside what they test."""
    *folders, name = path.split("/")
    return not {"__tests__", "__mocks__"}.isdisjoint(folders) or bool(_TEST.search(name))


def excludes(patterns: Collection[str], path: str) -> bool:
    """Whether one of `[build] exclude` means this file, or a folder that it lies in, by its path below the service.

    A pattern without a slash means a name at whatever depth; `pyproject.toml` at the top says how to build and stays.
    """
    if not patterns or path == "pyproject.toml":
        return False
    parts = path.split("/")
    places = [("/".join(parts[:count]), name) for count, name in enumerate(parts, 1)]
    wanted = [(one.strip("/"), "/" in one.rstrip("/")) for one in patterns]
    return any(fnmatchcase(place if whole else name, one) for place, name in places for one, whole in wanted)
