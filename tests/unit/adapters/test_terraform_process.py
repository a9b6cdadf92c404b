"""Runs of Terraform that outlive whoever started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.terraform_process import end_orphans, run
from penstock.model.errors import Interrupted

if TYPE_CHECKING:
    from pathlib import Path


def test_runs_below_a_folder_that_is_thrown_away_end_with_all_that_they_started(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 600 & wait"], start_new_session=True) as run:
        for folder, content in {
            "dev": {"pid": run.pid, "argv": ["/bin/sh"]},
            "staging": {"pid": os.getpid(), "argv": ["terraform"]},  # a number that was given away since
            "production": {"pid": "none"},
        }.items():
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "running.json").write_text(json.dumps(content))
        end_orphans(tmp_path)
        assert run.wait(timeout=60) == -signal.SIGKILL
    assert is_gone(run.pid)


def test_a_reader_that_is_gone_does_not_keep_us_from_waiting_for_terraform(tmp_path: Path) -> None:
    ready, done = tmp_path / "ready", tmp_path / "done"
    script = f"trap 'sleep 1; touch {done}; exit 0' INT; touch {ready}; while :; do sleep 0.05; done"

    def interrupt() -> None:
        while not ready.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    def nobody_reads() -> None:
        raise BrokenPipeError

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted):
        run(
            ["/bin/sh", "-c", script],
            cwd=tmp_path,
            env=dict(os.environ),
            scratch=tmp_path / "scratch",
            line=lambda _: None,
            stopping=nobody_reads,
        )
    thread.join()
    assert done.exists(), "it came to its own end"
    assert not (tmp_path / "scratch" / "running.json").exists()


def is_gone(group: int) -> bool:
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
