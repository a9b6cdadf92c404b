"""The embedded AWS as a process: starting, sharing, losing and stopping it. Ports 4960 and on, two for each worker."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from workers import WORKER

from penstock.adapters.local_aws import LocalAwsProcess, port_from
from penstock.model.errors import LocalAwsFault, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 4960 + 2 * WORKER


class OnlyThisPython:
    """The interpreter that runs the tests, and no other: looking for more takes time that no test here needs."""

    def find(self, runtime: str) -> Path | None:
        return Path(sys.executable) if runtime == "python3.11" else None

    def host_architecture(self) -> str:
        return "x86_64"


def aws(workspace: Path, port: int = PORT, **environ: str) -> LocalAwsProcess:
    return LocalAwsProcess(
        state=workspace / ".penstock" / "local",
        port=port,
        interpreters=OnlyThisPython(),
        environ={"PATH": os.environ["PATH"], **environ},
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[LocalAwsProcess]:
    process = aws(tmp_path)
    process.start()
    yield process
    process.stop()


def test_it_starts_answers_and_stops(tmp_path: Path) -> None:
    process = aws(tmp_path)
    assert process.status().pid is None
    started = process.start()
    try:
        assert started.url == f"http://127.0.0.1:{PORT}"
        assert started.pid is not None
        # What the machine lacks runs on what it has, as the build chose it.
        assert set(started.interpreters.values()) == {sys.executable}
        assert {"python3.11", "python3.13"} <= set(started.interpreters)
        assert 10_000_000 < (started.memory or 0) < 150_000_000
        assert process.status().pid == started.pid
        assert process.log().exists()
    finally:
        assert process.stop() is True
    assert process.status().pid is None
    assert process.stop() is False


def test_starting_it_again_finds_the_one_that_runs(running: LocalAwsProcess) -> None:
    assert running.start().pid == running.start().pid


def test_several_starts_at_once_make_one_process(tmp_path: Path) -> None:
    pids: list[int | None] = []
    threads = [threading.Thread(target=lambda: pids.append(aws(tmp_path).start().pid)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    aws(tmp_path).stop()
    assert len(pids) == 4
    assert len(set(pids)) == 1


def test_it_outlives_the_command_that_started_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from penstock.adapters.local_aws import LocalAwsProcess\n"
        "from penstock.testing.interpreters import FakeInterpreters\n"
        "p = LocalAwsProcess(state=Path(sys.argv[1]) / '.penstock' / 'local', port=int(sys.argv[2]),"
        " interpreters=FakeInterpreters(()), environ={})\n"
        "print(p.start().pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(PORT)], capture_output=True, text=True, check=True
    )
    process = aws(tmp_path)
    assert process.status().pid == int(done.stdout)
    process.stop()


def test_our_credentials_do_not_reach_it(tmp_path: Path) -> None:
    process = aws(tmp_path, AWS_SECRET_ACCESS_KEY="very-secret", SERVICES="s3", LC_ALL="C.UTF-8")
    pid = process.start().pid
    environ = Path(f"/proc/{pid}/environ")
    if not environ.exists():
        pytest.skip("this system has no /proc")
    text = environ.read_bytes()
    process.stop()
    assert b"very-secret" not in text
    assert b"SERVICES=" not in text
    assert b"LC_ALL=C.UTF-8" in text


def test_the_embedded_aws_of_another_workspace_is_named(running: LocalAwsProcess, tmp_path: Path) -> None:
    assert running.status().pid
    with pytest.raises(LocalAwsFault) as caught:
        aws(tmp_path / "other").start()
    assert f"the embedded AWS of {tmp_path}" in caught.value.what
    assert f"penstock --workspace {tmp_path} local stop" in caught.value.hint
    assert "PENSTOCK_LOCAL_PORT" in caught.value.hint


def test_a_port_that_a_stranger_has_is_named_with_the_way_out(tmp_path: Path) -> None:
    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[1, 2]")

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with pytest.raises(LocalAwsFault) as caught:
            aws(tmp_path).start()
        server.shutdown()
        thread.join()
    assert caught.value.what == f"port {PORT} is taken by another program"
    assert f"PENSTOCK_LOCAL_PORT={PORT + 1}" in caught.value.hint


def test_a_killed_one_is_started_again_over_its_stale_pid(running: LocalAwsProcess) -> None:
    before = running.start().pid
    assert before
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while running.status().pid is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    after = running.start().pid
    assert after not in {None, before}


def test_a_pid_file_that_names_somebody_elses_process_kills_nobody(tmp_path: Path) -> None:
    somebody = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process = aws(tmp_path)
    pid_file = tmp_path / ".penstock" / "local.pid"
    pid_file.parent.mkdir()
    pid_file.write_text(str(somebody.pid))
    assert process.stop() is False
    process.start()
    process.stop()
    assert somebody.poll() is None
    somebody.kill()
    somebody.wait()


def test_one_that_hangs_is_killed_after_its_grace(running: LocalAwsProcess) -> None:
    pid = running.start().pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    assert running.stop() is True
    assert running.status().pid is None


def test_one_that_cannot_start_says_why_at_once(tmp_path: Path) -> None:
    process = aws(tmp_path)
    state = tmp_path / ".penstock" / "local"
    state.parent.mkdir()
    state.mkdir()
    (state / "lock").mkdir()
    with pytest.raises(LocalAwsFault) as caught:
        process.start()
    assert "lock" in caught.value.what
    assert caught.value.where == str(process.log())


def test_a_kept_state_comes_back_and_an_unknown_one_is_named(running: LocalAwsProcess) -> None:
    running.snapshot("one")
    running.snapshot("two")
    assert list(running.snapshots()) == ["one", "two"]
    running.restore("one")
    running.reset()
    assert list(running.snapshots()) == ["one", "two"]
    with pytest.raises(NotFound) as caught:
        running.restore("three")
    assert "one, two" in caught.value.hint
    with pytest.raises(UsageError):
        running.snapshot("..")


@pytest.mark.parametrize("text", ["abc", "0", "70000", "-1", "47 47"])
def test_what_is_not_a_port_is_refused(text: str) -> None:
    with pytest.raises(LocalAwsFault) as caught:
        port_from({"PENSTOCK_LOCAL_PORT": text})
    assert caught.value.where == "PENSTOCK_LOCAL_PORT"


def test_the_port_is_4747_unless_said_otherwise() -> None:
    assert port_from({}) == 4747
    assert port_from({"PENSTOCK_LOCAL_PORT": ""}) == 4747
    assert port_from({"PENSTOCK_LOCAL_PORT": "5000"}) == 5000
