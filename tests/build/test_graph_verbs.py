"""`penstock why`, `size` and `cache`: what people read, what programs read, and how they end."""

from __future__ import annotations

import json
import os
import platform
import pty
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from build.mixed import PENSTOCK

from penstock.cli.run import run
from penstock.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from build.mixed import Mixed

    Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(mixed: Mixed, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Exit code, standard output and standard error of a verb in the workspace."""

    def asked(*words: str) -> tuple[int, str, str]:
        status = run(["--workspace", str(mixed.root), *words], Settings(environ={}))
        heard = capsys.readouterr()
        return status, heard.out, heard.err

    return asked


def edit(mixed: Mixed, path: str, old: str, new: str) -> None:
    text = (mixed.root / path).read_text()
    assert old in text, path
    (mixed.root / path).write_text(text.replace(old, new, 1))


def add(mixed: Mixed, path: str, text: str) -> None:
    with (mixed.root / path).open("a") as file:
        file.write(text)


def on_a_terminal(mixed: Mixed, *words: str) -> str:
    here, there = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    environ |= {"COLUMNS": "100"}
    process = subprocess.Popen([PENSTOCK, *words], cwd=mixed.root, env=environ, stdin=there, stdout=there, stderr=there)
    os.close(there)
    shown = b""
    while True:
        try:
            more = os.read(here, 65536)
        except OSError:  # Linux: nobody holds the other end any more
            break
        if not more:
            break
        shown += more
    os.close(here)
    assert process.wait(timeout=60) == 0
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "")


# ------------------------------------------------------------------------------------------ why


def test_why_says_that_a_service_is_up_to_date_or_was_never_built(mixed: Mixed, ask: Ask) -> None:
    assert ask("why", "users") == (0, "users is up to date\n", "")
    shutil.rmtree(mixed.cache)
    assert ask("why", "users") == (0, "users was not built here yet\n", "")
    status, out, _ = ask("--json", "why", "users")
    assert (status, json.loads(out)) == (0, {"event": "reason", "unit": "users", "state": "never", "changes": []})


def test_why_names_files_packages_with_their_versions_options_handlers_and_the_target(mixed: Mixed, ask: Ask) -> None:
    add(mixed, "services/users/src/users/app.py", "x = 1\n")
    add(mixed, "packages/common/src/common/words.txt", "more\n")
    edit(mixed, "uv.lock", 'name = "idna"\nversion = "3.10"', 'name = "idna"\nversion = "3.9"')
    edit(mixed, "services/users/service.toml", "users.app.handler", "users.app.other")
    add(mixed, "services/users/service.toml", 'architecture = "arm64"\n[build]\nbytecode = true\n')
    add(mixed, "services/users/src/users/app.py", "other = handler\n")
    expected = [
        "changed  handler users users.app.handler → users.app.other",
        "changed  lock idna 3.10 → 3.9",
        "added    option bytecode True",
        "changed  package packages/common: src/common/words.txt",
        "changed  source src/users/app.py",
        "changed  target python3.11/x86_64 linux → python3.11/arm64 linux",
        f"added    tool python for bytecode Python {platform.python_version()}",
    ]
    status, out, _ = ask("why", "users")
    assert status == 0
    assert out.splitlines() == ["users will be built: 7 of its inputs changed", *(f"  {line}" for line in expected)]
    status, out, _ = ask("--json", "why", "users")
    (reason,) = (json.loads(line) for line in out.splitlines())
    assert {"input": "lock idna", "what": "changed", "before": "3.10", "now": "3.9"} in reason["changes"]
    assert reason["state"] == "stale"
    assert ask("why", "orders")[1] == "orders is up to date\n", "it reaches none of that"


def test_why_names_the_packages_in_which_a_lock_that_counts_whole_differs(mixed: Mixed, ask: Ask) -> None:
    lock = json.loads((mixed.root / "package-lock.json").read_text())
    lock["packages"]["node_modules/esbuild"]["version"] = "0.28.1"
    (mixed.root / "package-lock.json").write_text(json.dumps(lock))
    status, out, _ = ask("why", "catalog")
    assert status == 0
    assert out.splitlines() == [
        "catalog will be built: 2 of its inputs changed",
        "  changed  lock package-lock.json",
        "  changed  lock esbuild 0.28.2 → 0.28.1",
    ]


def test_why_remembers_what_made_the_last_build_differ(mixed: Mixed, ask: Ask) -> None:
    add(mixed, "services/orders/src/orders/app.py", "x = 1\n")
    mixed.built("orders")
    assert ask("why", "orders")[1].splitlines() == [
        "orders is up to date; its last build differed from the one before by",
        "  changed  source src/orders/app.py",
    ]


def test_of_what_was_built_the_last_two_recipes_are_kept(mixed: Mixed) -> None:
    for number in range(4):
        add(mixed, "services/orders/src/orders/app.py", f"x = {number}\n")
        mixed.built("orders")
    # Two of orders, and the only one of each of the others.
    assert len(list((mixed.cache / "v1/index/recipe").iterdir())) == 5


# ------------------------------------------------------------------------------------------ names that are none


@pytest.mark.parametrize("verb", ["why", "size", "build"])
def test_a_service_that_is_not_there_is_a_usage_error_that_names_a_near_one(ask: Ask, verb: str) -> None:
    status, out, err = ask(verb, "user")
    assert (status, out) == (2, "")
    assert err == "error: there is no service named user\n  → did you mean: users\n"
    assert ask(verb, "zzz")[2].endswith("→ one of: catalog, legacy, orders, users\n")


@pytest.mark.parametrize("verb", ["why", "size"])
def test_the_words_of_build_are_no_services(ask: Ask, verb: str) -> None:
    for word in ("packages", "services"):
        assert ask(verb, word)[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cache", "prnue"), "did you mean: penstock cache prune"),
        (("cache", "prune", "--limit", "-1"), "-1 is not in the range x>=0"),
        (("cache", "prune", "--limit", "much"), "'much' is not a valid integer"),
        (("size", "users", "--depth", "0"), "0 is not in the range x>=1"),
        (("why",), "Missing argument 'SERVICE'"),
        (("affected",), "Missing option '--since'"),
    ],
)
def test_what_is_said_wrongly_is_answered_with_what_is_right(ask: Ask, words: tuple[str, ...], said: str) -> None:
    status, out, err = ask(*words)
    assert (status, out) == (2, "")
    assert said in err


# ------------------------------------------------------------------------------------------ size


def test_size_is_a_tree_whose_branches_add_up(ask: Ask) -> None:
    status, out, _ = ask("size", "users", "--depth", "3")
    assert status == 0
    title, whole, *lines = out.splitlines()
    assert title.split() == ["path", "zipped", "share", "unzipped", "files"]
    assert whole.split()[0] == "users"
    assert "100%" in whole
    assert any(re.match(r"├─ idna +\d", line) for line in lines)
    assert any(line.startswith("│  ├─ ") for line in lines)
    assert any(line.startswith("└─ ") for line in lines)
    assert len({line.rstrip()[-1:].isdigit() for line in lines}) == 1

    status, out, _ = ask("--json", "size", "users", "--depth", "3")
    rows = [row for row in map(json.loads, out.splitlines()) if row["event"] == "weight"]
    assert rows[0] | {"zipped": 0, "unzipped": 0, "files": 0} == {
        "event": "weight", "unit": "users", "path": "", "depth": 0, "zipped": 0, "unzipped": 0, "files": 0, "others": 0
    }  # fmt: skip
    for measure in ("zipped", "unzipped", "files"):
        assert sum(row[measure] for row in rows if row["depth"] == 1) == rows[0][measure]
    assert all(type(row["zipped"]) is int for row in rows)


def test_size_builds_what_is_not_up_to_date_and_shows_each_function_that_has_a_zip(mixed: Mixed, ask: Ask) -> None:
    shutil.rmtree(mixed.cache / "v1/index/artifact")
    status, out, err = ask("size", "catalog")
    assert status == 0
    assert "✓ catalog: " in err
    assert out.splitlines()[1].startswith("catalog ")
    assert out.splitlines()[-1].split()[:2] == ["└─", "app.mjs"]


def test_on_a_terminal_the_tree_keeps_its_shape(mixed: Mixed) -> None:
    shown = on_a_terminal(mixed, "size", "users")
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    assert re.match(r"path +zipped +share +unzipped +files$", lines[0].strip()), shown
    assert lines[1].startswith("users ")
    assert any(line.startswith("├─ idna") for line in lines), shown


# ------------------------------------------------------------------------------------------ cache


def test_cache_info_counts_what_is_there(mixed: Mixed, ask: Ask) -> None:
    status, out, err = ask("cache", "info")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == str(mixed.cache / "v1")
    assert re.fullmatch(
        r"4 artifacts and \d+ parts of them: [\d.]+ kB of the 4\.3 GB that a build leaves", out.splitlines()[1]
    )
    status, out, _ = ask("--json", "cache", "info")
    found: dict[str, Any] = json.loads(out)
    assert (status, found["event"], found["version"], found["artifacts"]) == (0, "cache", "v1", 4)
    assert found["size"] == sum(path.stat().st_size for path in (mixed.cache / "v1/zips").glob("*.zip"))


def test_cache_info_of_a_workspace_that_was_never_built_is_empty(mixed: Mixed, ask: Ask) -> None:
    shutil.rmtree(mixed.cache)
    status, out, err = ask("cache", "info")
    assert (status, err) == (0, "")
    assert "0 artifacts and 0 parts of them: 0 B" in out
    assert ask("cache", "prune")[0] == 0


def test_cache_prune_says_what_went_and_what_stays_and_why(mixed: Mixed, ask: Ask) -> None:
    mixed.built()
    status, out, err = ask("cache", "prune", "--limit", "0")
    assert (status, out) == (0, "")
    assert re.fullmatch(r"[\d.]+ kB stay: all of it was used within the last hour\n", err)
    assert re.fullmatch(r"nothing to do: what is there fits, [\d.]+ kB of 4\.3 GB\n", ask("cache", "prune")[2])
    for path in (mixed.cache / "v1").rglob("*"):
        os.utime(path, (1, 1))
    status, out, _ = ask("--json", "cache", "prune", "--limit", "0")
    went = json.loads(out)
    assert went["event"] == "cache-pruned"
    assert went["deleted"] > 0
    assert went["left"] == 0
    assert not list((mixed.cache / "v1/zips").iterdir())
    assert mixed.torn() == []
