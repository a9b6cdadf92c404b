"""The ports to this machine's programs, and a cache that others use, break and kill at the same time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.sites import Site, Wall, alive, eventually, service, workspace

from penstock.adapters.builder_cache import ZipCache
from penstock.adapters.builder_files import SourceFiles
from penstock.adapters.commands import RealCommands
from penstock.adapters.interpreters import RealInterpreters
from penstock.adapters.publish import sealed, unsealed
from penstock.build.archive import pack
from penstock.model.errors import BuildFailed, ToolMissing
from penstock.ports import Command, Commands, Interpreters

if TYPE_CHECKING:
    from penstock.ports import CommandResult


def test_the_real_adapters_are_the_ports() -> None:
    assert isinstance(RealCommands(), Commands)
    assert isinstance(RealInterpreters(RealCommands(), Path("x")), Interpreters)


def test_a_program_is_run_with_its_folder_environment_and_input(tmp_path: Path) -> None:
    result = RealCommands().run(
        Command(argv=("sh", "-c", 'pwd; echo "$COLOUR"; cat; echo oops >&2; exit 3'), cwd=tmp_path,
                env={"COLOUR": "blue"}, stdin="typed")
    )  # fmt: skip
    assert (result.status, result.stdout, result.stderr) == (3, f"{tmp_path}\nblue\ntyped", "oops\n")


def test_a_program_that_asks_finds_nobody() -> None:
    assert RealCommands().run(Command(argv=("sh", "-c", "read x || echo nobody"))).stdout == "nobody\n"


def test_a_missing_program_is_named_without_its_arguments() -> None:
    with pytest.raises(ToolMissing) as caught:
        RealCommands().run(Command(argv=("no-such-program", "--token", "s3cr3t")))
    assert "no-such-program" in caught.value.what
    assert "s3cr3t" not in str(caught.value)


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"trap '' TERM; sleep 60 & echo $! > {note}; wait; sleep 60"
    with pytest.raises(TimeoutError, match=r"^sh did not end within 0\.5 s$"):
        RealCommands().run(Command(argv=("sh", "-c", script), timeout=0.5))
    child = int(note.read_text())
    assert eventually(lambda: not alive(child))


def test_a_program_that_nobody_wants_any_more_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {note}; wait"
    with pytest.raises(InterruptedError, match=r"^sh was stopped$"):
        RealCommands().run(Command(argv=("sh", "-c", script), timeout=60, unwanted=note.exists))
    child = int(note.read_text())
    assert eventually(lambda: not alive(child))


def test_stopping_ends_what_other_threads_run_and_starts_nothing_any_more() -> None:
    commands = RealCommands()
    results: list[CommandResult] = []
    thread = threading.Thread(target=lambda: results.append(commands.run(Command(argv=("sleep", "60")))))
    thread.start()
    assert eventually(lambda: len(commands._running) == 1)
    commands.stop()
    thread.join(10)
    assert results[0].status == -signal.SIGTERM
    with pytest.raises(InterruptedError):
        commands.run(Command(argv=("true",)))


class Counting(RealCommands):
    """Counts what is run."""

    count = 0

    def run(self, command: Command) -> CommandResult:
        self.count += 1
        return super().run(command)


def test_an_interpreter_is_run_once_and_remembered_until_it_changes(tmp_path: Path) -> None:
    runtime = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    memory = tmp_path / "memory.json"
    first = RealInterpreters(RealCommands(), memory).find(runtime)
    assert first is not None
    again = Counting()
    assert RealInterpreters(again, memory).find(runtime) == first
    assert again.count == 0
    asked = subprocess.run([first, "-c", "import sys; print(sys.prefix == sys.base_prefix)"], capture_output=True,
                           text=True, check=True)  # fmt: skip
    assert asked.stdout == "True\n", "a virtual environment's packages would leak into functions"


def test_programs_that_only_look_like_an_interpreter_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("python3.99", "#!/bin/sh\necho pyenv: not found >&2\nexit 127\n"), ("node", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    interpreters = RealInterpreters(RealCommands(), tmp_path / "memory.json")
    assert interpreters.find("python3.99") is None
    assert interpreters.find("ruby3.3") is None
    assert interpreters.find("python3.99; rm -rf /") is None
    assert interpreters.host_architecture() in {"x86_64", "arm64"}


def test_a_memory_that_is_broken_or_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    memory.write_text("{ not json")
    assert RealInterpreters(RealCommands(), memory).find("nodejs1.x") is None
    assert RealInterpreters(RealCommands(), Path("/proc/nowhere/memory.json")).find("nodejs1.x") is None


def zips(folder: Path) -> ZipCache:
    return ZipCache(folder, SourceFiles(folder, folder / "files.json", Wall()))


def test_builders_that_make_the_same_thing_at_once_agree(tmp_path: Path) -> None:
    members = [pack(f"f{number}.txt", b"x" * number) for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda _: zips(tmp_path).put("artifact", "key", members), range(16)))
    assert len({entry.digest for entry in entries}) == 1
    assert zips(tmp_path).get("artifact", "key") == entries[0]
    assert not list((tmp_path / "v1/tmp").iterdir())


def test_threads_that_want_the_same_thing_make_it_once(tmp_path: Path) -> None:
    cache = zips(tmp_path)
    made = []

    def make() -> list[object]:
        made.append(1)
        time.sleep(0.05)
        return []

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: cache.get_or_make("wheel", "k", make), range(4)))  # type: ignore[arg-type]
    assert made == [1]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"digest": 1}', '{"digest": "ab", "size": "x", "unzipped": 1}'])
def test_a_broken_record_is_no_hit(tmp_path: Path, text: str) -> None:
    cache = zips(tmp_path)
    cache.put("artifact", "key", [pack("a", b"1")])
    (tmp_path / "v1/index/artifact/key.json").write_text(text)
    assert cache.get("artifact", "key") is None


def test_a_cache_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "v1").write_text("a file where the folder should be")
    with pytest.raises(BuildFailed, match="cannot write to the build cache"):
        zips(tmp_path).put("artifact", "key", [pack("a", b"1")])


def test_a_build_that_is_killed_at_any_moment_leaves_no_wrong_artifact(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("plain", "app.handler")))
    site.write({"services/plain/app.py": "def handler(e, c): ...\n"})
    site.write({f"services/plain/data/{number}.txt": f"{number}\n" * 4000 for number in range(200)})
    expected = site.build()["plain"]
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\nfrom build.sites import Site, service, workspace\n"
        "Site(Path(sys.argv[1]), workspace(service('plain', 'app.handler'))).build()\n"
    )
    here = str(Path(__file__).parents[1])
    for delay in (0.15, 0.25, 0.3, 0.35, 0.4):
        site.builder().forget()
        process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), here])
        time.sleep(delay)
        process.kill()
        process.wait()
        for record in (site.cache / "v1/index/artifact").glob("*.json"):
            digest = json.loads(record.read_text())["digest"]
            assert digest == expected.digest
        assert site.build()["plain"].digest == expected.digest


def test_what_is_known_of_contents_that_have_long_gone_does_not_pile_up(tmp_path: Path) -> None:
    memory = tmp_path / "files.json"
    files = SourceFiles(tmp_path, memory, Wall())
    files.remember("built users", {"recipe": "ab"})
    files.save()
    kept = json.loads(unsealed(memory.read_bytes()))
    kept["facts"] |= {f"syntax {number}": 1 for number in range(400_000)}
    memory.write_bytes(sealed(json.dumps(kept).encode()))
    files = SourceFiles(tmp_path, memory, Wall())
    files.remember("built orders", {"recipe": "cd"})
    files.save()
    again = SourceFiles(tmp_path, memory, Wall())
    assert again.recall("built users") == {"recipe": "ab"}
    assert memory.stat().st_size < 1000


def test_a_memory_of_which_a_letter_has_changed_is_none(tmp_path: Path) -> None:
    memory = tmp_path / "files.json"
    files = SourceFiles(tmp_path, memory, Wall())
    files.remember("built users", {"recipe": "ab"})
    files.save()
    memory.write_bytes(memory.read_bytes().replace(b'"ab"', b'"ac"'))
    assert SourceFiles(tmp_path, memory, Wall()).recall("built users") is None


def test_a_note_that_was_changed_or_is_another_ones_is_none(tmp_path: Path) -> None:
    cache = zips(tmp_path)
    cache.keep_note("export", "key", {"text": "idna==3.10"})
    cache.keep_note("export", "other", {"text": "idna==3.7"})
    assert cache.note("export", "key") == {"text": "idna==3.10"}
    notes = tmp_path / "v1/index/export"
    shutil.copyfile(notes / "other.json", notes / "key.json")
    assert cache.note("export", "key") is None
    (notes / "other.json").write_text((notes / "other.json").read_text().replace("3.7", "3.8"))
    assert cache.note("export", "other") is None
