"""Canaries of the shop: what they are told, who calls meanwhile, and what is seen of them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from journeys.shop import until, well
from journeys.traffic import Client
from journeys.trouble import ROUTE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from journeys.moments import Moment
    from journeys.shop import Shop

CAME_BACK, LOCKED, INCONCLUSIVE, INTERRUPTED = 3, 4, 7, 130
FASTER = "20"
"""How much faster CloudWatch's clock runs: its minute takes three seconds."""
LENIENT = "latency_margin = 0.5\n"
"""Where a journey is not about latency: which half of the calls a machine under load keeps waiting is chance."""
CANARY = f"""
[environments.dev.rollout]
strategy = "canary"
weights = [50]
bake = "1m"
delay = "5s"
margin = 0.05
{LENIENT}deadline = "90m"
"""
BRIEFLY = ('bake = "1m"', 'bake = "1s"')
"""For a deploy by a clock that runs no faster, which watches alarms for so long when all traffic has moved."""
WORKER = "services/notification_service/src/notifications/worker.py"
MAILER = "services/notification_service/src/notifications/mailer.py"
CONSUMER = """
[functions.{function}]
handler = "notifications.mailer.handler"
verify = "events/verify.json"
[[functions.{function}.on]]
queue = "{queue}"
batch = 1
[queues.{queue}]
"""
MAILS = CONSUMER.format(function="mailer", queue="outbox")
LETTERS = CONSUMER.format(function="letters", queue="letters")
"""A function that only a queue reaches, which is in no release yet."""
MAILING = '''"""Sends what waits in the outbox, and says who did."""

RELEASE = "old"


def handler(event, _context):
    for record in event.get("Records", ()):
        print(f"{RELEASE} mailer sent {record['body']}")
    return {}
'''
HOOK = '    """Answer one request of API Gateway."""\n'
FAILING = (
    "    turn = handler.__dict__['turn'] = handler.__dict__.get('turn', 0) + 1\n"
    "    if event['requestContext']['stage'] == 'live' and turn % 20 < 20 * {share}:\n"
    "        raise RuntimeError('broken in some calls')\n"
)
"""Code that the checks before traffic cannot find. It counts instead of throwing dice: by chance half of a minute's
calls may fail where a quarter does, and then an alarm is as right as the judge."""
SORRY = (
    "    turn = handler.__dict__['turn'] = handler.__dict__.get('turn', 0) + 1\n"
    "    if event['requestContext']['stage'] == 'live' and turn % 4 == 0:\n"
    "        return {'statusCode': 500, 'body': 'we are sorry'}\n"
)
"""Handles each of its faults: to Lambda these calls are as good as any."""


@contextmanager
def hastened(shop: Shop, at: Moment, **settings: str) -> Iterator[Shop]:
    """The shop as it was at that moment, with a CloudWatch that runs faster, and what else the embedded AWS is told."""
    well(shop.run("local", "stop"))
    well(shop.run("local", "start", env={"PENSTOCK_LOCAL_TIME_SCALE": FASTER, **settings}))
    try:
        shop.restore(at.files, at.name)
        yield shop
    finally:
        well(shop.run("local", "stop"))


def busy(shop: Shop) -> Client:
    """Customers who ask user_service thirty times a second: ninety times in one of CloudWatch's minutes."""
    return Client(shop, {ROUTE: 200}, rate=30)


def live_stage(shop: Shop) -> Any:
    """The stage that answers callers, as API Gateway tells it."""
    gateway = shop.client("apigateway")
    (api,) = (one["id"] for one in gateway.get_rest_apis()["items"] if one["name"] == "shop-dev")
    return gateway.get_stage(restApiId=api, stageName="live")


def weight(shop: Shop) -> float:
    """The percent of requests that the live stage sends to the candidate."""
    return float(live_stage(shop).get("canarySettings", {}).get("percentTraffic", 0))


def bucket_of(shop: Shop) -> str:
    """The environment's bucket."""
    named = (one["Name"] for one in shop.client("s3").list_buckets()["Buckets"])
    return str(next(name for name in named if name.startswith("penstock-shop-dev")))


def ledger(shop: Shop, *kinds: str) -> list[dict[str, Any]]:
    """The data of everything that the ledger says about rollouts (or of these kinds), oldest first."""
    store, bucket = shop.client("s3"), bucket_of(shop)
    keys = [one["Key"] for one in store.list_objects_v2(Bucket=bucket, Prefix="ledger/")["Contents"]]
    entries = [json.loads(store.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
    return [entry["data"] for entry in entries if entry["kind"] in (kinds or ("rollout",))]


def under_way(shop: Shop) -> subprocess.Popen[str]:
    """A canary that has half of the traffic, and the process that drives it."""
    driver = shop.start("deploy", "-e", "dev")
    meanwhile(driver, lambda: weight(shop) == 50, "the canary gets its share", within=180)
    return driver


def meanwhile(driver: subprocess.Popen[str], condition: Callable[[], object], what: str, *, within: float) -> None:
    """Wait for what comes while somebody drives; fails with his last words when he has ended before."""
    until(lambda: condition() or driver.poll() is not None, what, within=within)
    assert driver.poll() is None, driver.communicate()


def stale(shop: Shop) -> None:
    """Let time go by for the lease: it has expired, and whoever held it has no call under way any more."""
    place: dict[str, Any] = {"Bucket": bucket_of(shop), "Key": "lease.json"}
    lease = json.loads(shop.client("s3").get_object(**place)["Body"].read())
    shop.client("s3").put_object(**place, Body=json.dumps({**lease, "ttl": -3600}).encode())


def status(driver: subprocess.Popen[str]) -> int:
    """How it ended, when it has."""
    driver.communicate(timeout=240)
    return driver.returncode
