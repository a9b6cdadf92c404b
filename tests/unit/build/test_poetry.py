"""Poetry's locks, as text."""

from __future__ import annotations

import pytest

from penstock.build import poetry
from penstock.model.errors import BuildFailed


@pytest.mark.parametrize(
    ("constraint", "standard"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1", ">=1,<2"),
        ("1.2.*", "==1.2.*"),
        ("1.2.3", "==1.2.3"),
        (">=1.2,<3", ">=1.2,<3"),
        (">= 1.2, < 3", ">=1.2,<3"),
        ("~=1.4", "~=1.4"),
        ("*", ""),
        ("^1 || ^2", ""),
    ],
)
def test_poetrys_constraints_are_understood(constraint: str, standard: str) -> None:
    assert poetry.specifier(constraint) == standard


LOCK = """
[[package]]
name = "Requests"
version = "2.32.3"
files = [{ file = "a", hash = "sha256:aa" }, { file = "b", hash = "sha256:bb" }]
[package.dependencies]
urllib3 = ">=1.21"
[package.extras]
socks = ["pysocks"]

[[package]]
name = "urllib3"
version = "2.0.0"
files = [{ file = "c", hash = "sha256:cc" }]

[[package]]
name = "numpy"
version = "1.26.4"
python-versions = ">=3.9"
markers = "python_version < '3.12'"
files = []
[[package]]
name = "numpy"
version = "2.1.0"
markers = "python_version >= '3.12'"
files = []

[[package]]
name = "private"
version = "1.0"
files = []
[package.source]
type = "legacy"
url = "https://example.org/simple"
reference = "ours"

[[package]]
name = "tool"
version = "0.1"
files = []
[package.source]
type = "git"
url = "https://example.org/tool.git"
reference = "main"
resolved_reference = "abc123"
subdirectory = "py"

[[package]]
name = "boto3"
version = "1.40"
files = []
[package.dependencies]
botocore = "*"
[[package]]
name = "botocore"
version = "1.40"
files = []

[[package]]
name = "pytest"
version = "8.0"
files = []

[metadata]
lock-version = "2.1"
"""
PROJECT = """
[project]
name = "p"
dynamic = ["dependencies"]
[tool.poetry.dependencies]
python = "^3.11"
requests = { version = ">=2.32,<3.0", extras = ["socks"], markers = "python_version < '4'", source = "ours" }
tool = "*"
numpy = [{ version = "^1.26", python = "<3.12" }, { version = "^2", python = ">=3.12" }]
private = "1.0"
boto3 = "*"
[tool.poetry.group.dev.dependencies]
pytest = "^8"
"""


def reach(project: str = PROJECT, lock: str = LOCK, **more: object) -> poetry.PoetryLocked:
    return poetry.reached(lock, project, where="s/poetry.lock", **more)  # type: ignore[arg-type]


def test_a_poetry_project_reaches_its_own_part_of_the_lock() -> None:
    found = reach(without=("boto3", "botocore"))
    assert [line.text for line in found.roots] == [
        "requests[socks]>=2.32,<3.0 ; (python_version < '4')",
        "tool @ git+https://example.org/tool.git@abc123#subdirectory=py",
        'numpy>=1.26,<2 ; python_version < "3.12"',
        'numpy>=2,<3 ; python_version >= "3.12"',
        "private==1.0",
    ]
    assert [line.text for line in found.pins] == [
        "requests==2.32.3 --hash=sha256:aa --hash=sha256:bb",
        "urllib3==2.0.0 --hash=sha256:cc",
        "numpy==1.26.4 ; python_version < '3.12'",
        "numpy==2.1.0 ; python_version >= '3.12'",
        "private==1.0",
    ]
    assert found.options == ("--extra-index-url https://example.org/simple",)
    assert "boto3 1.40" not in found.packages


def test_groups_of_a_poetry_project_come_when_they_are_asked_for() -> None:
    assert "pytest 8.0" not in reach().packages
    assert "pytest 8.0" in reach(groups=("dev",)).packages
    with pytest.raises(BuildFailed, match="no dependency group named docs"):
        reach(groups=("docs",))


GROUPS = """
[project]
name = "p"
dependencies = []
optional-dependencies = { Big_Data = ["big"] }
[tool.poetry.group.Base.dependencies]
base = "*"
[tool.poetry.group.ops]
include-groups = ["base", "my_group", "main"]
[tool.poetry.group.ops.dependencies]
ops = "*"
[tool.poetry.group.other.dependencies]
theirs = { source = "ours" }
[tool.poetry.group.broken]
include-groups = ["nowhere"]
[dependency-groups]
My_Group = ["mine"]
other = [{ include-group = "my-group" }, { include-group = "Other" }, "theirs>=1"]
wrong = [{ include-group = "lost" }]
"""


def grouped(*groups: str, extras: tuple[str, ...] = ()) -> list[str]:
    names = ("big", "base", "ops", "mine", "theirs")
    lock = "".join(f'[[package]]\nname = "{name}"\nversion = "1"\n' for name in names)
    found = reach(GROUPS, f'{lock}[metadata]\nlock-version = "2.1"\n', groups=groups, extras=extras)
    return sorted(line.text for line in found.roots)


def test_groups_that_a_group_includes_come_with_it_from_whichever_table() -> None:
    assert grouped("ops") == ["base", "mine", "ops"]
    assert grouped("other") == ["mine", "theirs>=1"]


@pytest.mark.parametrize(
    ("group", "expected"), [("", ["base"]), ('group.dev.dependencies]\nmine = "*"', ["base", "mine"])]
)
def test_dependencies_for_developers_of_old_manifests_are_the_group_dev(group: str, expected: list[str]) -> None:
    manifest = '[project]\nname = "p"\n[tool.poetry.dev-dependencies]\nbase = "*"\n'
    manifest += f"[tool.poetry.{group}" if group else ""
    lock = "".join(f'[[package]]\nname = "{name}"\nversion = "1"\n' for name in expected)
    found = reach(manifest, f'{lock}[metadata]\nlock-version = "2.0"\n', groups=("dev",))
    assert sorted(line.text for line in found.roots) == expected


def test_groups_and_extras_are_found_however_they_are_spelled() -> None:
    assert grouped("my.group", extras=("big-data",)) == ["big", "mine"]


@pytest.mark.parametrize(("group", "lost", "by"), [("wrong", "lost", "wrong"), ("broken", "nowhere", "broken")])
def test_an_included_group_that_is_not_there_is_refused(group: str, lost: str, by: str) -> None:
    with pytest.raises(BuildFailed, match=f"no dependency group named {lost}, which {by} includes"):
        grouped(group)


@pytest.mark.parametrize(
    ("project", "version", "roots"),
    [
        ('dependencies = ["a[x] (>=2)"]', "2.1", ["a[x] (>=2)"]),
        ('dependencies = ["a"]\noptional-dependencies = { x = ["more"] }', "2.1", ["a"]),
        ('optional-dependencies = { x = ["more"] }', "2.1", []),
        ('dependencies = ["a"]\ndynamic = ["optional-dependencies"]', "2.1", ["a"]),
        ('dynamic = ["dependencies"]', "2.1", ["a>=1", "own"]),
        ("dependencies = []", "2.1", ["a>=1", "own"]),
        ('dynamic = ["dependencies"]\noptional-dependencies = { x = ["more"] }', "2.1", ["a>=1", "own"]),
        ('dependencies = ["a"]', "2.0", ["a", "own"]),
    ],
)
def test_poetrys_own_table_only_says_where_from_beside_what_the_project_depends_on(
    project: str, version: str, roots: list[str]
) -> None:
    own = 'python = "^3.11"\na = ">=1"\nown = "*"\nmore = { version = "*", optional = true }\n'
    names = {"a"} | ({"own"} & set(roots))
    lock = "".join(f'[[package]]\nname = "{name}"\nversion = "1"\n' for name in sorted(names))
    found = reach(
        f'[project]\nname = "p"\n{project}\n[tool.poetry.dependencies]\n{own}',
        f'{lock}[metadata]\nlock-version = "{version}"\n',
    )
    assert [line.text for line in found.roots] == roots


def test_a_poetry_lock_that_lacks_a_dependency_says_what_to_type() -> None:
    with pytest.raises(BuildFailed, match="httpx is not in the lock") as caught:
        reach(PROJECT.replace('private = "1.0"', 'httpx = "*"'))
    assert caught.value.hint == "poetry lock"


@pytest.mark.parametrize("lock", ["no toml [", '[metadata]\nlock-version = "1.1"\n', "[[package]]\n"])
def test_what_is_no_lock_of_poetrys_second_format_is_refused(lock: str) -> None:
    with pytest.raises(BuildFailed):
        reach(lock=lock)


def test_markers_of_poetrys_folders_are_those_of_the_lock_or_of_who_asks() -> None:
    project = (
        "[tool.poetry.dependencies]\n"
        'a = { path = "../a", markers = "python_version < \'3.12\'" }\nb = { path = "../b" }\n'
        'c = { path = "../c", python = ">=3.12" }\n'
    )
    package = '[[package]]\nname = "{0}"\nversion = "1"\n{1}[package.source]\ntype = "directory"\nurl = "../{0}"\n'
    by_lock = {"a": "", "b": "markers = \"os_name == 'nt'\"\n", "c": ""}
    lock = "".join(package.format(*one) for one in by_lock.items()) + '[metadata]\nlock-version = "2.1"\n'
    assert reach(project, lock).conditions == {
        "a": ("(python_version < '3.12')",),
        "b": ("os_name == 'nt'",),
        "c": ('python_version >= "3.12"',),
    }


@pytest.mark.parametrize(("version", "is_left_out"), [("2.0", False), ("2.1", True)])
def test_a_folder_that_another_package_needs_is_there_for_every_target(version: str, *, is_left_out: bool) -> None:
    project = (
        "[tool.poetry.dependencies]\n"
        'a = { path = "../a" }\nb = { path = "../b", markers = "sys_platform == \'darwin\'" }\n'
    )
    marker = "markers = \"sys_platform == 'darwin'\"\n" if version == "2.1" else ""
    lock = (
        '[[package]]\nname = "a"\nversion = "1"\n[package.dependencies]\nb = { path = "../b" }\n'
        '[package.source]\ntype = "directory"\nurl = "../a"\n'
        f'[[package]]\nname = "b"\nversion = "1"\n{marker}[package.source]\ntype = "directory"\nurl = "../b"\n'
        f'[metadata]\nlock-version = "{version}"\n'
    )
    found = reach(project, lock)
    assert set(found.folders) == {"a", "b"}
    assert ("b" in found.conditions) is is_left_out
