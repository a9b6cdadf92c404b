"""Machines that lack something, and people who type something else: what is said, and that nothing is lost.

Every refusal says what is wrong and what to type or install next, ends with the right exit code, shows no traceback,
and leaves the workspace and the environment so that the same command works when the cause is gone.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import socket
import subprocess
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from disks import read_only
from journeys.shop import PENSTOCK, free_port, link_packages, put_back, well
from journeys.trouble import mark, marked, unsettled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journeys.conftest import Baseline
    from journeys.shop import Ended, Shop

PROGRAMS = (
    "git",
    "node",
    "npm",
    "npx",
    "pnpm",
    "uv",
    "terraform",
    "bash",
    "sh",
    "env",
    "ps",
    "uname",
    "cat",
    "dirname",
)
SETTINGS = "services/user_service/service.toml"


# ------------------------------------------------------------------------------------------ Terraform


def test_without_terraform_only_what_needs_it_is_refused(shop: Shop, tmp_path: Path) -> None:
    path = {"PATH": str(machine(tmp_path / "bin", without={"terraform"}))}
    assert "nothing to do" in well(shop.deploy(env=path)).stderr
    mark(shop, "without-terraform")
    well(shop.deploy(env=path))
    assert marked(shop) == "without-terraform"

    more_memory(shop)
    refused = shop.deploy(env=path)
    assert_told(refused, 1, "neither `terraform` nor `tofu` is on the path", "install Terraform ≥ 1.11 (https://")
    assert unsettled_lease(shop) == []


def test_a_terraform_that_is_too_old_is_named_with_its_version(shop: Shop, tmp_path: Path) -> None:
    folder = machine(tmp_path / "bin", without={"terraform"})
    program(folder / "terraform", """echo '{"terraform_version": "1.5.7", "platform": "linux_amd64"}'""")
    more_memory(shop)
    refused = shop.deploy(env={"PATH": str(folder)})
    assert_told(refused, 1, f"{folder}/terraform is 1.5.7, older than 1.11", "install Terraform ≥ 1.11 (https://")


def test_a_terraform_that_cannot_run_is_not_taken_for_one(shop: Shop, tmp_path: Path) -> None:
    folder = machine(tmp_path / "bin", without={"terraform"})
    program(folder / "terraform", "exit 127")
    more_memory(shop)
    refused = shop.deploy(env={"PATH": str(folder)})
    assert_told(refused, 1, f"{folder}/terraform does not answer `version`", "PENSTOCK_TERRAFORM")


def test_a_mirror_without_the_provider_is_refused_by_name(shop: Shop, tmp_path: Path) -> None:
    more_memory(shop)
    refused = shop.deploy(env={"PENSTOCK_TERRAFORM_MIRROR": str(tmp_path)})
    assert_told(refused, 1, f"in {tmp_path}", "hashicorp/aws", "at PENSTOCK_TERRAFORM_MIRROR")


def test_a_provider_that_is_nowhere_to_be_had_says_where_it_was_looked_for(shop: Shop, tmp_path: Path) -> None:
    more_memory(shop)
    shutil.rmtree(shop.root / "infra/environments/dev/.terraform")
    empty = tmp_path / "mirror"
    empty.mkdir()
    config = tmp_path / "cli.tfrc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{empty}"\n  }}\n}}\n')
    refused = shop.deploy(env={"TF_CLI_CONFIG_FILE": str(config)})
    assert_told(
        refused, 1, f"Terraform cannot get its provider (from {config})", "set PENSTOCK_TERRAFORM_MIRROR", str(config)
    )
    well(shop.deploy())


# ------------------------------------------------------------------------------------------ other programs, ports


def test_without_node_packages_cannot_be_installed_and_the_rest_goes_on(shop: Shop, tmp_path: Path) -> None:
    path = {"PATH": str(machine(tmp_path / "bin", without={"node", "npm", "npx", "pnpm"}))}
    assert "nothing to do" in well(shop.deploy(env=path)).stderr
    shop.append("services/catalog_service/src/app.ts", "\nexport const withoutNode = 1;\n")
    # Somebody touched the packages: the build cannot trust them any more, and installing takes Node.
    (shop.root / "node_modules/.modules.yaml").touch()
    refused = shop.deploy(env=path)
    assert_told(refused, 1, "node", "install")
    well(shop.deploy())


def test_a_lock_that_is_not_there_is_asked_for(shop: Shop) -> None:
    (shop.root / "pnpm-lock.yaml").unlink()
    refused = shop.deploy()
    assert_told(refused, 1, "there is no pnpm-lock.yaml, package-lock.json or yarn.lock", "pnpm install")
    assert shop.get("/users/health").status == 200


def test_a_stale_lock_says_how_to_renew_it(shop: Shop) -> None:
    manifest = "services/user_service/pyproject.toml"
    shop.edit(manifest, "dependencies = [", 'dependencies = [\n  "idna>=3",')
    refused = shop.deploy()
    assert_told(refused, 1, "the lock does not fit the manifests any more", "uv lock")


def test_a_port_that_a_stranger_holds_is_said_to_be_taken(empty_workspace: Shop) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as stranger:
        port = stranger.getsockname()[1]
        refused = empty_workspace.deploy(env={"PENSTOCK_LOCAL_PORT": str(port)})
    assert_told(refused, 1, f"port {port} is taken by another program", f"PENSTOCK_LOCAL_PORT={port + 1} penstock")


def test_a_port_that_another_workspace_holds_is_said_to_be_its(shop: Shop, empty_workspace: Shop) -> None:
    refused = empty_workspace.deploy(env={"PENSTOCK_LOCAL_PORT": str(shop.port)})
    assert_told(
        refused,
        1,
        f"port {shop.port} is taken by the embedded AWS of {shop.root}",
        f"penstock --workspace {shop.root} local stop",
    )


def test_what_is_not_a_port_is_refused(empty_workspace: Shop) -> None:
    refused = empty_workspace.deploy(env={"PENSTOCK_LOCAL_PORT": "http"})
    assert_told(refused, 1, "'http' is not a port", "PENSTOCK_LOCAL_PORT", "a number from 1 to 65535")


# ------------------------------------------------------------------------------------------ folders, git, home


def test_a_read_only_workspace_can_be_read_and_says_why_it_cannot_be_built(empty_workspace: Shop) -> None:
    with read_only(empty_workspace.root):
        well(empty_workspace.run("validate"))
        for verb in (("deploy", "-e", "dev"), ("build", "-e", "dev"), ("local", "start")):
            refused = empty_workspace.run(*verb)
            assert_told(refused, 1, str(empty_workspace.root), "writable")


def test_git_is_welcome_and_not_needed(shop: Shop, tmp_path: Path) -> None:
    mark(shop, "no-repository")
    well(shop.deploy())
    mark(shop, "no-git")
    well(shop.deploy(env={"PATH": str(machine(tmp_path / "bin", without={"git"}))}))
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit", "-qm", "The shop"),
    ):
        well(shop.command(("git", *arguments)))
    head = well(shop.command(("git", "rev-parse", "HEAD"))).stdout.strip()
    mark(shop, "committed")
    well(shop.deploy())
    releases = well(shop.run("releases", "-e", "dev", "--json")).events
    assert [release["commit"][:7] for release in releases][:3] == [head[:7], "", ""]
    shutil.rmtree(shop.root / ".git")


def test_home_is_not_needed(shop: Shop) -> None:
    mark(shop, "homeless")
    well(shop.command(("env", "-u", "HOME", str(PENSTOCK), "deploy", "-e", "dev")))
    assert marked(shop) == "homeless"


def test_a_path_with_blanks_and_letters_of_the_world_is_a_path(shop: Shop, baseline: Baseline, tmp_path: Path) -> None:
    elsewhere = replace(shop, root=tmp_path / "my shöp 店 'one'", port=free_port())
    put_all(baseline, shop, elsewhere)
    mark(elsewhere, "abroad")
    elsewhere.append("services/catalog_service/src/app.ts", "\nexport const abroad = 1;\n")
    try:
        well(elsewhere.deploy())
        assert unsettled(elsewhere, "abroad") == []
        assert elsewhere.get("/catalog/health").status == 200
        assert elsewhere.plan_status() == 0
    finally:
        elsewhere.stop()


# ------------------------------------------------------------------------------------------ what people type


def test_a_folder_without_a_workspace_says_what_is_missing(shop: Shop, tmp_path: Path) -> None:
    lost = replace(shop, root=tmp_path)
    assert_told(lost.deploy(), 2, "no penstock.toml here or in any folder above", f"at {tmp_path}", "--workspace")
    named = shop.run("deploy", "-e", "dev", "--workspace", str(tmp_path))
    assert_told(named, 2, "no penstock.toml in it", f"at {tmp_path}", "--workspace names its folder")


def test_an_unknown_environment_names_those_there_are(shop: Shop) -> None:
    assert_told(shop.deploy(environment="prod"), 2, "prod", "dev", "staging", "production")
    assert_told(shop.run("deploy"), 2, "which environment?", "add -e dev|production|staging")


@pytest.mark.parametrize(
    ("typed", "shown", "meant"),
    [
        (("depoly",), "depoly", "penstock deploy"),
        (("up",), "up", "penstock deploy"),
        (("undo",), "undo", "penstock rollback"),
        (("local", "strat"), "penstock local strat", "penstock local start"),
    ],
)
def test_a_mistyped_verb_is_answered_with_the_one_that_may_be_meant(
    shop: Shop, typed: tuple[str, ...], shown: str, meant: str
) -> None:
    assert_told(shop.run(*typed), 2, f"there is no verb '{shown}'", f"did you mean: {meant}")


def test_a_mistyped_flag_or_service_is_refused_before_anything_happens(shop: Shop) -> None:
    assert_told(shop.deploy("--plan-onyl"), 2, "--plan-onyl", "--plan-only")
    assert_told(shop.deploy("--service", "users"), 2, "there is no service users", "user_service")


# ------------------------------------------------------------------------------------------ pipes and terminals


def test_a_reader_that_goes_away_costs_nothing(shop: Shop) -> None:
    mark(shop, "unheard")
    script = 'set -o pipefail; "$0" deploy -e dev --json | head -n 1'
    ended = shop.command(("bash", "-c", script, str(PENSTOCK)))
    assert ended.status == 141, ended
    assert "Traceback" not in ended.stderr, ended
    assert json.loads(ended.stdout)["event"]
    well(shop.deploy())
    assert unsettled(shop, "unheard") == []
    listed = shop.command(("bash", "-c", '"$0" releases -e dev | true', str(PENSTOCK)))
    assert "Traceback" not in listed.stderr
    assert "Exception" not in listed.stderr


def test_json_is_ndjson_and_nothing_else_on_standard_output(shop: Shop) -> None:
    mark(shop, "as-json")
    told = well(shop.deploy("--json"))
    events = told.events
    assert told.stderr == ""
    assert events[-1]["event"] == "result"
    assert {"step-started", "step-finished", "traffic-moved"} <= {event["event"] for event in events}
    for ended, status in ((shop.deploy("--json", environment="prod"), 2), (shop.run("depoly", "--json"), 2)):
        assert ended.status == status, ended
        assert "Traceback" not in ended.stderr
        assert ended.stderr.startswith("error: ")
        assert all(event["event"] for event in ended.events)
    failed = shop.deploy("--json", "--service", "users").events[-1]
    assert failed["event"] == "error"
    assert failed["exit_code"] == 2
    assert "user_service" in failed["hint"]


def test_colours_are_for_terminals_that_want_them(shop: Shop) -> None:
    plain = {name: value for name, value in shop.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    coloured = on_a_terminal(shop, plain, "deploy", "-e", "prod")
    assert "\033[31m" in coloured
    for extra in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\033[3" not in on_a_terminal(shop, plain | extra, "deploy", "-e", "prod")
    assert "\033[3" not in on_a_terminal(shop, plain, "deploy", "-e", "prod", "--no-color")
    piped = shop.deploy(environment="prod", env={"NO_COLOR": "", "TERM": "xterm-256color"})
    assert "\033" not in piped.stderr


def test_without_a_terminal_nobody_is_asked(shop: Shop) -> None:
    refused = shop.deploy(environment="production")
    assert_told(refused, 6, "approv", "--auto-approve")
    assert shop.get("/users/health", environment="production").status >= 400


# ------------------------------------------------------------------------------------------ helpers


def assert_told(ended: Ended, status: int, *texts: str) -> None:
    """The command ended so, with these words for a person and no traceback."""
    assert ended.status == status, ended
    assert "error: " in ended.stderr or "problem" in ended.stderr, ended
    assert "Traceback" not in ended.stderr, ended
    assert "fault of Penstock" not in ended.stderr, ended
    for text in texts:
        assert text in ended.stderr, ended


def machine(folder: Path, *, without: set[str]) -> Path:
    """A folder that holds links to the programs of this machine but for some: a whole PATH."""
    folder.mkdir()
    for name in (*PROGRAMS, "python3"):
        found = shutil.which(name)
        if found and name not in without:
            (folder / name).symlink_to(found)
    return folder


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def more_memory(shop: Shop) -> None:
    """A change that Terraform has to make."""
    shop.write(SETTINGS, f"memory = 320\n{(shop.root / SETTINGS).read_text()}")


def unsettled_lease(shop: Shop) -> list[str]:
    held = ("the lease is held", "Terraform's state is locked")
    return [problem for problem in unsettled(shop, marked(shop)) if problem.startswith(held)]


@pytest.fixture
def empty_workspace(shop: Shop, baseline: Baseline, tmp_path: Path) -> Iterator[Shop]:
    """The shop's files, as they were built, on a port where nothing runs and nothing is deployed."""
    fresh = replace(shop, root=tmp_path / "fresh", port=free_port())
    put_all(baseline, shop, fresh)
    yield fresh
    fresh.stop()


def put_all(baseline: Baseline, shop: Shop, other: Shop) -> None:
    """The files of the baseline in another place, with the packages that pnpm installed."""
    other.root.mkdir()
    put_back(baseline.first.files, other.root)
    link_packages(shop.root, other.root)


def on_a_terminal(shop: Shop, environ: dict[str, str], *arguments: str) -> str:
    """What the command shows on a terminal of its own."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [str(PENSTOCK), *arguments], cwd=shop.root, env=environ, stdin=there, stdout=there, stderr=there
    )
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
    process.wait(timeout=60)
    return shown.decode(errors="replace")
