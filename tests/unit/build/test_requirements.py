"""Requirements files and Poetry's locks, as text."""

from __future__ import annotations

import pytest

from penstock.build import metadata, poetry, requirements
from penstock.build.pyproject import manifest
from penstock.model.artifact import Target
from penstock.model.errors import BuildFailed


def parse(text: str, **more: str) -> requirements.Requirements:
    return requirements.parse("s/requirements.txt", {"s/requirements.txt": text, **more}, root="/w")


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("-e ../packages/x", "packages/x"),
        ("-e ./lib[fast]", "s/lib"),
        ("--editable=lib", "s/lib"),
        ("x @ file:../x", "x"),
        ("x @ file:///w/packages/x", "packages/x"),
        ("-e file:///w/packages/x", "packages/x"),
        ("/w/packages/x", "packages/x"),
        ("file://localhost/w/packages/x", "packages/x"),
        ("./lib ; python_version > '3'", "s/lib"),
        ("./with%20space", "s/with%20space"),
        ("x @ file:with%20space", "s/with space"),
    ],
)
def test_folders_are_found_however_they_are_written(line: str, folder: str) -> None:
    assert parse(f"{line}\n").folders == (folder,)


COMMIT = "0123456789abcdef" * 2 + "01234567"


def test_extras_of_a_folder_are_kept() -> None:
    found = parse("-e ../packages/x[pg, http]\nb[a] @ file:../b\n../c ; os_name in '[x]'\n")
    assert found.extras == {"packages/x": ("pg", "http"), "b": ("a",)}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"-e git+https://example.org/x.git@{COMMIT}#egg=x", "cannot be editable"),
        ("x @ git+https://example.org/x.git@main", "not pinned to a commit"),
        ("x @ git+https://example.org/x.git", "not pinned to a commit"),
        ("x @ git+ssh://git@example.org/x.git", "not pinned to a commit"),
    ],
)
def test_sources_that_may_be_others_tomorrow_are_refused(line: str, says: str) -> None:
    with pytest.raises(BuildFailed, match=says) as caught:
        parse(f"{line}\n")
    assert caught.value.where == "s/requirements.txt:1"


def test_a_commit_is_a_pin() -> None:
    assert parse(f"x @ git+https://example.org/x.git@{COMMIT}#subdirectory=py\n").lines[0].pinned


def test_a_manifest_tells_what_it_needs_with_its_extras_in_poetrys_words_as_well() -> None:
    text = (
        '[project]\nname = "P"\ndependencies = ["a"]\n'
        '[project.optional-dependencies]\nall = ["p[Pg]"]\npg = ["b>=1"]\nmore = ["c"]\n'
    )
    assert manifest(text, where="x").needs(["all"]) == ["a", "b>=1"]
    text = '[tool.poetry]\nname = "p"\n[tool.poetry.dependencies]\npython = "^3.11"\nidna = "^3.1"\n'
    assert manifest(text, where="x").needs() == ["idna>=3.1,<4"]


def test_what_a_packages_metadata_asks_for_and_nothing_brings_is_told() -> None:
    text = (
        "Metadata-Version: 2.1\nName: old\nRequires-Dist: idna>=3\nRequires-Dist: Six\n"
        "Requires-Dist: nt; os_name == 'nt'\nRequires-Dist: fast; extra == 'fast'\n\nRequires-Dist: nothing\n"
    )
    target = Target(language="python", version="3.13", architecture="arm64")
    assert metadata.unmet(text, {"idna"}, target) == ["six"]
    assert metadata.distributions(["Typing_extensions-4.0.dist-info/METADATA", "a/METADATA"]) == {
        "typing-extensions": "Typing_extensions-4.0.dist-info/METADATA"
    }


def test_a_path_from_the_folder_that_pip_is_started_in_is_found() -> None:
    there = {"shared/lib", "orders/src/create/near"}
    text = {"orders/src/create/requirements.txt": "../shared/lib\n./near\n"}
    found = requirements.parse("orders/src/create/requirements.txt", text, exists=there.__contains__)
    assert found.folders == ("shared/lib", "orders/src/create/near")


def test_archives_of_the_workspace_are_told_from_folders() -> None:
    found = parse("./wheels/a-1.0-py3-none-any.whl\nb @ file:b-2.0.tar.gz\n")
    assert found.archives == ("s/wheels/a-1.0-py3-none-any.whl", "s/b-2.0.tar.gz")
    assert requirements.archive_line(found.archives[0], "/w/a b.whl") == "a @ file:///w/a%20b.whl"
    assert requirements.archive_line(found.archives[1], "/w/b") == "b @ file:///w/b"


def test_constraints_count_as_pins_and_are_not_installed() -> None:
    found = parse("h2>=4\n-c ../pins.txt\n", **{"pins.txt": "h2==4.1.0 --hash=sha256:aa\nunused==1\n"})
    assert [line.text for line in found.lines] == ["h2>=4"]
    assert found.constraints() == "h2==4.1.0\nunused==1\n"
    assert not found.complete


def test_two_versions_for_two_markers_both_stay() -> None:
    text = "numpy==1.26.4 ; python_version < '3.12'\nnumpy==2.1.0 ; python_version >= '3.12'\n"
    assert parse(text).text() == text


def test_what_only_the_sdk_needs_by_the_files_own_notes_goes_with_it() -> None:
    text = (
        "boto3==1.40.0\n    # via -r requirements.in\n"
        "botocore==1.40.0\n    # via\n    #   boto3\n    #   s3transfer\n"
        "jmespath==1.0.1\n    # via\n    #   boto3\n    #   botocore\ns3transfer==0.13.0\n    # via boto3\n"
        "urllib3==2.0.0\n    # via\n    #   botocore\n    #   requests\n"
        "requests==2.32.0\n    # via -r requirements.in\n"
    )
    found = requirements.parse("r", {"r": text}, without=("boto3", "botocore", "s3transfer"))
    assert [line.name for line in found.lines] == ["urllib3", "requests"]


def test_options_that_are_pips_alone_are_passed_over() -> None:
    found = parse("--index-url https://example.org\n--prefer-binary\n--trusted-host x\n--no-deps\n-f ../wheels\n")
    assert found.options == ("--index-url https://example.org", "--find-links /w/wheels")


@pytest.mark.parametrize("line", ["git+https://example.org/x.git", "=1.0", "https://example.org/x.whl"])
def test_what_is_no_requirement_is_refused_with_its_place(line: str) -> None:
    with pytest.raises(BuildFailed, match="is not a requirement") as caught:
        parse(f"\n{line}\n")
    assert caught.value.where == "s/requirements.txt:2"


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
dependencies = ["requests[socks] (>=2.32,<3.0) ; python_version < '4'", "tool"]
[tool.poetry.dependencies]
python = "^3.11"
requests = { source = "ours" }
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
        "requests[socks] (>=2.32,<3.0) ; python_version < '4'",
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


def test_groups_and_extras_are_found_however_they_are_spelled() -> None:
    assert grouped("my.group", extras=("big-data",)) == ["big", "mine"]


@pytest.mark.parametrize(("group", "lost", "by"), [("wrong", "lost", "wrong"), ("broken", "nowhere", "broken")])
def test_an_included_group_that_is_not_there_is_refused(group: str, lost: str, by: str) -> None:
    with pytest.raises(BuildFailed, match=f"no dependency group named {lost}, which {by} includes"):
        grouped(group)


def test_a_poetry_lock_that_lacks_a_dependency_says_what_to_type() -> None:
    with pytest.raises(BuildFailed, match="httpx is not in the lock") as caught:
        reach(PROJECT.replace('private = "1.0"', 'httpx = "*"'))
    assert caught.value.hint == "poetry lock"


@pytest.mark.parametrize("lock", ["no toml [", '[metadata]\nlock-version = "1.1"\n', "[[package]]\n"])
def test_what_is_no_lock_of_poetrys_second_format_is_refused(lock: str) -> None:
    with pytest.raises(BuildFailed):
        reach(lock=lock)


def test_markers_of_folders_are_kept_for_the_target() -> None:
    found = parse("../a ; python_version < '3.12'\n../b\n../a ; os_name == 'nt'\n../b ; os_name == 'nt'\n")
    assert found.conditions == {"a": ("python_version < '3.12'", "os_name == 'nt'")}


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


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("one @ file:///w/tmp/tmp1/source/in/../one", "one"),
        ("one[a,b]@file:///with%20space/tmp/tmp1/one ; extra == 'x'", "one[a,b] ; extra == 'x'"),
        ("one @ file:///w/tmp/tmp1/one; os_name == 'nt'", "one; os_name == 'nt'"),
        ("one @ https://example.org/one.whl ; extra == 'x'", "one @ https://example.org/one.whl ; extra == 'x'"),
        ("one @ file:../one", "one @ file:../one"),
        ("one @ file:///w/tmp/tmp2/one", "one @ file:///w/tmp/tmp2/one"),
    ],
)
def test_what_is_asked_for_by_the_folder_of_the_build_is_asked_for_by_its_name(asked: str, kept: str) -> None:
    text = "Name: x\r\nRequires-Dist: {}\r\nRequires-Dist: two>=1\r\n\r\nmail a@b/tmp/tmp1\r\n"
    assert metadata.by_name(text.format(asked).encode(), b"tmp/tmp1") == text.format(kept).encode()
