"""The Terraform port on the real program, with resources that need no provider."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.go_memory import memory_here, seldom_collecting
from penstock.adapters.terraform import TerraformCli
from penstock.model.errors import Interrupted, Locked, TerraformFailed
from penstock.model.events import Note, StepProgress
from penstock.testing.events import RecordedEvents

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.terraform

PLAIN = 'resource "terraform_data" "%s" {\n  input = "%s"\n}\n'
SLOW = """
resource "terraform_data" "first" {
  input = "1"
}
resource "terraform_data" "slow" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command = "touch started; sleep %s"
  }
}
"""


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


@pytest.fixture
def terraform(tmp_path: Path, events: RecordedEvents) -> TerraformCli:
    return TerraformCli(workspace=tmp_path, environ=os.environ, overrides={}, events=events)


def write(root: Path, text: str) -> None:
    (root / "main.tf").write_text('terraform {\n  backend "local" {}\n}\n' + text)


def state(root: Path) -> set[str]:
    document = json.loads((root / "terraform.tfstate").read_text())
    return {f"{resource['type']}.{resource['name']}" for resource in document["resources"]}


def test_a_saved_plan_is_applied_and_the_next_one_is_empty(
    terraform: TerraformCli, events: RecordedEvents, root: Path, tmp_path: Path
) -> None:
    write(root, PLAIN % ("a", "1") + PLAIN % ("b", "2"))
    terraform.prepare(root)
    plan = terraform.plan(root, out=tmp_path / "plans" / "p", variables={})
    assert plan.changed
    assert {change["address"] for change in plan.document["resource_changes"]} == {
        "terraform_data.a",
        "terraform_data.b",
    }
    terraform.apply(root, plan.path)
    assert state(root) == {"terraform_data.a", "terraform_data.b"}
    done = [event for event in events.seen if isinstance(event, StepProgress) and event.step == "terraform apply"]
    assert (done[-1].done, done[-1].total) == (2, 2)
    again = terraform.plan(root, out=tmp_path / "plans" / "p", variables={})
    assert not again.changed
    assert again.document == {"resource_changes": []}


def test_variables_reach_the_plan_and_a_stray_one_of_the_shell_does_not(tmp_path: Path, root: Path) -> None:
    write(root, 'variable "slot" {\n  default = null\n}\nresource "terraform_data" "a" {\n  input = var.slot\n}\n')
    environ = {**os.environ, "TF_VAR_slot": "production", "TF_CLI_ARGS_plan": "-destroy", "TF_DATA_DIR": "/nowhere"}
    terraform = TerraformCli(workspace=tmp_path, environ=environ, overrides={}, events=RecordedEvents())
    terraform.prepare(root)
    plain = terraform.plan(root, out=tmp_path / "p", variables={})
    assert plain.document["variables"]["slot"].get("value") is None
    chosen = terraform.plan(root, out=tmp_path / "p", variables={"slot": "staging"})
    assert chosen.document["variables"]["slot"]["value"] == "staging"


def test_init_runs_only_when_something_that_it_reads_has_changed(
    terraform: TerraformCli, events: RecordedEvents, root: Path
) -> None:
    def inits() -> int:
        before = len(events.seen)
        terraform.prepare(root)
        return len(events.seen) - before

    write(root, PLAIN % ("a", "1"))
    assert inits() > 0
    assert inits() == 0
    (root / "more.tf").write_text(PLAIN % ("more", "1"))
    assert inits() == 0
    module = root.parents[1] / "modules" / "m"
    module.mkdir(parents=True)
    (module / "main.tf").write_text(PLAIN % ("inner", "1"))
    (root / "more.tf").write_text('module "m" {\n  source = "../../modules/m"\n}\n')
    assert inits() > 0
    assert inits() == 0


def test_an_error_is_told_in_terraforms_words_with_its_place(
    terraform: TerraformCli, root: Path, tmp_path: Path
) -> None:
    write(root, PLAIN % ("a", "${terraform_data.missing.id}"))
    terraform.prepare(root)
    with pytest.raises(TerraformFailed) as caught:
        terraform.plan(root, out=tmp_path / "p", variables={})
    assert "undeclared resource" in caught.value.what
    assert "main.tf:" in caught.value.what
    assert caught.value.where == str(root)


def test_a_locked_state_says_who_holds_it_since_when_and_for_what(
    terraform: TerraformCli, root: Path, tmp_path: Path
) -> None:
    write(root, SLOW % "4")
    terraform.prepare(root)
    plan = terraform.plan(root, out=tmp_path / "p", variables={})
    somebody = subprocess.Popen(
        [str(terraform.program.path), "apply", "-input=false", str(plan.path)],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=terraform.environment(),
    )
    try:
        _wait_for(root / "started")
        assert somebody.pid in terraform.running(root)
        assert terraform.running(tmp_path) == ()
        with pytest.raises(Locked) as caught:
            terraform.plan(root, out=tmp_path / "q", variables={})
    finally:
        somebody.wait(30)
    assert terraform.running(root) == ()
    assert "locked by " in caught.value.what
    assert "since 20" in caught.value.what
    assert "for apply" in caught.value.what
    assert "penstock unlock" in caught.value.hint
    assert caught.value.exit_code == 4


def test_gos_collector_has_room_unless_somebody_has_said_how_much(tmp_path: Path, events: RecordedEvents) -> None:
    def environment(**environ: str) -> dict[str, str]:
        known = {name: value for name, value in os.environ.items() if name not in {"GOGC", "GOMEMLIMIT"}}
        return TerraformCli(workspace=tmp_path, environ=known | environ, overrides={}, events=events).environment()

    assert environment().items() >= seldom_collecting(memory_here()).items()
    theirs = environment(GOGC="50", GOMEMLIMIT="500MiB")
    assert (theirs["GOGC"], theirs["GOMEMLIMIT"]) == ("50", "500MiB")


def test_small_machines_and_containers_collect_as_ever(tmp_path: Path) -> None:
    assert seldom_collecting(16 << 30) == {"GOGC": "800", "GOMEMLIMIT": str(4 << 30)}
    assert seldom_collecting(3 << 30) == seldom_collecting(0) == {}
    container, unlimited = tmp_path / "v2", tmp_path / "none"
    container.write_text(f"{2 << 30}\n")
    unlimited.write_text("max\n")
    assert memory_here((container, tmp_path / "v1")) == 2 << 30
    assert memory_here((unlimited,)) == memory_here(()) > 0


def test_ctrl_c_lets_terraform_finish_what_it_does_and_save(
    terraform: TerraformCli, events: RecordedEvents, root: Path, tmp_path: Path
) -> None:
    write(root, SLOW % "2" + 'resource "terraform_data" "never" {\n  depends_on = [terraform_data.slow]\n}\n')
    terraform.prepare(root)
    plan = terraform.plan(root, out=tmp_path / "p", variables={})

    def interrupt() -> None:
        _wait_for(root / "started")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted) as caught:
        terraform.apply(root, plan.path)
    thread.join()
    told = [event.text for event in events.seen if isinstance(event, Note)]
    assert told == ["interrupted: terraform apply ends what it has begun and saves it; Ctrl-C again stops it at once"]
    assert "in good order" in caught.value.what
    assert caught.value.exit_code == 130
    assert "terraform_data.first" in state(root)
    assert "terraform_data.never" not in state(root)
    assert not (root / ".terraform.tfstate.lock.info").exists()


def test_a_killed_parent_leaves_an_apply_that_ends_by_itself_and_is_waited_for(
    terraform: TerraformCli, events: RecordedEvents, root: Path, tmp_path: Path
) -> None:
    write(root, SLOW % "2")
    terraform.prepare(root)
    plan = terraform.plan(root, out=tmp_path / "p", variables={})
    code = (
        "import os, sys; from pathlib import Path; from penstock.adapters.terraform import TerraformCli\n"
        "class E:\n    def emit(self, event): pass\n"
        "t = TerraformCli(workspace=Path(sys.argv[1]), environ=os.environ, overrides={}, events=E())\n"
        "t.apply(Path(sys.argv[2]), Path(sys.argv[3]))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(root), str(plan.path)])
    _wait_for(root / "started")
    parent.kill()
    parent.wait()
    again = terraform.plan(root, out=tmp_path / "q", variables={})
    assert not again.changed
    assert state(root) == {"terraform_data.first", "terraform_data.slow"}
    assert any(isinstance(event, Note) and "a killed run left behind" in event.text for event in events.seen)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)
