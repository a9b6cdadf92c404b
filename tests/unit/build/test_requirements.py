"""Requirements files and what packages say that they need, as text."""

from __future__ import annotations

import pytest

from penstock.build import metadata, requirements
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
        ('-e "../packages/x"', "packages/x"),
        ("-e '../packages/with space[fast]' ; os_name == 'posix'", "packages/with space"),
        ("-e ../packages/x#egg=x[fast]", "packages/x"),
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


def test_names_of_included_files_may_be_quoted() -> None:
    text = "-r \"../with space.txt\"\n--constraint='c.txt'\n"
    assert requirements.includes("s/requirements.txt", text) == ("with space.txt", "s/c.txt")
    assert parse(text, **{"with space.txt": "six==1\n", "s/c.txt": ""}).lines[0].name == "six"


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


def test_markers_of_folders_are_kept_for_the_target() -> None:
    found = parse("../a ; python_version < '3.12'\n../b\n../a ; os_name == 'nt'\n../b ; os_name == 'nt'\n")
    assert found.conditions == {"a": ("python_version < '3.12'", "os_name == 'nt'")}


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
