"""Which workspace a verb works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.cli.engine import in_environment, in_first_environment
from penstock.cli.settings import Settings, environment_names, find_workspace, service_names
from penstock.model.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path, text: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "penstock.toml").write_text(text)
    return folder.resolve()


def test_the_nearest_penstock_toml_upwards_wins(tmp_path: Path) -> None:
    make(tmp_path)
    inner = make(tmp_path / "a")
    deep = inner / "services" / "x"
    deep.mkdir(parents=True)
    assert find_workspace(None, deep) == inner


def test_the_one_that_was_named_wins_over_the_nearest(tmp_path: Path) -> None:
    here = make(tmp_path / "here")
    other = make(tmp_path / "other")
    assert find_workspace(other, here) == other
    assert find_workspace(other / "penstock.toml", here) == other


def test_a_clone_of_penstock_offers_its_example(tmp_path: Path) -> None:
    (tmp_path / "src" / "penstock" / "cli").mkdir(parents=True)
    example = make(tmp_path / "examples" / "shop")
    docs = tmp_path / "docs"
    docs.mkdir()
    assert find_workspace(None, docs) == example


def test_a_named_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_workspace(tmp_path, tmp_path)
    assert caught.value.where == str(tmp_path)


def test_environments_and_services_are_read_without_validation(tmp_path: Path) -> None:
    root = make(tmp_path, '[workspace]\nservices = ["services/*"]\n[environments.b]\n[environments.a]\n')
    (root / "services" / "users").mkdir(parents=True)
    (root / "services" / "users" / "service.toml").touch()
    (root / "services" / "no_service").mkdir()
    assert environment_names(root) == ["a", "b"]
    assert service_names(root) == ["users"]


@pytest.mark.parametrize(
    "text", ["not toml [", "workspace = 5", '[workspace]\nservices = "x"', '[workspace]\nservices = ["/*"]']
)
def test_a_broken_file_offers_nothing_and_raises_nothing(tmp_path: Path, text: str) -> None:
    root = make(tmp_path, text)
    assert environment_names(root) == []
    assert service_names(root) == []


def test_the_only_environment_needs_no_flag(tmp_path: Path) -> None:
    root = make(tmp_path, "[environments.dev]\n")
    assert Settings(workspace=root).chosen_environment() == "dev"
    assert Settings(workspace=root, environment="other").chosen_environment() == "other"


def test_a_verb_that_changes_no_environment_takes_the_first_where_others_ask(tmp_path: Path) -> None:
    root = make(tmp_path, "[environments.test]\n[environments.dev]\n")
    assert in_first_environment(Settings(workspace=root)).environment == "test"
    assert in_first_environment(Settings(workspace=root, environment="dev")).environment == "dev"
    with pytest.raises(UsageError, match="which environment"):
        in_environment(Settings(workspace=root))
    with pytest.raises(UsageError, match="which environment"):
        in_first_environment(Settings(workspace=make(tmp_path / "broken", "not toml [")))


@pytest.mark.parametrize(
    ("environ", "flag", "expected"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_colours_are_off_when_anybody_says_so(environ: dict[str, str], *, flag: bool, expected: bool) -> None:
    assert Settings(environ=environ, no_color=flag).color is expected
