"""The `Terraform` port on the real program: Terraform or OpenTofu, run in one root folder.

The folder stays usable by hand: `.terraform` and `.terraform.lock.hcl` lie where Terraform expects them, and
`cli_config` is what `penstock env` exports as TF_CLI_CONFIG_FILE.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from functools import cached_property
from typing import TYPE_CHECKING, Any

from penstock.adapters.go_memory import memory_here, seldom_collecting
from penstock.adapters.terraform_checked import trusting
from penstock.adapters.terraform_lock import seed_lock
from penstock.adapters.terraform_messages import Progress, failure
from penstock.adapters.terraform_mirror import ProviderSource, provide
from penstock.adapters.terraform_process import Finished, processes_in, run, wait_for_orphan
from penstock.adapters.terraform_program import Program, find_program
from penstock.model.errors import TerraformFailed, ToolMissing
from penstock.model.events import Note
from penstock.ports import TerraformPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from penstock.ports import EventSink

DETAILED_CHANGED = 2
"""`plan -detailed-exitcode`: the plan is not empty."""

_DROPPED = ("TF_DATA_DIR", "TF_WORKSPACE", "TF_VAR_slot", "TF_REATTACH_PROVIDERS")


class TerraformCli:
    """Runs the program that was found, with the credentials and the endpoint of one environment.

    Args:
        workspace: the workspace's root; configuration and scratch files go to its `.penstock/terraform/`.
        environ: the process's environment.
        overrides: what the environment of Penstock says on top (`penstock.adapters.aws_environ`); None removes.
        events: takes StepProgress of the steps `terraform init|plan|apply`.
        checks_once: whether only `init` compares the provider with the lock's checksums, and not each command again.
    """

    def __init__(
        self,
        *,
        workspace: Path,
        environ: Mapping[str, str],
        overrides: Mapping[str, str | None],
        events: EventSink,
        checks_once: bool = False,
    ) -> None:
        self._folder = workspace / ".penstock" / "terraform"
        self._environ = environ
        self._overrides = overrides
        self._events = events
        self._checks_once = checks_once

    @cached_property
    def program(self) -> Program:
        """The program, found once. Raises ToolMissing."""
        return find_program(self._environ, self._folder / "program.json")

    @cached_property
    def source(self) -> ProviderSource:
        """Where the provider comes from, and the CLI configuration that says so."""
        return provide(self._environ, self._folder, self.program.registry)

    @property
    def cli_config(self) -> Path:
        """The file that TF_CLI_CONFIG_FILE must name, also for runs by hand."""
        return self.source.config

    def version(self) -> str:
        """`Terraform 1.11.4`. Raises ToolMissing."""
        return str(self.program)

    def prepare(self, root: Path) -> None:
        """`init`, unless providers, modules and backend are those of the last one."""
        stamp = root / ".terraform" / "penstock-init"
        if self._is_initialised(root) and _read(stamp) == self._init_digest(root):
            return
        seeded = seed_lock(root, self.program)
        try:
            self._init(root)
        except (TerraformFailed, ToolMissing):
            if not seeded:
                raise
            # The mirror may hold another version than the one whose checksums we know.
            (root / ".terraform.lock.hcl").unlink(missing_ok=True)
            self._init(root)
        stamp.write_text(self._init_digest(root))

    def plan(self, root: Path, *, out: Path, variables: Mapping[str, str]) -> TerraformPlan:
        """Save a plan. An empty one has no `resource_changes` and is not asked for again.

        Raises TerraformFailed, Locked (with the holder).
        """
        out.parent.mkdir(parents=True, exist_ok=True)
        chosen = [f"-var={name}={value}" for name, value in sorted(variables.items())]
        done = self._run(
            root,
            "terraform plan",
            ["plan", "-json", "-input=false", "-lock-timeout=0s", "-detailed-exitcode", f"-out={out}", *chosen],
        )
        if done.status not in {0, DETAILED_CHANGED}:
            raise self._failure(root, done)
        if done.status == 0:
            return TerraformPlan(path=out, changed=False, document={"resource_changes": []})
        return TerraformPlan(path=out, changed=True, document=self.show(root, out))

    def show(self, root: Path, plan: Path) -> Mapping[str, Any]:
        """`terraform show -json` of a saved plan. Raises TerraformFailed."""
        shown = subprocess.run(
            [str(self.program.path), "show", "-json", str(plan)],
            cwd=root,
            env=self.environment_in(root),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if shown.returncode != 0:
            raise TerraformFailed(f"terraform show: {shown.stderr.strip()}", where=str(root))
        document: Mapping[str, Any] = json.loads(shown.stdout)
        return document

    def apply(self, root: Path, plan: Path) -> None:
        """Apply exactly that saved plan. Raises TerraformFailed, Locked."""
        done = self._run(
            root, "terraform apply", ["apply", "-json", "-input=false", "-lock-timeout=0s", "-auto-approve", str(plan)]
        )
        if done.status != 0:
            raise self._failure(root, done)

    def running(self, root: Path) -> Sequence[int]:
        """Ids of this machine's Terraform processes that work in the folder now, ours or started by hand."""
        return processes_in(root)

    def environment(self) -> dict[str, str]:
        """The whole environment that Terraform runs in."""
        kept = {
            name: value
            for name, value in self._environ.items()
            if name not in _DROPPED and not name.startswith("TF_CLI_ARGS")
        }
        for name, value in self._overrides.items():
            if value is None:
                kept.pop(name, None)
            else:
                kept[name] = value
        return {
            **seldom_collecting(memory_here()),
            **kept,
            "TF_CLI_CONFIG_FILE": str(self.cli_config),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
        }

    def environment_in(self, root: Path) -> dict[str, str]:
        """The environment of a command that comes after `init` in that root."""
        found = self.environment()
        ours = self.cli_config.parent == self._folder.absolute()
        if self._checks_once and ours:
            config = trusting(self.cli_config, root, self.program.registry, self._folder / root.name)
            found |= {"TF_CLI_CONFIG_FILE": str(config)} if config else {}
        return found

    # ------------------------------------------------------------------------------------------------ helpers

    def _init(self, root: Path) -> None:
        # `-reconfigure`: a changed backend of a generated root is another place, never a state to copy over.
        words = ["init", "-json", "-input=false", "-reconfigure", "-lock-timeout=0s"]
        done = self._run(root, "terraform init", words, self.environment())
        if done.status != 0:
            raise self._failure(root, done)

    def _run(
        self, root: Path, step: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Finished:
        scratch = self._folder / root.name
        wait_for_orphan(scratch, self._waiting)
        known = environment or self.environment_in(root)
        progress = Progress(step, trusting=known["TF_CLI_CONFIG_FILE"] != str(self.cli_config))

        def line(value: Mapping[str, Any]) -> None:
            event = progress.event(value)
            if event is not None:
                self._events.emit(event)

        def stopping() -> None:
            saves = "ends what it has begun and saves it" if arguments[0] == "apply" else "comes to an end"
            text = f"interrupted: {step} {saves}; Ctrl-C again stops it at once"
            self._events.emit(Note(text=text, level="warning"))

        return run(
            [str(self.program.path), *arguments],
            cwd=root,
            env=known,
            scratch=scratch,
            line=line,
            stopping=stopping,
        )

    def _waiting(self, pid: int, parent: int | None) -> None:
        whose = f"of penstock (process {parent}), which runs beside this" if parent else "that a killed run left behind"
        self._events.emit(Note(text=f"waiting for the Terraform (pid {pid}) {whose}", level="warning"))

    def _failure(self, root: Path, done: Finished) -> Exception:
        error = failure(done.lines, done.text, root=str(root), status=done.status)
        if isinstance(error, ToolMissing):
            looked = ", ".join(self.source.searched)
            return ToolMissing(
                f"Terraform cannot get its provider (from {self.source.origin}): {error.what}",
                where=str(root),
                hint=f"set PENSTOCK_TERRAFORM_MIRROR to a filesystem mirror that holds hashicorp/aws "
                f"(looked in {looked}), or let this machine reach {self.program.registry}",
            )
        return error

    def _is_initialised(self, root: Path) -> bool:
        data = root / ".terraform"
        # A package is a broken link when the mirror that it points to has moved.
        return data.is_dir() and all(package.exists() for package in data.glob("providers/*/*/*/*/*"))

    def _init_digest(self, root: Path) -> str:
        """What `init` depends on: program, provider source, lock, backend, required providers, modules' sources."""
        digest = hashlib.sha256()
        for part in (
            str(self.program),
            _read(self.cli_config),
            _read(root / ".terraform.lock.hcl"),
            _read(root / ".terraform" / "modules" / "modules.json"),
            *(_declarations(path) for path in sorted([*root.glob("*.tf"), *root.glob("*.tf.json")])),
            *(_declarations(path) for path in sorted(root.glob("../../modules/*/*.tf"))),
            *map(_stamp, sorted(root.glob(".terraform/providers/*/*/*/*/*/terraform-provider-*"))),
        ):
            if part:
                digest.update(part.encode() + b"\0")
        return digest.hexdigest()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _stamp(program: Path) -> str:
    """Another one in the same place is another one to check."""
    found = program.stat()
    return f"{program} {found.st_size} {found.st_mtime_ns}"


def _declarations(path: Path) -> str:
    """The part of a file that `init` cares about, or the whole file when that cannot be told."""
    text = _read(path)
    if path.name.endswith(".json"):
        try:
            content = json.loads(text)
            modules = {
                name: [body.get("source"), body.get("version")] for name, body in content.get("module", {}).items()
            }
            return json.dumps([path.name, content.get("terraform"), modules], sort_keys=True)
        except (ValueError, AttributeError):
            return text
    # Resources and variables are none of init's business; a file without these words changes nothing for it.
    return text if re.search(r"^\s*(terraform|module|provider)\b", text, re.MULTILINE) else ""
