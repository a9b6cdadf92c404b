"""A rehearsal for real: Terraform, functions, callers, judge, a fault; nothing of it stays, nothing else is touched."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

from journeys.trouble import mark, marked

if TYPE_CHECKING:
    from journeys.shop import Shop


def test_a_candidate_that_fails_comes_back_in_the_rehearsal_and_production_never_sees_it(shop: Shop) -> None:
    mark(shop, "candidate")
    before = shop.live_release()
    page = shop.root / "rehearsal.html"
    arguments = ("--strategy", "canary", "--fault", "errors=0.6", "--time-scale", "40", "--html", str(page))
    ended = shop.run("rehearse", "-e", "dev", *arguments, "--expect", "rollback", "--json")
    assert ended.status == 0, ended
    report = json.loads(ended.stdout.splitlines()[-1])
    assert report["outcome"] == "rolled-back"
    assert report["candidate"]["failed"] > 0
    assert 0 < report["hits"]["errors=0.6"] <= report["candidate"]["failed"]
    assert report["stable"]["failed"] == 0
    assert 0 < report["failed"] <= report["candidate"]["failed"] + 5, "callers were let down by the candidate only"
    assert report["detected"] is not None
    assert report["reverted"] < 30
    assert "rolled back" in page.read_text()
    assert (shop.live_release(), marked(shop)) == (before, "")
    assert not (shop.root / ".penstock/rehearsal/workspace").exists()


def test_without_the_flag_nobody_can_make_calls_fail(shop: Shop) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{shop.port}/_penstock/rehearsal", data=b'{"faults": []}', method="PUT"
    )
    try:
        status = urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as refused:
        status = refused.code
    assert status == 404
