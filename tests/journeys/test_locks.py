"""One environment, several who want to change it: at once, after a crash, from two machines, with Terraform by hand."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from journeys.shop import PENSTOCK, until, well

from penstock.adapters.processes import this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journeys.shop import Shop

BUCKET = "penstock-shop-dev-111111111111-eu-west-1"
STATE_LOCK = "terraform/terraform.tfstate.tflock"
HOST = socket.gethostname()
SETTINGS = "services/user_service/service.toml"


def test_of_two_deploys_at_once_one_wins_and_the_other_says_who_is_at_it(shop: Shop) -> None:
    shop.append("services/user_service/src/users/app.py", "\nCHANGED = 1\n")
    well(shop.run("build", "-e", "dev"))
    both = [shop.start("deploy", "-e", "dev") for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    ended = sorted(zip(both, said, strict=True), key=lambda one: one[0].returncode)
    (winner, _), (loser, (out, talk)) = ended
    assert [winner.returncode, loser.returncode] == [0, 4], said
    assert out == ""
    told = re.search(
        r"error: (\S+) on (\S+) \(process (\d+)\) holds the environment since (\S+ \S+) UTC \(\d+ s ago\) "
        r"for: (deploy release \w+)",
        talk,
    )
    assert told, talk
    assert told[1] == "arn:aws:iam::111111111111:root"
    assert told[2] == HOST
    assert int(told[3]) == winner.pid
    assert "→ wait for it to end; if that process is gone: penstock unlock" in talk
    assert lease_is_free(shop)
    assert "nothing to do" in well(shop.deploy()).stderr


def test_the_lease_of_a_run_that_was_killed_is_taken_over_with_a_line_that_says_so(shop: Shop) -> None:
    shop.append("services/user_service/src/users/app.py", "\nCHANGED = 2\n")
    killed = shop.deploy(env={"PENSTOCK_TESTING_FAULT": "1:after"})
    assert killed.status == -signal.SIGKILL, killed
    assert not lease_is_free(shop)
    again = well(shop.deploy())
    assert "the lease of a run that ended without giving it back" in again.stderr
    assert "for: deploy release" in again.stderr
    assert lease_is_free(shop)


def test_unlock_frees_the_lease_of_a_run_that_was_killed(shop: Shop) -> None:
    shop.append("services/user_service/src/users/app.py", "\nCHANGED = 3\n")
    assert shop.deploy(env={"PENSTOCK_TESTING_FAULT": "1:after"}).status == -signal.SIGKILL
    freed = well(shop.run("unlock", "-e", "dev"))
    assert "freed: arn:aws:iam::111111111111:root on" in freed.stdout + freed.stderr
    assert lease_is_free(shop)
    again = well(shop.run("unlock", "-e", "dev"))
    assert "nobody holds the lease" in again.stdout + again.stderr


def test_the_lease_of_another_machine_is_respected_until_somebody_insists(shop: Shop) -> None:
    write_lease(shop, host="ci-runner-7", purpose="deploy release 0123456789ab")
    refused = shop.deploy()
    assert refused.status == 4, refused
    assert "ann on ci-runner-7 (process 4711) holds the environment since" in refused.stderr
    assert "for: deploy release 0123456789ab" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert shop.run("rollback", "-e", "dev", "--lock-timeout", "0s").status == 4
    assert "ann on ci-runner-7" in shop.run("status", "-e", "dev").stderr

    unlock = shop.run("unlock", "-e", "dev")
    assert unlock.status == 4, unlock
    assert "whether it lives cannot be seen from here" in unlock.stderr
    assert "look on ci-runner-7; if it is gone: penstock unlock --force" in unlock.stderr
    assert not lease_is_free(shop)

    forced = well(shop.run("unlock", "-e", "dev", "--force"))
    assert "freed: ann on ci-runner-7" in forced.stdout + forced.stderr
    assert lease_is_free(shop)
    well(shop.deploy())


def test_a_holder_that_lives_on_this_machine_is_never_robbed(shop: Shop) -> None:
    with subprocess.Popen(["sleep", "300"]) as holder:
        try:
            write_lease(shop, pid=holder.pid)
            assert shop.deploy().status == 4
            for flags in ((), ("--force",)):
                refused = shop.run("unlock", "-e", "dev", *flags)
                assert refused.status == 4, refused
                assert "that process is alive" in refused.stderr
            assert not lease_is_free(shop)
        finally:
            holder.kill()
    well(shop.run("unlock", "-e", "dev"))
    assert lease_is_free(shop)


def test_a_lease_from_the_future_says_that_a_clock_is_wrong(shop: Shop) -> None:
    ahead = time.time() + 7200
    write_lease(shop, host="laptop-of-ann", since=ahead, expires=ahead + 60)
    refused = shop.deploy()
    assert refused.status == 4, refused
    assert "in the future: the clock of laptop-of-ann or of this machine is wrong" in refused.stderr
    assert "→ set the clocks, or free it: penstock unlock" in refused.stderr
    well(shop.run("unlock", "-e", "dev", "--force"))
    well(shop.deploy())


def test_a_lease_that_nobody_renewed_says_when_it_will_be_free(shop: Shop) -> None:
    now = time.time()
    write_lease(shop, host="ci-runner-7", since=now - 200, ttl=-60)
    refused = shop.deploy()
    assert refused.status == 4, refused
    assert "it was not renewed for 6" in refused.stderr
    assert re.search(r"try again in (9|10)\d s, when calls under way have ended", refused.stderr), refused
    write_lease(shop, host="ci-runner-7", since=now - 600, ttl=-400)
    assert "the lease of a run that ended without giving it back: ann on ci-runner-7" in well(shop.deploy()).stderr


def test_a_terraform_lock_of_another_machine_is_respected_until_somebody_insists(shop: Shop) -> None:
    more_memory(shop)
    write_state_lock(shop, "ann@ci-runner-7")
    refused = shop.deploy()
    assert refused.status == 4, refused
    assert "Terraform's state is locked by ann@ci-runner-7 since 2026-11-01 10:11:12 UTC for apply" in refused.stderr
    assert "→ wait for it; if that process is gone: penstock unlock" in refused.stderr
    assert lease_is_free(shop), "our own lease is given back when Terraform's lock is not to be had"

    unlock = shop.run("unlock", "-e", "dev")
    assert unlock.status == 4, unlock
    assert "whether it lives cannot be seen from here" in unlock.stderr
    assert state_is_locked(shop)
    forced = well(shop.run("unlock", "-e", "dev", "--force"))
    assert "freed: Terraform's state is locked by ann@ci-runner-7" in forced.stdout + forced.stderr
    assert not state_is_locked(shop)


def test_a_terraform_that_somebody_runs_by_hand_is_not_robbed_of_its_lock(shop: Shop) -> None:
    more_memory(shop)
    well(shop.run("render"))
    with terraform_that_waits_for_a_yes(shop) as by_hand:
        refused = shop.deploy()
        assert refused.status == 4, refused
        assert f"@{HOST} since" in refused.stderr
        for flags in ((), ("--force",)):
            unlock = shop.run("unlock", "-e", "dev", *flags)
            assert unlock.status == 4, unlock
            assert f"a Terraform works in that folder (process {by_hand.pid})" in unlock.stderr
        assert state_is_locked(shop)
    assert state_is_locked(shop), "a killed Terraform leaves its lock"
    assert shop.deploy().status == 4
    well(shop.run("unlock", "-e", "dev"))
    assert not state_is_locked(shop)
    well(shop.deploy())
    assert memory(shop) == 320


# ------------------------------------------------------------------------------------------ helpers


@contextmanager
def terraform_that_waits_for_a_yes(shop: Shop) -> Iterator[subprocess.Popen[bytes]]:
    """`terraform apply` by hand at its question, holding the lock; killed at the end, as by a closed laptop."""
    script = 'set -e; eval "$("$0" env -e dev)"; cd infra/environments/dev; exec terraform apply -no-color'
    process = subprocess.Popen(
        ["bash", "-c", script, str(PENSTOCK)],
        cwd=shop.root,
        env=shop.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = b""
        while b"Enter a value:" not in said:
            more = os.read(process.stdout.fileno(), 65536)
            assert more, said.decode()
            said += more
        yield process
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()


def write_lease(shop: Shop, **differing: Any) -> None:
    """The lease of somebody, as that one's Penstock would have written it."""
    now = time.time()
    lease = {
        "holder": "ann",
        "host": this_machine(),
        "pid": 4711,
        "run": "feedbeef0123",
        "purpose": "deploy",
        "fence": 99,
    }
    body = json.dumps(lease | {"since": now - 5, "expires": now + 55} | differing, sort_keys=True)
    shop.client("s3").put_object(Bucket=BUCKET, Key="lease.json", Body=body.encode())


def lease_is_free(shop: Shop) -> bool:
    stored = shop.client("s3").get_object(Bucket=BUCKET, Key="lease.json")
    return bool(json.loads(stored["Body"].read())["expires"] == 0)


def write_state_lock(shop: Shop, who: str) -> None:
    """Terraform's lock as Terraform writes it: `statemgr.LockInfo`."""
    info = {
        "ID": "7d2c3f0e-6f0b-4a3c-9a52-0a6b3f1d2e4c",
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": who,
        "Version": "1.11.4",
        "Created": "2026-11-01T10:11:12.131415Z",
        "Path": f"{BUCKET}/terraform/terraform.tfstate",
    }
    shop.client("s3").put_object(Bucket=BUCKET, Key=STATE_LOCK, Body=json.dumps(info).encode())


def state_is_locked(shop: Shop) -> bool:
    listed = shop.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=STATE_LOCK)
    return bool(listed["KeyCount"])


def more_memory(shop: Shop) -> None:
    """A change that Terraform has to make."""
    settings = (shop.root / SETTINGS).read_text()
    shop.write(SETTINGS, f"memory = 320\n{settings}")


def memory(shop: Shop) -> int:
    until(lambda: lease_is_free(shop), "the lease is free", within=5)
    return int(shop.client("lambda").get_function_configuration(FunctionName="shop-dev-user_service")["MemorySize"])
