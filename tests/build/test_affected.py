"""`penstock affected --since REF`: what a branch touches, told from git by the real command line."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from penstock.cli.run import run
from penstock.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Affected = Callable[..., dict[str, list[str]]]

HANDLER = "def handler(event, context):\n    return {}\n"
FILES = {
    "penstock.toml": (
        '[workspace]\nname = "w"\nservices = ["services/*"]\npackages = ["packages/*"]\n'
        '[defaults]\nruntime = "python3.13"\narchitecture = "x86_64"\n'
        '[environments.dev]\naccount = "111111111111"\nregion = "eu-west-1"\n'
    ),
    "services/users/service.toml": 'handler = "app.handler"\n',
    "services/users/app.py": HANDLER,
    "services/users/requirements.txt": "-e ../../packages/common\n",
    "services/orders/service.toml": 'handler = "app.handler"\n',
    "services/orders/app.py": HANDLER,
    "services/orders/spare.py": "X = 1\n",
    "packages/common/pyproject.toml": '[project]\nname = "common"\nversion = "1"\n',
    "packages/common/src/common/__init__.py": "X = 1\n",
}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str = "more") -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)
    return git(folder, "rev-parse", "HEAD")


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A workspace in a folder of its repository, all of it committed; `users` has the package `common`."""
    root = tmp_path / "repository" / "shop"
    write(root, FILES)
    git(root.parent, "init", "-q")
    (root.parent / ".gitignore").write_text(".penstock/\n")
    commit(root.parent, "first")
    return root


@pytest.fixture
def affected(shop: Path, capsys: pytest.CaptureFixture[str]) -> Affected:
    """What is told of the workspace: the files by service."""

    def ask(since: str, root: Path = shop) -> dict[str, list[str]]:
        status = run(["--workspace", str(root), "--json", "affected", f"--since={since}"], Settings(environ={}))
        heard = capsys.readouterr()
        assert status == 0, heard.err
        lines = [json.loads(line) for line in heard.out.splitlines()]
        assert {line["event"] for line in lines} <= {"affected"}
        return {line["service"]: line["files"] for line in lines}

    return ask


def refused(capsys: pytest.CaptureFixture[str], root: Path, since: str) -> str:
    assert run(["--workspace", str(root), "affected", f"--since={since}"], Settings(environ={})) == 2
    return capsys.readouterr().err


def test_edited_new_moved_and_deleted_files_count_committed_or_not(shop: Path, affected: Affected) -> None:
    assert affected("main") == {}
    write(shop, {"services/orders/app.py": f"{HANDLER}x = 1\n", "README.md": "of the workspace\n"})
    write(shop.parent, {"services/users/app.py": "beside the workspace"})
    assert affected("main") == {"orders": ["services/orders/app.py"]}
    assert affected("HEAD") == affected("main")
    commit(shop)
    assert affected("HEAD") == {}
    assert affected("HEAD~1") == {"orders": ["services/orders/app.py"]}
    (shop / "services/orders/spare.py").rename(shop / "services/users/spare.py")
    assert affected("HEAD") == {"orders": ["services/orders/spare.py"], "users": ["services/users/spare.py"]}
    commit(shop)
    (shop / "packages/common/src/common/__init__.py").unlink()
    assert affected("HEAD") == {"users": ["packages/common/src/common/__init__.py"]}


def test_files_that_are_reached_by_links_count_where_they_lie(shop: Path, affected: Affected) -> None:
    write(shop, {"shared/common.py": "A = 1\n", "more/deep/b.py": "B = 1\n", "more/tests/c.py": "C = 1\n"})
    (shop / "services/orders/common.py").symlink_to("../../shared/common.py")
    (shop / "packages/common/src/more").symlink_to("../../../more")
    commit(shop)
    write(shop, {"shared/common.py": "A = 2\n", "shared/other.py": "nobody's\n"})
    assert affected("HEAD") == {"orders": ["shared/common.py"]}
    commit(shop)
    more = {"more/deep/b.py": "B = 2\n", "more/deep/new.py": "B = 3\n", "more/new.py": "", "more/tests/c.py": "C = 2\n"}
    write(shop, more)
    assert affected("HEAD") == {"users": list(more)}
    commit(shop)
    (shop / "more/deep/b.py").unlink()
    assert affected("HEAD") == {"users": ["more/deep/b.py"]}


def test_submodules_that_are_or_hold_a_package_or_a_service_count_however_they_changed(
    shop: Path, affected: Affected, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write(other, {"one/pyproject.toml": '[project]\nname = "one"\nversion = "1"\n', "one/one/__init__.py": "X = 1\n"})
    write(other, {"sub/service.toml": 'handler = "app.handler"\n', "sub/app.py": HANDLER})
    git(other, "init", "-q")
    commit(other)
    for place in ("packages/ext", "services/sub"):
        git(shop, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), place)
    whole = FILES["penstock.toml"].replace('services/*"', 'services/*", "services/sub/sub"')
    write(shop, {"penstock.toml": whole.replace('packages/*"', 'packages/*", "packages/ext/one"')})
    write(shop, {"services/orders/requirements.txt": "-e ../../packages/ext/one\n"})
    commit(shop)
    touched = {"orders": ["packages/ext"]}
    assert affected("HEAD") == {}
    write(shop, {"packages/ext/one/one/__init__.py": "X = 2\n"})
    assert affected("HEAD") == touched
    commit(shop / "packages/ext")
    assert affected("HEAD") == touched
    commit(shop)
    assert (affected("HEAD"), affected("HEAD~1")) == ({}, touched)
    git(shop, "config", "diff.ignoreSubmodules", "all")
    git(shop, "config", "status.showUntrackedFiles", "no")
    write(shop, {"services/sub/sub/new.py": "X = 1\n"})
    assert affected("HEAD") == {"sub": ["services/sub"]}


def test_settings_of_uvs_above_a_shared_package_count(shop: Path, affected: Affected) -> None:
    write(shop, {"packages/uv.toml": "no-binary = false\n"})
    assert affected("HEAD") == {"users": ["packages/uv.toml"]}
    commit(shop)
    (shop / "packages/uv.toml").unlink()
    assert affected("HEAD") == {"users": ["packages/uv.toml"]}


def test_of_a_pyproject_above_only_that_counts_which_is_in_recipes(shop: Path, affected: Affected) -> None:
    whole = '[project]\nname = "w"\nversion = "1"\n'
    write(shop, {"pyproject.toml": whole})
    commit(shop)
    write(shop, {"pyproject.toml": f"# of the workspace\n{whole}[tool.ruff]\nline-length = 99\n"})
    assert affected("HEAD") == {}
    write(shop, {"pyproject.toml": f"{whole}[tool.uv]\nno-binary = true\n"})
    assert set(affected("HEAD")) == {"orders", "users"}
    write(
        shop, {"pyproject.toml": "not TOML", "packages/common/pyproject.toml": FILES["packages/common/pyproject.toml"]}
    )
    commit(shop)
    write(shop, {"pyproject.toml": whole, "packages/common/pyproject.toml": '[project]\nname = "common"\n#\n'})
    assert affected("HEAD")["users"] == ["packages/common/pyproject.toml", "pyproject.toml"]


def test_a_deleted_archive_of_a_folder_of_links_and_settings_of_uvs_count(shop: Path, affected: Affected) -> None:
    write(shop, {"services/orders/requirements.txt": "--find-links ../../links\n", "links/x-1-py3-none-any.whl": "x"})
    write(shop, {"uv.toml": "no-binary = false\n"})
    commit(shop)
    (shop / "links/x-1-py3-none-any.whl").unlink()
    (shop / "links").rmdir()
    assert affected("HEAD") == {"orders": ["links/x-1-py3-none-any.whl"]}
    (shop / "uv.toml").unlink()
    assert affected("HEAD")["orders"] == ["links/x-1-py3-none-any.whl", "uv.toml"]


def test_what_others_have_added_since_to_the_branch_compared_with_is_not_this_branchs(
    shop: Path, affected: Affected
) -> None:
    git(shop, "checkout", "-qb", "feature")
    write(shop, {"services/orders/app.py": f"{HANDLER}x = 1\n"})
    commit(shop)
    git(shop, "checkout", "-q", "main")
    write(shop, {"services/users/app.py": f"{HANDLER}y = 1\n"})
    commit(shop)
    git(shop, "checkout", "-q", "feature")
    assert set(affected("main")) == {"orders"}
    git(shop, "merge", "-q", "--no-edit", "main")
    assert set(affected("main")) == {"orders"}


def test_a_tag_and_a_part_of_a_hash_name_a_commit_as_well(shop: Path, affected: Affected) -> None:
    first = git(shop, "rev-parse", "HEAD")
    git(shop, "tag", "-a", "v1", "-m", "annotated")
    write(shop, {"services/users/app.py": f"{HANDLER}y = 1\n"})
    commit(shop)
    assert affected("v1") == affected(first[:8]) == affected("HEAD^") == {"users": ["services/users/app.py"]}


def test_names_with_blanks_and_letters_of_other_alphabets_are_told_as_they_are(shop: Path, affected: Affected) -> None:
    write(shop, {"services/users/naïve words.txt": "x"})
    assert affected("HEAD") == {"users": ["services/users/naïve words.txt"]}


@pytest.mark.parametrize("since", ["--output=../stolen", "-O../stolen", "--no-index", "--help", "-"])
def test_what_git_would_take_for_an_option_is_refused_and_does_nothing(
    shop: Path, capsys: pytest.CaptureFixture[str], since: str
) -> None:
    before = sorted(shop.parent.iterdir())
    assert "that is no name of a commit" in refused(capsys, shop, since)
    assert sorted(shop.parent.iterdir()) == before


@pytest.mark.parametrize("since", ["nowhere", "", "main..HEAD", "main:shop/penstock.toml", "0" * 40])
def test_a_commit_that_git_does_not_know_is_a_usage_error(
    shop: Path, capsys: pytest.CaptureFixture[str], since: str
) -> None:
    said = refused(capsys, shop, since)
    assert said.startswith(f"error: git cannot compare with {since}: it knows no such commit here\n")
    assert "name a commit, branch or tag; in CI: git fetch" in said


def test_without_commits_or_without_a_repository_there_is_nothing_to_compare_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    write(tmp_path / "w", FILES)
    assert "not a git repository" in refused(capsys, tmp_path / "w", "main")
    git(tmp_path / "w", "init", "-q")
    assert "it knows no such commit here" in refused(capsys, tmp_path / "w", "HEAD")


def test_a_clone_that_lacks_the_common_commit_says_what_to_fetch(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], affected: Affected
) -> None:
    git(shop, "checkout", "-qb", "feature")
    write(shop, {"services/orders/app.py": f"{HANDLER}x = 1\n"})
    commit(shop)
    git(shop, "checkout", "-q", "main")
    write(shop, {"services/users/app.py": f"{HANDLER}y = 1\n"})
    commit(shop)
    origin = f"file://{shop.parent}"
    git(tmp_path, "clone", "-q", "--depth=1", "--branch=feature", origin, "shallow")
    shallow = tmp_path / "shallow"
    git(shallow, "fetch", "-q", "--depth=1", "origin", "main:main")
    said = refused(capsys, shallow / "shop", "main")
    assert "no commit in common here" in said
    assert "git fetch --unshallow" in said
    git(shallow, "fetch", "-q", "--unshallow", "origin", "main:main", "feature")
    assert set(affected("main", shallow / "shop")) == {"orders"}


def test_services_are_named_one_a_line_and_nothing_to_name_is_said_beside(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told() -> tuple[str, str]:
        assert run(["--workspace", str(shop), "affected", "--since", "HEAD"], Settings(environ={})) == 0
        heard = capsys.readouterr()
        return heard.out, heard.err

    assert told() == ("", "no service is touched by what changed since HEAD\n")
    write(shop, {"penstock.toml": FILES["penstock.toml"] + "[tables.t]\nexisting = 'x'\n"})
    assert told() == ("orders\nusers\n", "")
