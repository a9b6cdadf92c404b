"""A workspace that was found to be sound loads without its checks, until anything changes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import penstock
from penstock.adapters import own_code, workspace_memory
from penstock.adapters.workspace_files import read_source
from penstock.adapters.workspace_memory import Documents, load_remembered
from penstock.model.errors import UsageError, WorkspaceInvalid
from penstock.workspace.load import load
from penstock.workspace.text import parse_toml

CASE = Path(__file__).parents[2] / "cases" / "workspace" / "design_examples"


def test_a_remembered_workspace_is_the_same_workspace(tmp_path: Path) -> None:
    source, memory = read_source(CASE), tmp_path / "cache" / "sound"
    expected = load(source, "production-us")
    assert load_remembered(source, "production-us", memory) == expected
    assert load_remembered(source, "production-us", memory) == expected
    assert len(memory.read_text().split()) == 1


def test_documents_are_parsed_once_whatever_else_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, memory = read_source(CASE), tmp_path / "sound"
    expected = load_remembered(source, "dev", memory)
    parsed: list[str] = []

    def noting(file: str, raw: str | bytes) -> object:
        parsed.append(file)
        return parse_toml(file, raw)

    monkeypatch.setattr(workspace_memory, "parse_toml", noting)
    assert load_remembered(source, "dev", memory) == expected
    assert parsed == []
    root = source.files["penstock.toml"]
    text = root if isinstance(root, str) else root.decode()
    changed = replace(source, files={**source.files, "penstock.toml": f"{text}\n# a remark\n"})
    assert load_remembered(changed, "dev", memory) == expected
    assert parsed == ["penstock.toml"]


def test_a_document_with_a_date_is_parsed_each_time_and_keeps_no_other_from_being_remembered(tmp_path: Path) -> None:
    first = Documents(tmp_path / "documents", "code")
    texts = {"a.toml": b"since = 2026-01-01\n", "b.toml": b'\xef\xbb\xbfname = "b"\r\n'}
    parsed = {file: first.parse(file, text) for file, text in texts.items()}
    first.save()
    second = Documents(tmp_path / "documents", "code")
    assert {file: second.parse(file, text) for file, text in texts.items()} == parsed
    assert parsed["b.toml"] == ({"name": "b"}, 'name = "b"\n')
    assert "2026" not in (tmp_path / "documents").read_text()
    assert '"b"' in (tmp_path / "documents").read_text()


def test_documents_that_somebody_wrote_over_are_parsed_anew(tmp_path: Path) -> None:
    source, memory = read_source(CASE), tmp_path / "sound"
    expected = load_remembered(source, "dev", memory)
    documents = tmp_path / "documents"
    documents.write_text(documents.read_text().replace("shop", "shed"))
    assert load_remembered(source, "dev", memory) == expected


def test_a_workspace_with_problems_is_never_remembered(tmp_path: Path) -> None:
    source, memory = read_source(CASE.parent / "unknown_keys"), tmp_path / "sound"
    for _ in range(2):
        with pytest.raises(WorkspaceInvalid):
            load_remembered(source, "dev", memory)
    assert not memory.exists()


def test_a_change_is_checked_again(tmp_path: Path) -> None:
    memory = tmp_path / "sound"
    load_remembered(read_source(CASE), "dev", memory)
    source = read_source(CASE.parent / "rest_timeout")
    with pytest.raises(WorkspaceInvalid):
        load_remembered(source, "dev", memory)


def test_a_memory_that_is_broken_or_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    source, memory = read_source(CASE), tmp_path / "sound"
    memory.write_bytes(b"\xff\x00")
    assert load_remembered(source, "dev", memory).name == "shop"
    assert load_remembered(source, "dev", tmp_path / "sound" / "below" / "a-file").name == "shop"


def test_an_unknown_environment_is_refused_of_a_remembered_workspace_too(tmp_path: Path) -> None:
    source = read_source(CASE)
    load_remembered(source, "dev", tmp_path / "sound")
    with pytest.raises(UsageError, match="no environment 'prod'"):
        load_remembered(source, "prod", tmp_path / "sound")


def test_a_remembered_workspace_loads_without_pydantic(tmp_path: Path) -> None:
    load_remembered(read_source(CASE), "dev", tmp_path / "sound")
    program = (
        "import sys; from pathlib import Path\n"
        "from penstock.adapters.workspace_files import read_source\n"
        "from penstock.adapters.workspace_memory import load_remembered\n"
        "load_remembered(read_source(Path(sys.argv[1])), 'dev', Path(sys.argv[2]))\n"
        "print('pydantic' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(CASE), str(tmp_path / "sound")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_another_version_of_penstock_believes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, memory = read_source(CASE), tmp_path / "sound"
    for version in ("1.0.0", "1.0.1"):
        monkeypatch.setattr(penstock, "__version__", version)
        own_code.stamp.cache_clear()
        load_remembered(source, "dev", memory)
    own_code.stamp.cache_clear()
    assert len(set(memory.read_text().split())) == 2
