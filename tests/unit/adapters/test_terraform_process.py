"""Runs of Terraform that outlive whoever started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from penstock.adapters.terraform_process import end_orphans

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


def is_gone(group: int) -> bool:
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
