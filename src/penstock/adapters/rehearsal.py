"""Where a rehearsal takes place: a copy of the workspace, an embedded AWS of its own, and a process that deploys."""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from penstock.adapters.http_control import ask
from penstock.adapters.local_aws import LocalAwsProcess
from penstock.adapters.node_sdk import link_node_sdk
from penstock.adapters.terraform_process import end_orphans
from penstock.model.errors import Locked, PenstockError, UsageError
from penstock.rehearsal.report import Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from penstock.ports import Interpreters

FOLDER = ".penstock/rehearsal"
PATH = "/_penstock/rehearsal"
_LEFT_OUT = shutil.ignore_patterns(".penstock", ".git", ".venv", "node_modules", "__pycache__", ".terraform")
_OURS = ("AWS_", "TF_", "PENSTOCK_LOCAL_")
TIMEOUT = 30.0
DELAY = 60.0
"""Seconds of CloudWatch's until a data point can be read: about what people see on AWS."""


@contextmanager
def scene(root: Path, environ: Mapping[str, str], interpreters: Interpreters, *, scale: float) -> Iterator[Scene]:
    """Everything there, and everything gone at the end; the log of a rehearsal that failed stays.

    Args:
        root: the workspace.
        environ: the process's environment.
        interpreters: the language runtimes of this machine.
        scale: how much faster CloudWatch's clock runs.

    Raises Locked when a rehearsal of this workspace is under way.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Locked("a rehearsal of this workspace is under way", where=str(folder), hint="wait for it") from None
        here = Scene(root, folder / "workspace", environ, interpreters, scale=scale)
        here.clear()
        try:
            yield here
        finally:
            here.close()


class Scene:
    """See `scene`."""

    def __init__(
        self, root: Path, copy: Path, environ: Mapping[str, str], interpreters: Interpreters, *, scale: float
    ) -> None:
        self._root = root
        self._copy = copy
        self._port = _free_port()
        self._environ = {
            **{name: value for name, value in environ.items() if not name.startswith(_OURS)},
            "PENSTOCK_LOCAL_PORT": str(self._port),
            "PENSTOCK_LOCAL_TIME_SCALE": f"{scale:g}",
            "PENSTOCK_LOCAL_METRICS_DELAY": f"{DELAY:g}",
            "PENSTOCK_LOCAL_REHEARSAL": "1",
            "NO_COLOR": "1",
        }
        # Without installed packages here the copy installs and builds by itself.
        self._builds_here = (root / "node_modules").is_dir() or not (root / "package.json").exists()
        modules = root if self._builds_here else copy
        self._aws = LocalAwsProcess(
            state=copy / ".penstock" / "local",
            port=self._port,
            interpreters=interpreters,
            environ=self._environ,
            node_sdk=link_node_sdk(modules, modules / ".penstock" / "node-sdk"),
        )
        self._driver: subprocess.Popen[str] | None = None
        self._calls: tuple[Call, ...] = ()

    def clear(self) -> None:
        """End what a killed rehearsal left, and begin with an empty folder that builds from the workspace's cache."""
        self._aws.stop()
        shutil.rmtree(self._copy, ignore_errors=True)
        (self._copy / ".penstock").mkdir(parents=True)
        if self._builds_here:
            cache = self._root / ".penstock" / "cache"
            cache.mkdir(parents=True, exist_ok=True)
            (self._copy / ".penstock" / "cache").symlink_to(cache)

    def close(self) -> None:
        """Nothing runs any more, and the copy is gone."""
        self.kill()
        end_orphans(self._copy / ".penstock" / "terraform")
        self._aws.stop()
        shutil.rmtree(self._copy, ignore_errors=True)

    def bring(self, ref: str | None) -> None:
        """The workspace's files as they are, or as they were at a commit. Raises UsageError for an unknown one."""
        _empty(self._copy)
        if ref is None:
            shutil.copytree(self._root, self._copy, symlinks=True, ignore=_LEFT_OUT, dirs_exist_ok=True)
            return
        archive = subprocess.run(
            ["git", "archive", "--format=tar", ref, "."], cwd=self._root, capture_output=True, check=False
        )
        if archive.returncode != 0:
            said = archive.stderr.decode(errors="replace").strip()
            raise UsageError(
                f"git cannot give the files of {ref!r}: {said}", where="--stable", hint="git log --oneline"
            )
        subprocess.run(["tar", "-x", "-C", str(self._copy)], input=archive.stdout, check=True)

    def start(self) -> None:
        """Start the embedded AWS."""
        self._aws.start()

    def deploy(self, side: str, environment: str, strategy: str | None) -> Iterator[Mapping[str, Any]]:
        """Deploy the files; each event as it comes, and at last `{"event": "ended", "status": exit code}`."""
        argv = [sys.executable, "-m", "penstock.cli.rehearsed", side, environment, *([strategy] if strategy else [])]
        log = self._root / FOLDER / "driver.log"
        with log.open("a") as errors:
            self._driver = subprocess.Popen(
                argv, cwd=self._copy, env=self._environ, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        for line in self._driver.stdout or ():
            yield {**json.loads(line), "at": time.time()}
        yield {"event": "ended", "status": self._driver.wait(), "at": time.time()}

    def kill(self) -> None:
        """End the process that deploys, as a crash does."""
        if self._driver is not None and self._driver.poll() is None:
            self._driver.kill()
            self._driver.wait()

    def fail(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """These faults hold from now on, and no other."""
        answer = ask("PUT", self._port, PATH, timeout=TIMEOUT, body=json.dumps({"faults": list(faults)}))
        if answer.status != 200:  # noqa: PLR2004 - HTTP's own
            raise PenstockError(f"the embedded AWS took no faults: {answer.body[:200]}", where=PATH)

    def hits(self) -> Mapping[str, int]:
        """How often each kind of fault has struck each side."""
        told: dict[str, int] = self._told()["hits"]
        return told

    def ringing(self) -> tuple[str, ...]:
        """The names of the alarms that ring."""
        return tuple(self._told()["alarms"])

    def calls(self) -> tuple[Call, ...]:
        """The invocations since the last time they were asked for."""
        self._told()
        found, self._calls = self._calls, ()
        return found

    def _told(self) -> Mapping[str, Any]:
        """What the embedded AWS tells; it tells each call once."""
        told: dict[str, Any] = json.loads(ask("GET", self._port, PATH, timeout=TIMEOUT).body)
        self._calls = (*self._calls, *(Call(*one) for one in told["calls"]))
        return told


def _empty(folder: Path) -> None:
    """Remove everything but what was installed and built there."""
    for path in folder.iterdir():
        if path.name in {".penstock", "node_modules"}:
            continue
        if path.is_dir() and not path.is_symlink():
            _empty(path)
            with suppress(OSError):  # something of it is kept
                path.rmdir()
        else:
            path.unlink()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
