"""A workspace that was opened before is not read again, until anything that it came of has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.adapters import workspace_files
from penstock.adapters.clock import SystemClock
from penstock.adapters.workspace_files import look_at, read_source
from penstock.adapters.workspace_opened import Opened
from penstock.model.errors import PenstockError, UsageError, WorkspaceInvalid
from penstock.workspace.load import environments, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.model.workspace import Workspace

CASE = Path(__file__).parents[2] / "cases" / "workspace" / "design_examples"
SHOP = Path(__file__).parents[3] / "examples" / "shop"
TICK = 0.02
"""Seconds, longer than the file system's clock stands still."""


class Later(SystemClock):
    """A clock by which everything was written long ago."""

    def now(self) -> float:
        return super().now() + 60


def opened(root: Path, environment: str = "dev") -> Opened:
    return Opened(root, environment, root / ".penstock" / "cache", Later())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The shop of the design, with a memory of it."""
    shutil.copytree(CASE, tmp_path / "shop")
    opened(tmp_path / "shop").workspace()
    return tmp_path / "shop"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The roots that are read from now on."""
    found: list[Path] = []

    def noting(root: Path) -> object:
        found.append(root)
        return look_at(root)

    monkeypatch.setattr(workspace_files, "look_at", noting)
    return found


@pytest.mark.parametrize("example", [CASE, SHOP])
def test_each_environment_is_remembered_as_it_is(example: Path, tmp_path: Path, reads: list[Path]) -> None:
    root = tmp_path / "shop"
    shutil.copytree(example, root, ignore=shutil.ignore_patterns(".*", "node_modules"))
    source = read_source(root)
    reads.clear()
    for environment in environments(source):
        expected = load(source, environment)
        assert [opened(root, environment).workspace() for _ in range(3)] == [expected] * 3
    assert reads == [root] * len(environments(source))


def manifest(root: Path) -> Path:
    return root / "services" / "mail_service" / "service.toml"


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a manifest": lambda root: append(manifest(root), "\n# longer\n"),
    "a manifest, size and time as before": lambda root: same_size_and_time(manifest(root)),
    "a manifest that another file takes the place of": lambda root: replaced(manifest(root)),
    "penstock.toml": lambda root: append(root / "penstock.toml", "\n[tables.more]\nkey = { id = 'S' }\n"),
    "a service that comes": lambda root: shutil.copytree(
        root / "services" / "user_service", root / "services" / "other_service"
    ),
    "a service that goes": lambda root: shutil.rmtree(root / "services" / "user_service"),
    "a folder that is renamed": lambda root: (root / "services" / "user_service").rename(
        root / "services" / "people_service"
    ),
    "a handler's file that goes": lambda root: (root / "services" / "order_service" / "orders.py").unlink(),
    "a file deep in a service": lambda root: (root / "services" / "mail_service" / "mail" / "new.py").touch(),
    "a verification's event that goes": lambda root: shutil.rmtree(root / "services" / "mail_service" / "events"),
    "a language's manifest that comes": lambda root: (
        root / "services" / "order_service" / "requirements.txt"
    ).write_text("httpx\n"),
    "the root's package.json that comes": lambda root: (root / "package.json").write_text('{"name": "shop"}'),
    "the packages' folder that comes": lambda root: package(root / "packages" / "words"),
    "a smoke test that goes": lambda root: (root / "scripts" / "smoke.sh").unlink(),
}


def same_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_text(path.read_text().replace("mail", "male"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def replaced(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_text(path.read_text())
    other.replace(path)


def package(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "words"\nversion = "1"\n')


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_changes_is_read(change: Callable[[Path], object], root: Path, reads: list[Path]) -> None:
    opened(root).workspace()
    assert reads == []
    time.sleep(TICK)
    change(root)
    assert outcome(opened(root).workspace) == outcome(lambda: load(read_source(root), "dev"))
    assert reads == [root, root]


def outcome(action: Callable[[], Workspace]) -> object:
    """The workspace, or what is wrong with it."""
    try:
        return action()
    except WorkspaceInvalid as error:
        return error.problems
    except PenstockError as error:
        return (error.what, error.where)


def test_what_a_link_leads_to_counts(tmp_path: Path, reads: list[Path]) -> None:
    root = tmp_path / "shop"
    shutil.copytree(CASE, root)
    shared = root / "shared"
    shared.mkdir()
    (root / "services" / "order_service" / "link").symlink_to(shared / "words.py")
    opened(root).workspace()
    opened(root).workspace()
    assert reads == [root]
    time.sleep(TICK)
    (shared / "words.py").mkdir()
    opened(root).workspace()
    assert reads == [root, root]


def test_another_place_is_another_workspace(root: Path, reads: list[Path]) -> None:
    moved = root.with_name("moved")
    root.rename(moved)
    assert opened(moved).workspace() == load(read_source(moved), "dev")
    assert reads == [moved, moved]


def test_what_was_changed_a_moment_ago_is_not_kept(tmp_path: Path, reads: list[Path]) -> None:
    """It may be changed again without a trace in its times."""
    root = tmp_path / "shop"
    shutil.copytree(CASE, root)
    now = Opened(root, "dev", root / ".penstock" / "cache", SystemClock())
    append(manifest(root), "\n")
    now.workspace()
    now.workspace()
    assert reads == [root, root]


def test_an_environment_that_is_gone_is_refused(root: Path) -> None:
    opened(root, "staging").workspace()
    text = (root / "penstock.toml").read_text()
    (root / "penstock.toml").write_text(text.replace("[environments.staging]", "[environments.stage]"))
    with pytest.raises(UsageError, match="no environment 'staging'"):
        opened(root, "staging").workspace()


def test_a_memory_that_somebody_wrote_over_is_done_without(root: Path, reads: list[Path]) -> None:
    expected = load(read_source(root), "dev")
    reads.clear()
    (memory,) = (root / ".penstock" / "cache").glob("opened-*")
    kept = memory.read_text()
    for text in ("", "\n\n\n", kept[: len(kept) // 2], kept.replace("order_service", "other_service"), "\x00" * 90):
        memory.write_text(text)
        assert opened(root).workspace() == expected
    memory.write_bytes(b"\xff\xfe")
    assert opened(root).workspace() == expected
    assert len(reads) == 6


def test_a_cache_that_cannot_be_written_costs_time_only(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere = Opened(root, "dev", tmp_path / "file" / "cache", Later())
    assert [nowhere.workspace(), nowhere.workspace()] == [load(read_source(root), "dev")] * 2


def test_a_workspace_with_problems_is_never_remembered(root: Path, reads: list[Path]) -> None:
    append(manifest(root), "\nmemorry = 1\n")
    for _ in range(2):
        with pytest.raises(WorkspaceInvalid):
            opened(root).workspace()
    assert reads == [root, root]


def test_what_json_would_not_give_back_is_read_each_time(
    root: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load(read_source(root), "dev")
    odd = replace(plain, tags={"": "no name"})
    monkeypatch.setattr("penstock.adapters.workspace_opened.load_remembered", lambda *_: odd)
    append(manifest(root), "\n")
    reads.clear()
    assert [opened(root).workspace() for _ in range(2)] == [odd, odd]
    assert len(reads) == 2


def test_a_remembered_workspace_opens_without_what_reads_one(root: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from penstock.adapters.clock import SystemClock\n"
        "from penstock.adapters.workspace_opened import Opened\n"
        "root = Path(sys.argv[1])\n"
        "Opened(root, 'dev', root / '.penstock' / 'cache', SystemClock()).workspace()\n"
        "print([name for name in ('pydantic', 'penstock.adapters.workspace_files') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


EDITS = st.sampled_from(["service", "source", "root", "link", "package", "away", "requirement"])


@settings(max_examples=8, deadline=None)
@given(edits=st.lists(st.tuples(EDITS, st.integers(0, 2)), min_size=1, max_size=6))
def test_whatever_is_edited_it_opens_as_if_for_the_first_time(edits: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        (root / "penstock.toml").write_text(
            '[workspace]\nname = "w"\nservices = ["services/*"]\npackages = ["libs/*"]\n'
            '[environments.dev]\nendpoint = "local"\naccount = "111111111111"\n'
        )
        for number in range(2):
            edit(root, "service", number, 0)
        for count, (what, number) in enumerate(edits, 1):
            outcome(opened(root).workspace)
            time.sleep(TICK)
            edit(root, what, number, count)
            assert outcome(opened(root).workspace) == outcome(lambda: load(read_source(root), "dev"))


def edit(root: Path, what: str, number: int, count: int) -> None:
    service = root / "services" / f"s{number}"
    service.mkdir(parents=True, exist_ok=True)
    if what == "root":
        append(root / "penstock.toml", f'[tables.t{count}]\nkey = {{ id = "S" }}\n')
    elif what == "package":
        shutil.rmtree(root / "libs" / f"l{number}", ignore_errors=True)
        package(root / "libs" / f"l{number}")
    elif what == "away":
        (service / "app" / "main.py").unlink(missing_ok=True)
    elif what == "link":
        (service / "main.py").unlink(missing_ok=True)
        (service / "main.py").symlink_to("app/main.py")
    elif what == "requirement":
        (service / "requirements.txt").write_text(f"words\nhttpx=={count}\n")
    else:
        (service / "app").mkdir(exist_ok=True)
        (service / "app" / "main.py").write_text("def handler(event, context): ...\n")
        if what == "service":
            manifest = f'handler = "app.main.handler"\nruntime = "python3.11"\nmemory = {128 + count}\n'
            (service / "service.toml").write_text(manifest)
