"""Canaries for real: Terraform, functions, callers over HTTP, CloudWatch; only CloudWatch's clock runs faster."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import re
import signal
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from journeys.canaries import (
    CAME_BACK,
    CANARY,
    FAILING,
    HOOK,
    INCONCLUSIVE,
    INTERRUPTED,
    LENIENT,
    LETTERS,
    LOCKED,
    MAILER,
    WORKER,
    busy,
    ledger,
    meanwhile,
    stale,
    status,
    under_way,
    weight,
)
from journeys.leaks import holds, log_lines, objects_with
from journeys.shop import until, well
from journeys.test_secrets import value_of
from journeys.traffic import Client
from journeys.trouble import APP, HEADER, ROUTE, Watch, left_over, mark, marked, marks
from samples import soak

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journeys.shop import Shop

SPELLED_OUT = """
[environments.dev.rollout]
strategy = "custom"
steps = [
  { weight = 50 },
  { bake = "1m" },
  { pause = "look at the dashboard", deadline = "80m" },
  { verify = true },
]
delay = "5s"
margin = 0.05
latency_margin = 0.5
deadline = "90m"
"""
ASKED = """
[[environments.dev.rollout.webhooks]]
name = "qa"
url = "{url}"
when = "before-traffic"
headers = {{ Authorization = {{ secret = "notification_token" }} }}
secret = "notification_token"
"""
ORDERS = "services/order_service/src/orders/app.py"
INCIDENT = (
    "    turn = handler.__dict__['turn'] = handler.__dict__.get('turn', 0) + 1\n"
    "    if turn % 4 == 0 and __import__('os').path.exists('{path}'):\n"
    "        raise RuntimeError('the table throttles')\n"
)
"""What both releases suffer from: every fourth call fails as long as the file is there."""
TROUBLE = "    if __import__('os').path.exists('{path}'):\n        raise RuntimeError('in trouble')\n"
"""All calls fail as long as the file is there."""


def consumers(shop: Shop, name: str = "worker") -> Any:
    """The alias through which the stream reaches the worker, or a queue another function."""
    return shop.client("lambda").get_alias(FunctionName=f"shop-dev-notification_service-{name}", Name="live")


def sent(shop: Shop, *texts: str, queue: str = "outbox") -> None:
    """Messages for the mailer, or another one."""
    queues = shop.client("sqs")
    (url,) = (url for url in queues.list_queues()["QueueUrls"] if url.endswith(queue))
    for text in texts:
        queues.send_message(QueueUrl=url, MessageBody=text)


def mailed(shop: Shop, text: str) -> list[str]:
    """Which releases have sent the messages that begin so."""
    lines = [line for line in log_lines(shop, "dev") if f"mailer sent {text}" in line]
    return [line.split(" mailer sent ")[0].split()[-1] for line in lines]


def both_consume(shop: Shop) -> bool:
    """One message more; whether both releases have had some: what comes together goes to one of them together."""
    sent(shop, "during")
    return set(mailed(shop, "during")) == {"old", "new"}


def test_one_call_of_twenty_that_fails_is_found_at_a_tenth_of_the_traffic(quick: Shop) -> None:
    quick.edit("penstock.toml", "weights = [50]", "weights = [10]")
    quick.edit("penstock.toml", "margin = 0.05", "margin = 0.01")
    quick.edit(ORDERS, HOOK, HOOK + FAILING.format(share=0.05))
    before = quick.live_release()
    with Client(quick, {"/orders/none": 404}, rate=60) as customers:
        ended = quick.deploy()
    assert ended.status == CAME_BACK, ended
    assert "order_service" in ended.stderr
    assert 0 < len(customers.failed) < len(customers.asked) / 50
    assert ledger(quick)[-1]["what"].startswith("goes back: order_service: "), "the ledger tells why"
    assert (weight(quick), quick.live_release()) == (0, before)


def test_a_release_that_is_a_third_slower_comes_back_by_itself(quick: Shop) -> None:
    quick.edit("penstock.toml", LENIENT, "")
    quick.edit(APP, HOOK, HOOK + "    __import__('time').sleep(0.06)\n")
    well(quick.deploy("--strategy", "all-at-once"))
    before = quick.live_release()
    quick.edit(APP, "sleep(0.06)", "sleep(0.08)")
    with busy(quick) as customers:
        time.sleep(7)  # two of CloudWatch's minutes tell what is normal
        ended = quick.deploy()
    assert ended.status == CAME_BACK, ended
    assert "were slow" in ended.stderr
    assert "→ roll back" in ended.stderr
    assert customers.failed == [], "slow is not broken"
    assert "were slow" in ledger(quick)[-1]["what"], "the ledger tells why"
    assert (weight(quick), quick.live_release()) == (0, before)


def test_an_incident_on_both_sides_rolls_nothing_back(quick: Shop, tmp_path: Path) -> None:
    incident = tmp_path / "the-table-throttles"
    quick.edit(APP, HOOK, HOOK + INCIDENT.format(path=str(incident)))
    well(quick.deploy("--strategy", "all-at-once"))
    quick.append(APP, "\n# another release, no worse than the one before\n")
    with busy(quick) as customers:
        driver = under_way(quick)
        incident.touch()
        time.sleep(5)
        incident.unlink()
        told = driver.communicate(timeout=240)
    assert driver.returncode == 0, told
    assert len(customers.failed) > 10, "it was one"


def test_a_walk_that_the_configuration_spells_out_waits_for_a_person_and_what_is_new_does_its_work(quick: Shop) -> None:
    quick.edit("penstock.toml", CANARY, SPELLED_OUT)
    mark(quick, "new")
    quick.append("services/notification_service/service.toml", LETTERS)
    planned = well(quick.run("plan", "-e", "dev"))
    walk = "verify → 50 % → bake 1m → pause: look at the dashboard (within 80m) → verify → 100 % after 2m"
    assert f"traffic: {walk}" in planned.stdout
    assert "callers of notification_service-letters move at once" in planned.stdout
    driver = under_way(quick)
    with busy(quick) as customers, Client(quick, {"/notifications/health": 200}, rate=30) as others:
        sent(quick, *(f"letter {number}" for number in range(10)), queue="letters")
        until(lambda: any("held: pause" in told["what"] for told in ledger(quick)), "it is held", within=240)
        assert weight(quick) == 50
        assert "penstock resume" in well(quick.run("status", "-e", "dev")).stderr
        until(lambda: len(mailed(quick, "letter")) >= 10, "what is new answers its events", within=60)
        assert "RoutingConfig" not in consumers(quick, "letters")
        well(quick.run("resume", "-e", "dev", "--why", "it looks well"))
        assert status(driver) == 0
    assert [*customers.failed, *others.failed] == [], customers.explained
    assert marked(quick) == "new"
    assert len(mailed(quick, "letter")) == 10
    assert errors_of(quick, "letters") == 0, "nothing went to a function without code"


def errors_of(shop: Shop, function: str) -> int:
    """How many calls of a function of notification_service have failed, whichever of its versions was called."""
    now = datetime.now(tz=UTC)
    found = shop.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": f"shop-dev-notification_service-{function}"}],
        StartTime=now - timedelta(days=1),
        EndTime=now + timedelta(days=7),  # CloudWatch's clock is ahead of ours
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert found, "it was called"
    return int(sum(one["Sum"] for one in found))


def test_people_have_the_last_word_while_another_process_drives(quick: Shop) -> None:
    mark(quick, "new")
    quick.append(WORKER, "\n# another worker\n")
    quick.edit(MAILER, '"old"', '"new"')
    before = consumers(quick)
    driver = under_way(quick)
    meanwhile(driver, lambda: "RoutingConfig" in consumers(quick), "who reads the stream follows", within=120)
    during = consumers(quick)
    assert during["FunctionVersion"] == before["FunctionVersion"]
    (shared,) = during["RoutingConfig"]["AdditionalVersionWeights"].items()
    assert shared[1] == 0.5, "as HTTP does"
    meanwhile(driver, lambda: both_consume(quick), "both consume the queue", within=120)
    assert quick.plan_status() == 0, "Terraform finds nothing to do in the middle of a canary"
    by_hand = quick.terraform("plan", "-input=false", "-var", "slot=production")
    assert by_hand.status == 1
    assert "A rollout is under way in this environment" in by_hand.stderr
    held = well(quick.run("pause", "-e", "dev", "--why", "lunch"))
    assert "stays at 50 %" in held.stderr
    well(quick.run("resume", "-e", "dev"))
    promoted = well(quick.run("promote", "-e", "dev", "--why", "seen enough"))
    assert "has all traffic" in promoted.stderr
    assert status(driver) == 0
    assert marked(quick) == "new"
    after = consumers(quick)
    assert (after["FunctionVersion"], "RoutingConfig" in after) == (shared[0], False)
    sent(quick, *(f"after {number}" for number in range(10)))
    until(lambda: len(mailed(quick, "after")) >= 10, "the queue is empty", within=120)
    assert set(mailed(quick, "after")) == {"new"}
    assert any(entry["what"].endswith("seen enough") for entry in ledger(quick))
    assert quick.plan_status() == 0, "Terraform finds nothing to do behind a promotion by verb"
    assert quick.terraform("plan", "-detailed-exitcode", "-input=false", "-var", "slot=production").status == 0
    back = well(quick.run("rollback", "-e", "dev", "--why", "seen too much"))
    assert "dev runs release" in back.stderr
    assert (marked(quick), quick.plan_status()) == ("", 0), "nor behind a rollback of it"


def test_an_abort_takes_all_services_and_consumers_back_from_the_process_that_drives(quick: Shop) -> None:
    mark(quick, "new")
    plain, headers = "return _api().resolve(event, context)", f'"multiValueHeaders": {{"{HEADER}": ["new"]}}'
    quick.edit(ORDERS, plain, f"return {{**_api().resolve(event, context), {headers}}}")
    quick.append(WORKER, "\n# another worker\n")
    before = consumers(quick)["FunctionVersion"]
    driver = under_way(quick)
    meanwhile(driver, lambda: "RoutingConfig" in consumers(quick), "who reads the stream follows", within=120)
    assert [marks(quick, route) for route in (ROUTE, "/orders/health")] == [{"", "new"}, {"", "new"}]
    well(quick.run("abort", "-e", "dev"))
    assert status(driver) == CAME_BACK
    assert weight(quick) == 0
    assert [marks(quick, route) for route in (ROUTE, "/orders/health")] == [{""}, {""}]
    after = consumers(quick)
    assert (after["FunctionVersion"], "RoutingConfig" in after) == (before, False)
    assert quick.plan_status() == 0, "Terraform finds nothing to do behind an abort"


def test_ctrl_c_takes_the_traffic_back(quick: Shop) -> None:
    mark(quick, "new")
    driver = under_way(quick)
    os.kill(driver.pid, signal.SIGINT)
    assert status(driver) == INTERRUPTED
    assert (weight(quick), marked(quick)) == (0, "")


def test_a_canary_whose_driver_was_killed_is_gone_on_with_by_the_same_command(quick: Shop) -> None:
    mark(quick, "new")
    driver = under_way(quick)
    os.kill(driver.pid, signal.SIGKILL)
    status(driver)
    assert weight(quick) == 50, "nobody is there to change it"
    with busy(quick) as customers:
        ended = well(quick.deploy())
    assert "goes on at 50 %" in ended.stderr
    assert customers.failed == [], customers.explained
    assert (weight(quick), marked(quick)) == (0, "new")


@pytest.mark.parametrize(
    ("command", "answers"),
    [
        pytest.param(("rollback", "-e", "dev"), "", marks=soak),
        (("deploy", "-e", "dev", "--strategy", "all-at-once"), "newer"),
    ],
)
def test_a_canary_whose_driver_was_killed_goes_back_when_something_else_is_wanted(
    quick: Shop, command: tuple[str, ...], answers: str
) -> None:
    mark(quick, "new")
    driver = under_way(quick)
    os.kill(driver.pid, signal.SIGKILL)
    status(driver)
    mark(quick, "newer")
    well(quick.run(*command))
    assert (weight(quick), marked(quick)) == (0, answers)


@soak
def test_a_rollback_takes_the_traffic_back_from_the_process_that_drives(quick: Shop) -> None:
    before = quick.live_release()
    mark(quick, "new")
    driver = under_way(quick)
    well(quick.run("rollback", "-e", "dev"))
    assert status(driver) == CAME_BACK
    assert (weight(quick), marked(quick), quick.live_release()) == (0, "", before)


def test_a_canary_killed_at_any_effect_serves_whole_releases_only_until_it_is_brought_back(
    quick: Shop, tmp_path: Path
) -> None:
    record = tmp_path / "effects.jsonl"
    mark(quick, "recorded")
    driver = quick.start("deploy", "-e", "dev", env={"PENSTOCK_TESTING_RECORD": str(record)})
    meanwhile(driver, lambda: weight(quick) == 50, "the canary gets its share", within=180)
    effects = record.read_text().splitlines()
    well(quick.run("rollback", "-e", "dev"))
    assert status(driver) == CAME_BACK
    (share,) = (number for number, effect in enumerate(effects) if "Gateway.set_canary" in effect)
    others = [f"{number}:{when}" for number in range(share) for when in ("before", "after")]
    problems = []
    for number, point in enumerate((*random.sample(others, 1), f"{share}:before", f"{share}:after")):
        mark(quick, f"killed-{number}")
        with Watch(quick) as watch, Client(quick, rate=2) as customers:
            killed = quick.deploy(env={"PENSTOCK_TESTING_FAULT": point})
            time.sleep(1)
            well(quick.run("abort", "-e", "dev"))
        problems += [f"{point}: {killed}"] if killed.status != -signal.SIGKILL else []
        problems += [f"{point}: {seen}" for seen in set(watch.answers) - {"", f"killed-{number}"}]
        problems += [f"{point}: {failed}" for failed in customers.failed]
        problems += [f"{point}: {what}" for what in left_over(quick, "")]
    assert problems == []
    assert quick.plan_status() == 0


def test_a_driver_that_stood_still_past_its_lease_moves_nothing_when_it_wakes_up(quick: Shop) -> None:
    mark(quick, "new")
    driver = under_way(quick)
    os.kill(driver.pid, signal.SIGSTOP)
    try:
        stale(quick)
        well(quick.run("abort", "-e", "dev", "--why", "its laptop is closed"))
        assert weight(quick) == 0
    finally:
        os.kill(driver.pid, signal.SIGCONT)
    _, told = driver.communicate(timeout=60)
    assert driver.returncode == LOCKED, told
    assert "the lease was lost while this command stood still" in told
    assert (weight(quick), marked(quick)) == (0, "")
    assert ledger(quick, "took-over"), "and the ledger shows it"


def test_a_sleeping_environment_is_never_taken_for_a_healthy_one(quick: Shop) -> None:
    quick.edit("penstock.toml", 'deadline = "90m"', 'deadline = "6m"')
    mark(quick, "new")
    ended = quick.deploy()
    assert ended.status == INCONCLUSIVE, ended
    assert "not decided within 6m" in ended.stderr
    assert "no data is never good data" in ended.stderr
    assert (weight(quick), marked(quick)) == (0, "")


@soak
def test_a_sleeping_environment_can_be_asked_by_requests_of_our_own(quick: Shop) -> None:
    quick.edit("penstock.toml", 'deadline = "90m"', 'deadline = "90m"\non_inconclusive = "synthetic"')
    quick.append(
        "penstock.toml", '\n[synthetic]\nrate = 120\n[[synthetic.requests]]\nrequest = "GET /users/health?by=us"\n'
    )
    mark(quick, "new")
    ended = well(quick.deploy())
    assert "too few calls to judge: 120 requests of our own a minute help out" in ended.stderr
    assert (weight(quick), marked(quick)) == (0, "new")


def rings_at_errors(shop: Shop, name: str) -> None:
    """An alarm of the user's own: a call of user_service has failed. However few call, it rings at once."""
    shop.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": "shop-dev-user_service"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )


def test_a_detached_release_is_promoted_and_taken_back_by_the_controller_when_its_alarm_rings_in_the_bake(
    quick: Shop, tmp_path: Path
) -> None:
    before, trouble = quick.live_release(), tmp_path / "trouble"
    rings_at_errors(quick, "users-fail")
    quick.edit("penstock.toml", 'bake = "1m"', 'bake = "8m"\nalarms = ["users-fail"]')
    quick.edit(APP, HOOK, HOOK + TROUBLE.format(path=trouble))
    mark(quick, "new")
    with busy(quick) as customers:
        left = well(quick.run("deploy", "-e", "dev", "--detach"))
        assert "on its way, driven in the account" in left.stderr
        until(lambda: weight(quick) == 50, "the controller gives it its share", within=180)
        assert quick.plan_status() == 0, "Terraform finds nothing to do in the middle of it"
        follower = quick.start("status", "-e", "dev", "--watch")
        live = "it is live; for 8m an alarm takes it back: "
        until(lambda: ledger(quick)[-1]["what"].startswith(live), "the controller gives it all traffic", within=240)
        assert (weight(quick), marked(quick)) == (0, "new")
        assert customers.failed == [], customers.explained
        trouble.touch()
        until(lambda: ledger(quick, "rolling-back"), "the controller takes it back", within=90)
        until(lambda: quick.get(ROUTE).status == 200, "it has", within=90)
        time.sleep(1)
    assert "was promoted" in follower.communicate(timeout=60)[1]
    assert customers.failed[-1].at < customers.asked[-1].at
    assert (weight(quick), marked(quick), quick.live_release()) == (0, "", before)
    assert [entry["what"] for entry in ledger(quick)][-2] == "passed: all traffic comes next"
    (why,) = (entry["why"] for entry in ledger(quick, "rolling-back"))
    assert re.fullmatch("alarm .*users-fail rings", why)
    until(
        lambda: quick.client("scheduler").list_schedules()["Schedules"] == [], "nobody is called any more", within=180
    )
    assert why in well(quick.run("audit", "-e", "dev")).stdout
    assert quick.plan_status() == 0


def test_a_bad_release_whose_driver_was_killed_comes_back_with_nobody_there(quick: Shop) -> None:
    quick.edit(APP, HOOK, HOOK + FAILING.format(share=0.25))
    before = quick.live_release()
    driver = under_way(quick)
    os.kill(driver.pid, signal.SIGKILL)
    status(driver)
    with busy(quick) as customers:
        until(lambda: weight(quick) == 0, "the controller takes it back", within=90)
        time.sleep(1)
    assert quick.live_release() == before
    assert customers.failed, "the candidate had its share of them"
    assert customers.failed[-1].at < customers.asked[-1].at
    assert "user_service" in ledger(quick)[-1]["what"]


def test_a_webhook_is_asked_by_the_function_in_the_account_which_may_read_its_secret(quick: Shop) -> None:
    with receiver() as (url, asked):
        quick.append("penstock.toml", ASKED.format(url=url))
        mark(quick, "new")
        well(quick.run("deploy", "-e", "dev", "--detach"))
        until(lambda: weight(quick) == 50, "it has said yes", within=180)
        well(quick.run("promote", "-e", "dev"))
    secret = value_of(quick)
    assert len(asked) >= 2, "not yet, and then yes"
    for headers, body in asked:
        assert headers["authorization"] == secret
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        assert headers["x-hub-signature-256"] == f"sha256={signature}"
        assert json.loads(body)["weight"] == 0
    assert len({headers["idempotency-key"] for headers, _ in asked}) == 1
    said = [entry["what"] for entry in ledger(quick)]
    assert "webhook qa has not decided yet" in said
    assert "webhook qa says yes: 12 of 12 checks are green" in said
    assert objects_with(quick, "dev", secret) == set()
    assert [line for line in log_lines(quick, "dev") if holds(line.encode(), secret)] == []


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Somebody else's server, that thinks once before it says yes; its URL, and headers and body of what came."""
    asked: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(202 if len(asked) == 1 else 200)
            self.end_headers()
            yes = b'{"status": "ok", "reason": "12 of 12 checks are green"}'
            self.wfile.write(yes if len(asked) > 1 else b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/penstock", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
