"""Ctrl-C, as a terminal sends it: to the whole process group, once or twice, at any moment.

The command ends with 130 and one clear line, leaves no process behind, and the same command goes on.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from journeys.shop import PENSTOCK, until, well
from journeys.trouble import Watch, mark, unsettled
from samples import SOAKS

if TYPE_CHECKING:
    from journeys.shop import Shop

MOMENTS = ("upload artifacts", "publish shop-dev-user_service", "verify slot", "move traffic", "check the live release")
"""All moments, not a sample that differs with the seed."""
SETTINGS = "services/user_service/service.toml"


def test_ctrl_c_at_any_step_of_a_deploy_is_finished_by_the_same_command(shop: Shop) -> None:
    mark(shop, "before")
    well(shop.deploy())
    was = "before"
    for number, moment in enumerate(MOMENTS if SOAKS else random.sample(MOMENTS, 3)):
        now = f"interrupted-{number}"
        mark(shop, now)
        with Watch(shop) as watch:
            interrupted(shop, moment)
            well(shop.deploy())
        assert watch.faults(before=was, after=now) == [], moment
        left = unsettled(shop, now)
        if moment == MOMENTS[-1]:  # it may come when everything is done but the ledger's last word
            left = [what for what in left if not what.startswith("the ledger ends")]
        assert left == [], moment
        was = now


def test_a_second_ctrl_c_ends_at_once_and_the_next_command_puts_it_right(shop: Shop) -> None:
    for number, moment in enumerate(("publish shop-dev-user_service", "verify slot")):
        mark(shop, f"twice-{number}")
        interrupted(shop, moment, times=2)
        well(shop.deploy())
        assert unsettled(shop, f"twice-{number}") == [], moment


def test_ctrl_c_during_a_build_leaves_nothing_half_built(shop: Shop) -> None:
    shop.append("services/catalog_service/src/app.ts", "\nexport const changed = 1;\n")
    shop.append("services/order_service/src/orders/app.py", "\nCHANGED = 1\n")
    interrupted(shop, "build catalog_service", "--service", "catalog_service", at_once=True)
    well(shop.deploy())
    assert unsettled(shop, "") == []
    assert shop.get("/catalog/health").status == 200


@pytest.mark.parametrize("times", [1, 2] if SOAKS else [1])
def test_ctrl_c_while_terraform_applies_stops_it_in_good_order(shop: Shop, times: int) -> None:
    shop.write(SETTINGS, f"memory = 320\n{(shop.root / SETTINGS).read_text()}")
    ended = interrupted(shop, "terraform apply", times=times, at_once=True)
    assert "Terraform stopped" in ended, ended
    again = shop.deploy()
    if times == 2 and again.status == 4:  # Terraform itself had no time to free its lock
        well(shop.run("unlock", "-e", "dev"))
        again = shop.deploy()
    well(again)
    assert unsettled(shop, "") == []
    settings = shop.client("lambda").get_function_configuration(FunctionName="shop-dev-user_service")
    assert settings["MemorySize"] == 320
    assert shop.plan_status() == 0


def test_ctrl_c_during_a_rollback_is_finished_by_the_same_command(shop: Shop) -> None:
    mark(shop, "first")
    well(shop.deploy())
    mark(shop, "second")
    well(shop.deploy())
    interrupted(shop, "move traffic", verb="rollback")
    well(shop.run("rollback", "-e", "dev"))
    assert unsettled(shop, "first") == []


# ------------------------------------------------------------------------------------------ helpers


def interrupted(shop: Shop, step: str, *flags: str, verb: str = "deploy", times: int = 1, at_once: bool = False) -> str:
    """Press Ctrl-C when that step has begun; what was said on standard error. Checks how the command ended."""
    token = uuid.uuid4().hex
    process = subprocess.Popen(
        [str(PENSTOCK), verb, "-e", "dev", "--json", *flags],
        cwd=shop.root,
        env=shop.environ | {"JOURNEY_TOKEN": token},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if told["event"] == "step-started" and told["step"].startswith(step):
            break
    else:
        raise AssertionError(f"there was no step {step!r}: {process.communicate()}")
    for number in range(times):
        time.sleep(0.02 if number or not at_once else 0.2)
        os.killpg(process.pid, signal.SIGINT)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 130, (step, out, said)
    assert said.startswith("error: interrupted"), (step, said)
    assert said.count("\n") <= 3, said
    assert "Traceback" not in said
    assert json.loads(out.splitlines()[-1])["exit_code"] == 130
    until(lambda: not with_token(token), f"no process is left behind by Ctrl-C at {step!r}", within=10)
    return said


def with_token(token: str) -> list[str]:
    """Processes that were started by the command, directly or not."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if token.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
