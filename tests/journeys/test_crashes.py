"""`kill -9` anywhere, then the same command again: nothing is lost, and traffic was on a named release all the while.

The list of places comes from the ports themselves (PENSTOCK_TESTING_RECORD); the process kills itself before or after
one of them (PENSTOCK_TESTING_FAULT). A run of the suite takes a sample, another one with every seed of pytest-randomly;
PENSTOCK_SOAK=1 takes all of them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from typing import TYPE_CHECKING

from journeys.shop import until, well
from journeys.trouble import Watch, embedded_aws, mark, unsettled
from samples import SOAKS

if TYPE_CHECKING:
    from pathlib import Path

    from journeys.shop import Ended, Shop

DEPLOY_POINTS, ROLLBACK_POINTS = 6, 3
"""How many of the places one run of the suite takes."""
FIRST_POINTS = 12 if SOAKS else 0
"""Of a first deploy, which takes a minute: beside the one that dies in the middle of Terraform's work."""
KEPT_RELEASES = 12
"""After so many releases a deploy collects old ones as well, which is an effect too."""


def test_a_deploy_killed_at_any_effect_is_finished_by_the_same_command(shop: Shop) -> None:
    for number in range(KEPT_RELEASES if SOAKS else 1):
        mark(shop, f"before-{number}")
        well(shop.deploy())
    mark(shop, "recorded")
    points = sample(recorded(shop, "deploy"), DEPLOY_POINTS)
    problems = []
    was = "recorded"
    for number, point in enumerate(points):
        now = f"killed-{number}"
        mark(shop, now)
        with Watch(shop) as watch:
            killed = shop.deploy(env={"PENSTOCK_TESTING_FAULT": point})
            again = shop.deploy()
        problems += [f"{point}: {what}" for what in ended_as_killed(killed, again)]
        problems += [f"{point}: {what}" for what in watch.faults(before=was, after=now)]
        problems += [f"{point}: {what}" for what in unsettled(shop, now)]
        was = now
    assert problems == []
    assert "nothing to do" in well(shop.deploy()).stderr
    assert shop.plan_status() == 0


def test_a_rollback_killed_at_any_effect_is_finished_by_the_same_command(shop: Shop) -> None:
    mark(shop, "first")
    well(shop.deploy())
    mark(shop, "second")
    well(shop.deploy())
    # After the last one nothing is left to finish: the same command is another rollback.
    points = sample(recorded(shop, "rollback"), ROLLBACK_POINTS, last=False)
    problems = []
    for point in points:
        well(shop.deploy())
        with Watch(shop) as watch:
            killed = shop.run("rollback", "-e", "dev", env={"PENSTOCK_TESTING_FAULT": point})
            again = shop.run("rollback", "-e", "dev")
        problems += [f"{point}: {what}" for what in ended_as_killed(killed, again)]
        problems += [f"{point}: {what}" for what in watch.faults(before="second", after="first")]
        problems += [f"{point}: {what}" for what in unsettled(shop, "first")]
    assert problems == []


def test_a_first_deploy_killed_while_terraform_applies_is_finished_by_the_same_command(shop: Shop) -> None:
    assert shop.control("reset").status == 200
    mark(shop, "very-first")
    deploy = shop.start("deploy", "-e", "dev", "--json")
    assert deploy.stdout is not None
    enough = random.randint(1, 60)  # noqa: S311 - which resource, not a secret
    tell(f"killed at apply event {enough}")
    for line in deploy.stdout:
        told = json.loads(line)
        enough -= told["event"] == "step-progress" and told["step"] == "terraform apply"
        if enough == 0:
            break
    deploy.kill()
    deploy.communicate()
    assert deploy.returncode == -signal.SIGKILL

    record = shop.root.with_name("first.jsonl")
    # Terraform outlives its parent: it is waited for, unless it has come to its end by itself meanwhile.
    again = well(shop.deploy(env={"PENSTOCK_TESTING_RECORD": str(record)}))
    assert "the lease of a run that ended without giving it back" in again.stderr
    assert unsettled(shop, "very-first") == []
    assert shop.plan_status() == 0

    for point in random.sample(places(lines(record)), FIRST_POINTS):
        tell(point)
        assert shop.control("reset").status == 200
        killed = shop.deploy(env={"PENSTOCK_TESTING_FAULT": point})
        assert killed.status == -signal.SIGKILL, (point, killed)
        well(shop.deploy())
        assert unsettled(shop, "very-first") == [], point


def test_an_embedded_aws_that_is_killed_in_the_middle_of_a_deploy_comes_back_and_the_deploy_goes_on(
    shop: Shop,
) -> None:
    mark(shop, "first")
    record = shop.root.with_name("effects.jsonl")
    record.unlink(missing_ok=True)
    well(shop.deploy(env={"PENSTOCK_TESTING_RECORD": str(record)}))
    total = lines(record)
    for number, at in enumerate(sorted(random.sample(range(2, total), total - 2 if SOAKS else 2))):
        tell(f"killed at effect {at} of {total}")
        now = f"aws-killed-{number}"
        mark(shop, now)
        record.unlink()
        deploy = shop.start("deploy", "-e", "dev", env={"PENSTOCK_TESTING_RECORD": str(record)})
        # This one may have an effect less than the one that was counted: then it is killed when the deploy has ended.
        until(
            lambda: lines(record) >= at or deploy.poll() is not None,  # noqa: B023 - called before the next turn
            f"effect {at}",
            within=120,
        )
        os.kill(embedded_aws(shop), signal.SIGKILL)
        _, talk = deploy.communicate(timeout=300)
        if deploy.returncode != 0:
            assert deploy.returncode == 1, talk
            assert "Traceback" not in talk
            assert "penstock local" in talk, talk
        well(shop.deploy())
        assert unsettled(shop, now) == []


def test_what_an_embedded_aws_acknowledged_survives_its_death(shop: Shop) -> None:
    bucket = "penstock-shop-dev-111111111111-eu-west-1"
    shop.client("ssm").put_parameter(Name="/shop/dev/early", Value="kept", Type="String")
    user = shop.post("/users", {"name": "Ada", "email": "ada@example.com"})
    assert user.status == 201, user
    time.sleep(1.1)  # other state than S3's may be a second behind
    for number in range(5):
        shop.client("s3").put_object(Bucket=bucket, Key=f"notes/{number}", Body=f"note {number}".encode())
    os.kill(embedded_aws(shop), signal.SIGKILL)

    status = well(shop.run("status", "-e", "dev"))
    assert "live" in status.stdout
    objects = shop.client("s3")
    for number in range(5):
        assert objects.get_object(Bucket=bucket, Key=f"notes/{number}")["Body"].read() == f"note {number}".encode()
    assert shop.client("ssm").get_parameter(Name="/shop/dev/early")["Parameter"]["Value"] == "kept"
    assert shop.get(f"/users/{user.json['id']}").status == 200
    assert "nothing to do" in well(shop.deploy()).stderr


# ------------------------------------------------------------------------------------------ helpers


def recorded(shop: Shop, verb: str) -> int:
    """Run the verb whole; how many effects it had."""
    record = shop.root.with_name(f"{verb}.jsonl")
    record.unlink(missing_ok=True)
    well(shop.run(verb, "-e", "dev", env={"PENSTOCK_TESTING_RECORD": str(record)}))
    return lines(record)


def sample(effects: int, size: int, *, last: bool = True) -> list[str]:
    """Places to die at, of so many effects: some, or all; with the one after the last effect or without."""
    assert effects > 10, "an implausibly short list"
    possible = places(effects)[: None if last else -1]
    chosen = possible if SOAKS else random.sample(possible, size)
    tell(f"dies at {', '.join(chosen)} of {effects} effects")
    return chosen


def places(effects: int) -> list[str]:
    """Before and after each of so many effects."""
    return [f"{effect}:{when}" for effect in range(effects) for when in ("before", "after")]


def lines(record: Path) -> int:
    return record.read_text().count("\n") if record.exists() else 0


def tell(text: str) -> None:
    print(text)  # noqa: T201 - pytest shows it when the test fails


def ended_as_killed(killed: Ended, again: Ended) -> list[str]:
    """What is wrong about how the two runs ended."""
    wrong = []
    if killed.status != -signal.SIGKILL:
        wrong.append(f"was not killed: {killed}")
    if again.status != 0:
        wrong.append(f"was not finished: {again}")
    return wrong
