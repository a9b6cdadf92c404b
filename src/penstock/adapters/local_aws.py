"""The `LocalAws` port: the embedded AWS as a detached process of this machine, met only as a URL.

Truth is what answers at the port, not the pid file: `GET /_penstock/health` names the process and the folder of its
state. The pid file only serves to end a process that no longer answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.http_control import Answer, Dropped, Late, Silent, Stranger, ask
from penstock.adapters.processes import is_alive
from penstock.model.errors import LocalAwsFault, NotFound, UsageError
from penstock.ports import LocalStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from penstock.ports import Interpreters

DEFAULT_PORT = 4747
STARTS_WITHIN = 60.0
"""Seconds that a start may take until the process answers: two on a machine that has time, and it is told at once when
the process ends."""
READY_WITHIN = 10.0
"""Seconds that one that runs may take to say that it does."""
STOP_WITHIN = 5.0
"""Seconds between SIGTERM and SIGKILL."""
STRANGERS_PATIENCE = 2.0
"""Seconds that the port has to answer when no process of ours is known."""
POLL = 0.025
HANG_UPS = 4
"""How often the port may hang up on us before it belongs to a stranger: one that is just being killed does."""

PYTHONS = ("python3.10", "python3.11", "python3.12", "python3.13", "python3.14")
"""Lambda's Python runtimes. Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""
NODES = ("nodejs22.x", "nodejs20.x", "nodejs24.x", "nodejs18.x")

_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV")
"""All that the process gets of our environment: no credentials, and none of the emulator's own switches."""
_CLOCK = ("PENSTOCK_LOCAL_TIME_SCALE", "PENSTOCK_LOCAL_METRICS_DELAY", "PENSTOCK_LOCAL_REHEARSAL")
"""Asked for by name, for tests: see docs/localaws.md."""


class LocalAwsProcess:
    """Starts, asks and stops `python -m penstock.localaws`.

    Args:
        state: folder of its durable state (`<workspace>/.penstock/local`).
        port: where it listens on 127.0.0.1.
        interpreters: finds the language runtimes that functions may run in.
        environ: the process's environment.
        node_sdk: a folder with the AWS SDK for Node as Lambda supplies it, or None.
        region: the region of calls that name none.
    """

    def __init__(
        self,
        *,
        state: Path,
        port: int,
        interpreters: Interpreters,
        environ: Mapping[str, str],
        node_sdk: Path | None = None,
        region: str = "eu-west-1",
    ) -> None:
        self._state = state.absolute()
        self._port = port
        self._interpreters = interpreters
        self._environ = environ
        self._node_sdk = node_sdk
        self._region = region

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    # ------------------------------------------------------------------------------------------------ the port

    def start(self) -> LocalStatus:
        """Start it unless it runs; wait until it answers. Raises LocalAwsFault."""
        health = self._health()
        if health is None:
            with self._one_starter():
                # Somebody else may have started it while we waited for the lock.
                health = self._health() or self._spawn()
        return self._status(health)

    def stop(self) -> bool:
        """SIGTERM, and SIGKILL after five seconds; False when it did not run."""
        pid = self._pid_on_file()
        if pid is None:  # also for a process that hangs and does not answer: the file is asked first
            health = self._health()
            if health is None:
                return False
            pid = int(health["pid"])
        _signal(pid, signal.SIGTERM)
        if not _gone_within(pid, STOP_WITHIN):
            _signal(pid, signal.SIGKILL)
            if not _gone_within(pid, STOP_WITHIN):
                raise LocalAwsFault(f"process {pid} does not end", where=str(self._state), hint=f"kill -9 {pid}")
        self._pid_file.unlink(missing_ok=True)
        return True

    def status(self) -> LocalStatus:
        """What runs. Raises LocalAwsFault when the port belongs to something else."""
        health = self._health()
        return self._status(health) if health else LocalStatus(url=self.url, pid=None, state=self._state)

    def reset(self) -> None:
        """Forget all state of all accounts."""
        self._control("POST", "/_penstock/reset")

    def snapshot(self, name: str) -> None:
        """Keep the whole state under a name."""
        self._control("POST", f"/_penstock/snapshot/{name}")

    def restore(self, name: str) -> None:
        """Go back to a kept state. Raises NotFound."""
        self._control("POST", f"/_penstock/restore/{name}")

    def snapshots(self) -> Sequence[str]:
        """Names of the kept states, sorted."""
        answer = self._control("GET", "/_penstock/snapshots")
        found = json.loads(answer.body)
        return sorted(found["snapshots"] if isinstance(found, dict) else found)

    def log(self) -> Path:
        """Where its log lies."""
        return self._state.with_suffix(".log")

    # ------------------------------------------------------------------------------------------------ helpers

    @property
    def _pid_file(self) -> Path:
        return self._state.with_suffix(".pid")

    def _health(self) -> Mapping[str, Any] | None:
        """What answers at the port when it is ours; None when nothing listens."""
        try:
            answer = self._ask_health()
            health: Mapping[str, Any] = json.loads(answer.body)
            other = str(health["state"])
            int(health["pid"])
        except Silent:
            return None
        except Late:
            raise self._late() from None
        except (Stranger, ValueError, KeyError, TypeError):
            raise self._taken() from None
        if Path(other) != self._state:
            workspace = Path(other).parent.parent
            raise LocalAwsFault(
                f"port {self._port} is taken by the embedded AWS of {workspace}",
                where=self.url,
                hint=(
                    f"stop that one: penstock --workspace {workspace} local stop; "
                    f"or give this workspace a port of its own: export PENSTOCK_LOCAL_PORT={self._port + 1}"
                ),
            )
        return health

    def _ask_health(self) -> Answer:
        # One of ours on an overloaded machine is slow; what is not ours gets less time to explain itself.
        patience = READY_WITHIN if self._pid_on_file() else STRANGERS_PATIENCE
        for _ in range(HANG_UPS):
            with contextlib.suppress(Dropped):
                return ask("GET", self._port, "/_penstock/health", timeout=patience)
            time.sleep(POLL)
        raise Stranger

    def _late(self) -> LocalAwsFault:
        pid = self._pid_on_file()
        if pid is None:
            return self._taken()
        return LocalAwsFault(
            f"the embedded AWS (process {pid}) has not answered within {READY_WITHIN:.0f} s",
            where=self.url,
            hint="try again when the machine has less to do; if it hangs: penstock local stop",
        )

    def _taken(self) -> LocalAwsFault:
        return LocalAwsFault(
            f"port {self._port} is taken by another program",
            where=self.url,
            hint=f"PENSTOCK_LOCAL_PORT={self._port + 1} penstock … uses another port",
        )

    def _spawn(self) -> Mapping[str, Any]:
        self._end_silent_one()
        self._state.mkdir(parents=True, exist_ok=True)
        with self.log().open("ab") as log:
            begun = log.tell()
            process = subprocess.Popen(
                self._argv(),
                cwd=self._state,
                env=self._process_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._pid_file.write_text(f"{process.pid}\n")
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            if process.poll() is not None:
                self._pid_file.unlink(missing_ok=True)
                raise LocalAwsFault(
                    f"it ended at once with status {process.returncode}:\n{self._log_since(begun)}",
                    where=str(self.log()),
                    hint="the log says why; `pip install 'penstock[local]'` if ministack is missing",
                )
            health = self._health()
            if health is not None:
                # Not ours to wait for any more: it lives on, and init will collect it.
                process.returncode = 0
                return health
            time.sleep(POLL)
        process.kill()
        process.wait()
        self._pid_file.unlink(missing_ok=True)
        raise LocalAwsFault(
            f"it did not answer within {STARTS_WITHIN:.0f} s:\n{self._log_since(begun)}".rstrip(":\n"),
            where=str(self.log()),
            hint="try again when the machine has less to do; the log may say more",
        )

    def _argv(self) -> list[str]:
        argv = [sys.executable, "-m", "penstock.localaws", "--port", str(self._port), "--state", str(self._state)]
        for runtime in PYTHONS:
            # The same choice as the build's, also where the declared version is missing: the bytes are made for it.
            from penstock.build.targets import choose  # noqa: PLC0415 - only a start needs it

            chosen = choose(runtime, self._interpreters).program
            if chosen:
                argv += ["--interpreter", f"{runtime}={chosen}"]
        node = next((found for found in map(self._interpreters.find, NODES) if found), None)
        if node:
            argv += ["--node", str(node)]
        if self._node_sdk:
            argv += ["--node-sdk", str(self._node_sdk)]
        return [*argv, "--region", self._region]

    def _process_environment(self) -> dict[str, str]:
        named = (*_INHERITED, *_CLOCK)
        kept = {name: value for name, value in self._environ.items() if name in named or name.startswith("LC_")}
        return {**kept, "PYTHONUNBUFFERED": "1"}

    def _status(self, health: Mapping[str, Any]) -> LocalStatus:
        pid = int(health["pid"])
        clock: Mapping[str, float] = health.get("clock", {})
        return LocalStatus(
            url=self.url,
            pid=pid,
            state=self._state,
            interpreters=dict(health.get("interpreters", {})),
            memory=resident_memory(pid),
            time_scale=float(clock.get("scale", 1.0)),
            time_origin=float(clock.get("origin", 0.0)),
            metrics_delay=float(clock.get("metrics_delay", 0.0)),
        )

    def _control(self, method: str, path: str) -> Answer:
        self.start()
        answer = ask(method, self._port, path, timeout=60.0)
        if answer.status == 404:  # noqa: PLR2004 - HTTP's own number
            known = ", ".join(self.snapshots()) if "/restore/" in path else ""
            raise NotFound(f"nothing is kept under {path.rsplit('/', 1)[-1]!r}", hint=f"kept: {known or 'nothing'}")
        if answer.status == 400:  # noqa: PLR2004
            raise UsageError(json.loads(answer.body)["message"])
        if answer.status != 200:  # noqa: PLR2004
            raise LocalAwsFault(f"{path} answered {answer.status}: {answer.body[:300]}", where=self.url)
        return answer

    def _end_silent_one(self) -> None:
        """A process of ours that holds the state but no longer answers must go before another one starts."""
        pid = self._pid_on_file()
        if pid is not None:
            _signal(pid, signal.SIGTERM)
            if not _gone_within(pid, STOP_WITHIN):
                _signal(pid, signal.SIGKILL)
                _gone_within(pid, STOP_WITHIN)
        self._pid_file.unlink(missing_ok=True)

    def _pid_on_file(self) -> int | None:
        """The pid on file, if that process is there and is an embedded AWS on our state; a stale one is None."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        arguments = _arguments(pid)
        return pid if "penstock.localaws" in arguments and str(self._state) in arguments else None

    @contextlib.contextmanager
    def _one_starter(self) -> Iterator[None]:
        self._state.parent.mkdir(parents=True, exist_ok=True)
        with self._state.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _log_since(self, position: int) -> str:
        with self.log().open("rb") as log:
            log.seek(position)
            lines = log.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-15:])


def port_from(environ: Mapping[str, str]) -> int:
    """PENSTOCK_LOCAL_PORT, or 4747. Raises LocalAwsFault on what is not a port."""
    text = environ.get("PENSTOCK_LOCAL_PORT") or str(DEFAULT_PORT)
    if not text.isdigit() or not 0 < int(text) < 65536:  # noqa: PLR2004 - TCP's own limit
        raise LocalAwsFault(f"{text!r} is not a port", where="PENSTOCK_LOCAL_PORT", hint="a number from 1 to 65535")
    return int(text)


def resident_memory(pid: int) -> int | None:
    """The process's resident set in bytes, from /proc or ps; None when it cannot be told."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        asked = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
        text = asked.stdout.strip()
        return int(text) * 1024 if text.isdigit() else None
    return None


def _arguments(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        asked = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return asked.stdout


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _is_gone(pid):
            return True
        time.sleep(POLL)
    return _is_gone(pid)


def _is_gone(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        # A child of this very process stays a zombie until it is waited for.
        os.waitpid(pid, os.WNOHANG)
    return not is_alive(pid)
