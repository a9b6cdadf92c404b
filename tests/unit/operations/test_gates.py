"""Gates of the user's own over the fakes: a whole deploy, from the configuration to the ledger."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from unit.operations.harness import Verbs, yes
from unit.operations.test_busy_aws import Refusing
from unit.operations.test_controller import in_the_account, minutes
from unit.operations.traffic import Busy, Traffic

from penstock.model.errors import AccessDenied, CameBack, Inconclusive, Refused, RemoteFault
from penstock.model.errors import Busy as Throttled
from penstock.model.events import Note, PlanReady, RolloutJudged, RolloutMoved
from penstock.model.gates import MetricGate, MetricTerm, Webhook, When
from penstock.model.rollouts import RolloutPolicy
from penstock.model.workspace import Secret
from penstock.operations.gates import consult
from penstock.operations.rollout_store import BRIEF, RolloutStore
from penstock.operations.status import rollout_status
from penstock.operations.tick import tick
from penstock.rollout.verdict import Verdict
from penstock.testing import Killed, Posted, answered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.ports import HttpAnswer, ObjectStore

URL, TOKEN, KEY = "https://qa.example.com/hook?t=1", "Bearer s3cr3t-t0ken", "a-key"
DECLINED = MetricGate(
    name="declined", terms={"series": MetricTerm(namespace="Shop", metric="Declined", statistic="Sum")}, max=5.0
)


class Metered(Traffic):
    """Callers, and a number of the user's own that every minute has."""

    declined: float | None = 1.0

    def _minute(self, at: int) -> None:
        super()._minute(at)
        if self.declined is not None:
            self.verbs.shop.metrics.record("Shop", "Declined", {}, self.declined, at=at)


def hook(when: When = "each-step", **more: object) -> Webhook:
    headers = {"Authorization": "token"}
    return replace(Webhook(name="qa", url=URL, when=when, headers=headers, secret="key"), **more)  # type: ignore[arg-type]


@pytest.fixture
def verbs(tmp_path: Path) -> Verbs:
    found = Verbs(root=tmp_path)
    found.shop.clock = clock = Busy()
    clock.traffic = Metered(found)
    for name, value in (("token", TOKEN), ("key", KEY)):
        found.shop.secrets.put(f"shop/dev/{name}", value)
    return found


def gated(verbs: Verbs, *, metrics: tuple[MetricGate, ...] = (), webhooks: tuple[Webhook, ...] = ()) -> Metered:
    """A release that is live, another one, and the gates that it has to pass."""
    policy = RolloutPolicy(strategy="canary", weights=(10, 50), bake=300.0, metrics=metrics, webhooks=webhooks)
    secrets = tuple(Secret(name=name, physical=f"shop/dev/{name}") for name in ("token", "key"))
    environment = replace(verbs.workspace.environment, rollout=policy)
    verbs.workspace = replace(verbs.workspace, environment=environment, secrets=secrets)
    verbs.deploy()
    verbs.code["users"] = 2
    assert isinstance(verbs.shop.clock, Busy)
    assert isinstance(verbs.shop.clock.traffic, Metered)
    return verbs.shop.clock.traffic


def told(verbs: Verbs) -> str:
    """Everything that was said, written down or stored, but for what the function in the account works from."""
    stored = (verbs.shop.objects.get(key) for key in verbs.shop.objects.list("") if key != BRIEF)
    bodies = [one.body.decode(errors="replace") for one in stored if one]
    return "\n".join([*bodies, *(str(event.to_json()) for event in verbs.shop.events.seen)])


def ledger(verbs: Verbs) -> list[str]:
    """What the ledger says about rollouts."""
    stored = [verbs.shop.objects.get(key) for key in sorted(verbs.shop.objects.list("ledger/"))]
    entries = [json.loads(one.body) for one in stored if one]
    return [entry["data"]["what"] for entry in entries if entry["kind"] == "rollout"]


def posted(verbs: Verbs) -> list[Posted]:
    return verbs.shop.webhooks.posted


# ------------------------------------------------------------------------------------------ metrics


def test_a_metric_that_goes_bad_takes_the_release_back_and_the_ledger_says_why(verbs: Verbs) -> None:
    traffic = gated(verbs, metrics=(DECLINED,))
    traffic.declined = 9.0
    with pytest.raises(CameBack, match=r"declined: 9 is more than 5, 2 times in a row → roll back"):
        verbs.deploy(confirm=yes)
    assert verbs.live_code()["users"] == 1
    assert "goes back: declined: 9 is more than 5, 2 times in a row → roll back" in ledger(verbs)
    evidence = verbs.shop.events.of(RolloutJudged)[-1].evidence["gates"]
    assert evidence == [
        {"name": "declined", "verdict": "FAIL", "value": 9.0, "sentence": evidence[0]["sentence"]},
    ]


def test_a_metric_that_counts_in_whole_numbers_stops_no_driver(verbs: Verbs) -> None:
    highest = replace(DECLINED, terms={"series": replace(DECLINED.terms["series"], statistic="Maximum")})
    traffic = gated(verbs, metrics=(highest,))
    traffic.declined = 9
    with pytest.raises(CameBack, match="declined: 9 is more than 5"):
        verbs.deploy(confirm=yes)


def test_a_metric_that_stays_well_is_no_hindrance(verbs: Verbs) -> None:
    gated(verbs, metrics=(DECLINED,))
    assert verbs.deploy(confirm=yes).live


def test_a_metric_that_nobody_publishes_lets_nothing_through(verbs: Verbs) -> None:
    traffic = gated(verbs, metrics=(DECLINED,))
    traffic.declined = None
    with pytest.raises(Inconclusive, match="declined: no data for"):
        verbs.deploy(confirm=yes)


def test_a_fall_is_measured_by_the_hour_before_the_rollout(verbs: Verbs) -> None:
    orders = replace(DECLINED, name="orders", max=None, max_fall=0.3)
    traffic = gated(verbs, metrics=(orders,))
    traffic.declined = 100.0
    verbs.shop.clock.sleep(1800)
    traffic.declined = 60.0
    with pytest.raises(CameBack, match="orders: 60 is more than 30 % below what it was before, which would be 70"):
        verbs.deploy(confirm=yes)


def test_a_denied_query_is_told_and_moves_nothing_back_until_the_deadline(verbs: Verbs) -> None:
    gated(verbs, metrics=(DECLINED,))
    verbs.shop.metrics.fault = AccessDenied("AccessDenied: not authorized to perform cloudwatch:GetMetricData")
    with pytest.raises(Inconclusive, match="declined could not be measured: AccessDenied"):
        verbs.deploy(confirm=yes)
    said = [what for what in ledger(verbs) if what.startswith("metric declined could not be measured")]
    assert len(said) == 1
    assert "10 % of the traffic goes to it" in ledger(verbs)
    assert "50 % of the traffic goes to it" not in ledger(verbs)


def test_the_status_tells_what_a_gate_waits_for(verbs: Verbs) -> None:
    traffic = gated(verbs, metrics=(DECLINED,))
    traffic.declined = None
    seen: list[str] = []

    def look() -> None:
        found = rollout_status(verbs.world())
        seen.extend([found.sentence] if found else [])

    traffic.meanwhile = look
    with pytest.raises(Inconclusive):
        verbs.deploy(confirm=yes)
    assert any("declined: no data for" in sentence for sentence in seen)


# ------------------------------------------------------------------------------------------ webhooks


def test_a_webhook_learns_what_is_shipped_and_can_check_who_asks(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("each-step"),))
    done = verbs.deploy(confirm=yes)
    first, second = posted(verbs)
    asked = json.loads(first.body)
    assert asked["release"] == done.release
    assert (asked["environment"], asked["weight"], asked["commit"]) == ("dev", 10, "c0ffee")
    assert json.loads(second.body)["weight"] == 50
    assert first.headers["Idempotency-Key"] == asked["id"] != second.headers["Idempotency-Key"]
    assert first.headers["Authorization"] == TOKEN
    signature = hmac.new(KEY.encode(), first.body, hashlib.sha256).hexdigest()
    assert first.headers["X-Hub-Signature-256"] == f"sha256={signature}"
    assert "webhook qa says yes" in ledger(verbs)


def test_a_no_of_a_webhook_takes_traffic_back_with_its_own_words(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("each-step"),))
    verbs.shop.webhooks.answer = lambda _: answered(409, '{"status": "fail", "reason": "3 of 40 checks are red"}')
    with pytest.raises(CameBack, match="qa says no: 3 of 40 checks are red → roll back"):
        verbs.deploy(confirm=yes)
    assert len(posted(verbs)) == 1
    assert "goes back: qa says no: 3 of 40 checks are red → roll back" in ledger(verbs)


@pytest.mark.parametrize(
    ("answer", "times", "what"),
    [
        (lambda: answered(503), 3, "HTTP 503 from qa.example.com"),
        (lambda: Throttled("no answer within 10 s"), 3, "no answer within 10 s from qa.example.com"),
        (lambda: answered(401), 1, "HTTP 401 from qa.example.com"),
        (lambda: RemoteFault("the answer is longer than 64 KiB"), 1, "longer than 64 KiB"),
    ],
)
def test_a_webhook_that_cannot_be_asked_is_asked_again_and_has_neither_said_yes_nor_no(
    verbs: Verbs, answer: Callable[[], HttpAnswer | RemoteFault], times: int, what: str
) -> None:
    gated(verbs, webhooks=(hook("before-traffic", deadline=50.0),))
    verbs.shop.webhooks.answer = lambda _: answer()
    with pytest.raises(Inconclusive, match="qa could not be asked"):
        verbs.deploy(confirm=yes)
    assert len(posted(verbs)) == times
    assert [said for said in ledger(verbs) if what in said]
    assert not [moved for moved in verbs.shop.events.of(RolloutMoved) if moved.weight]


def test_between_two_attempts_the_driver_looks_at_everything_else(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("each-step"),))

    def breaks(_: Posted) -> RemoteFault:
        found = RolloutStore(verbs.shop.objects)
        now = found.under_way()
        assert now is not None
        if len(posted(verbs)) == 1:
            found.order(now, "abort", by="alice", why="I saw it", at=verbs.shop.clock.now())
        return Throttled("no answer within 10 s")

    verbs.shop.webhooks.answer = breaks
    with pytest.raises(CameBack, match="aborted by alice"):
        verbs.deploy(confirm=yes)
    assert len(posted(verbs)) == 1


def test_a_visit_of_the_controller_tries_again_by_itself(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("before-traffic"),))
    assert verbs.deploy(confirm=yes, detach=True).detached
    verbs.shop.webhooks.answer = lambda _: answered(503)
    found = RolloutStore(verbs.shop.objects).under_way()
    assert found is not None
    tick(in_the_account(verbs), found.id)
    assert len(posted(verbs)) == 3
    tick(in_the_account(verbs), found.id)
    assert len(posted(verbs)) == 3, "the next ones come after a minute"
    verbs.shop.clock.sleep(60)
    tick(in_the_account(verbs), found.id)
    assert len(posted(verbs)) == 6
    assert len([what for what in ledger(verbs) if "could not be asked" in what]) == 1


def test_where_the_bucket_refuses_a_webhook_could_not_be_asked(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("before-traffic"),))
    assert verbs.deploy(confirm=yes, detach=True).detached
    found = RolloutStore(verbs.shop.objects).under_way()
    assert found is not None
    busy = cast("ObjectStore", Refusing(verbs.shop.objects, "get", 1))
    reply = consult(replace(verbs.world(), objects=busy), found, "qa")
    assert reply.verdict is Verdict.ERROR
    assert reply.sentence.startswith("qa could not be asked: AWS throttles")
    assert posted(verbs) == []


def test_who_says_how_far_it_is_is_told_and_writes_no_ledger(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("before-traffic"),))

    def progress(_: Posted) -> HttpAnswer:
        done = len(posted(verbs))
        return answered(200, f'{{"status": "{"running" if done < 9 else "ok"}", "reason": "{done} of 9 tests"}}')

    verbs.shop.webhooks.answer = progress
    assert verbs.deploy(confirm=yes).live
    said = [f"webhook qa has not decided yet: {done} of 9 tests" for done in range(1, 9)]
    told_of = [moved.what for moved in verbs.shop.events.of(RolloutMoved) if moved.what.startswith("webhook")]
    assert told_of == [*said, "webhook qa says yes: 9 of 9 tests"]
    assert [what for what in ledger(verbs) if what.startswith("webhook")] == [said[0], told_of[-1]]


def test_a_webhook_that_takes_its_time_is_waited_for(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("before-traffic"),))
    verbs.shop.webhooks.answer = lambda _: answered(202 if len(posted(verbs)) < 4 else 200)
    assert verbs.deploy(confirm=yes).live
    assert len(posted(verbs)) == 4
    assert len({one.headers["Idempotency-Key"] for one in posted(verbs)}) == 1


def test_secrets_are_in_the_request_and_nowhere_else(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("before-traffic", deadline=50.0),))
    escaped = TOKEN.replace("t", "\\u0074")
    echo = f'{{"status": "fail", "reason": "I was sent {escaped} and {KEY}"}}'
    verbs.shop.webhooks.answer = lambda _: answered(409, echo)
    with pytest.raises(Refused) as caught:
        verbs.deploy(confirm=yes)
    assert "I was sent *** and ***" in str(caught.value)
    for value in (TOKEN, "s3cr3t", KEY, "hook?t=1"):
        assert value not in str(caught.value)
    for value in (TOKEN, "s3cr3t", KEY, "hook?t=1"):
        assert value not in told(verbs)


def test_a_secret_without_a_value_is_named_and_nothing_is_sent(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("before-traffic", deadline=50.0, secret="other"),))
    with pytest.raises(Inconclusive, match="secrets set -e dev other"):
        verbs.deploy(confirm=yes)
    assert posted(verbs) == []


def test_a_driver_that_died_between_question_and_answer_asks_again_under_the_same_key(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("before-traffic"),))

    def dies(_: Posted) -> HttpAnswer:
        raise Killed

    verbs.shop.webhooks.answer = dies
    with pytest.raises(Killed):
        verbs.deploy(confirm=yes)
    verbs.shop.webhooks.answer = lambda _: answered(204)
    assert verbs.deploy(confirm=yes).live
    first, again = posted(verbs)
    assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]
    assert first.body == again.body


def test_the_function_in_the_account_asks_the_same_gates(verbs: Verbs) -> None:
    traffic = gated(verbs, metrics=(DECLINED,), webhooks=(hook("each-step"),))
    assert verbs.deploy(confirm=yes, detach=True).detached
    verbs.shop.webhooks.answer = lambda _: answered(202 if len(posted(verbs)) < 3 else 200)
    said = minutes(verbs)
    assert said[-1].endswith("is promoted")
    assert len(posted(verbs)) == 4
    verbs.code["users"] = 3
    traffic.declined = 9.0
    assert verbs.deploy(confirm=yes, detach=True).detached
    assert "declined: 9 is more than 5" in minutes(verbs)[-1]
    assert verbs.live_code()["users"] == 2


def test_a_visit_that_has_waited_long_for_webhooks_leaves_the_rest_to_the_next_one(verbs: Verbs) -> None:
    hooks = tuple(hook("before-traffic", name=f"qa{number}", retries=0) for number in range(3))
    gated(verbs, webhooks=hooks)
    assert verbs.deploy(confirm=yes, detach=True).detached

    def slow(_: Posted) -> RemoteFault:
        verbs.shop.clock.sleep(70)
        return Throttled("no answer within 70 s")

    verbs.shop.webhooks.answer = slow
    found = RolloutStore(verbs.shop.objects).under_way()
    assert found is not None
    began = verbs.shop.clock.now()
    tick(in_the_account(verbs), found.id)
    assert verbs.shop.clock.now() - began < 300


def test_the_first_release_of_all_asks_nobody_and_says_so(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("promotion"),))
    assert posted(verbs) == []
    assert any("there is no traffic that webhooks could keep from it" in str(one) for one in verbs.shop.events.seen)


def test_a_release_that_shares_no_traffic_says_that_nobody_looks_at_its_metrics_and_asks_webhooks(verbs: Verbs) -> None:
    gated(verbs, metrics=(DECLINED,), webhooks=(hook("each-step"),))
    assert verbs.deploy(confirm=yes, strategy="all-at-once").live
    said = [note.text for note in verbs.shop.events.of(Note)]
    assert any("nobody looks at declined: this release shares no traffic" in text for text in said)
    assert len(posted(verbs)) == 1


def test_the_plan_names_who_is_asked(verbs: Verbs) -> None:
    gated(verbs, metrics=(DECLINED,), webhooks=(hook("each-step"),))
    verbs.deploy(confirm=yes)
    walk = verbs.shop.events.of(PlanReady)[-1].plan["walk"]
    assert "→ 10 % → bake 5m → ask qa (within 10m) → 50 % after" in walk
    assert "(at the earliest, and webhooks' time); gates: declined; alarms can" in walk


def test_the_plan_shows_each_gate_with_its_limits_and_each_webhooks_host(verbs: Verbs) -> None:
    orders = replace(DECLINED, name="orders", expression="a / b", max=None, max_fall=0.3, failures=1, missing="zero")
    gated(verbs, metrics=(DECLINED, orders), webhooks=(hook("each-step"),))
    verbs.deploy(plan_only=True)
    shown = verbs.shop.events.of(PlanReady)[-1].summary
    assert (
        "  judged by: the defaults\n"
        '    declined: Sum of Shop Declined, max = 5, 2 failing points of 1m in a row, missing = "inconclusive"\n'
        '    orders: a / b, max_fall = 0.3, 1 failing point of 1m in a row, missing = "zero"\n'
        "    qa: POST to qa.example.com, each-step, within 10m, signed\n"
    ) in shown


def test_a_yes_is_no_yes_to_another_url_although_the_plan_shows_none(verbs: Verbs) -> None:
    gated(verbs, webhooks=(hook("each-step"),))
    one = verbs.deploy(plan_only=True).plan
    gated_again = replace(verbs.workspace.environment.rollout, webhooks=(hook("each-step", url=f"{URL}2"),))
    verbs.workspace = replace(verbs.workspace, environment=replace(verbs.workspace.environment, rollout=gated_again))
    other = verbs.deploy(plan_only=True).plan
    assert one is not None
    assert other is not None
    assert one.digest != other.digest
    assert one.rollout["webhooks"][0]["host"] == "qa.example.com"
    assert URL not in told(verbs)


def test_the_plan_shows_no_gate_that_nobody_asks(verbs: Verbs) -> None:
    gated(verbs, metrics=(DECLINED,), webhooks=(hook("each-step"),))
    verbs.deploy(plan_only=True, strategy="all-at-once")
    shown = verbs.shop.events.of(PlanReady)[-1].summary
    assert "declined" not in shown
    assert "    qa: POST to qa.example.com" in shown
