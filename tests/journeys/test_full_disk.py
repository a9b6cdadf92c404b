"""A disk without room, below the cache and below the embedded AWS: said so, nothing lost, and on it goes."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from disks import fill, make_room, small_disk
from journeys.shop import well
from journeys.trouble import embedded_aws, mark, marked, unsettled

if TYPE_CHECKING:
    from journeys.shop import Ended, Shop

SPARE = 96 << 20
"""Bytes of room beside what is there: several builds and versions, and the state that is written anew each second."""


def test_a_full_disk_below_the_cache_stops_a_deploy_before_anything_is_touched(shop: Shop) -> None:
    mark(shop, "before")
    well(shop.deploy())
    with small_disk(shop.root / ".penstock/cache", SPARE) as disk:
        fill(disk)
        mark(shop, "after")
        refused = shop.deploy()
        assert_told(refused, "No space left on device", f"at {shop.root}/.penstock/cache", "→ make room")
        assert unsettled(shop, "before") == []
        make_room(disk)
        well(shop.deploy())
        assert unsettled(shop, "after") == []


def test_a_full_disk_below_the_embedded_aws_loses_nothing_that_it_acknowledged(shop: Shop) -> None:
    mark(shop, "before")
    well(shop.deploy())
    user = shop.post("/users", {"name": "Ada", "email": "ada@example.com"})
    assert user.status == 201, user
    well(shop.run("local", "stop"))
    with small_disk(shop.root / ".penstock/local", SPARE) as disk:
        try:
            well(shop.run("local", "start"))
            fill(disk)
            mark(shop, "after")
            refused = shop.deploy()
            assert_told(refused, "the disk that keeps the embedded AWS is full", "Free some space and try again")
            assert marked(shop) == "before"
            make_room(disk)
            well(shop.deploy())
            assert unsettled(shop, "after") == []

            fill(disk)
            os.kill(embedded_aws(shop), signal.SIGKILL)
            make_room(disk)
            assert "nothing to do" in well(shop.deploy()).stderr
            assert unsettled(shop, "after") == []
            assert shop.get(f"/users/{user.json['id']}").status == 200
        finally:
            well(shop.run("local", "stop"))


# ------------------------------------------------------------------------------------------ helpers


def assert_told(ended: Ended, *texts: str) -> None:
    """Exit 1 with these words about the disk and what to do, and no traceback."""
    assert ended.status == 1, ended
    for text in texts:
        assert text.lower() in ended.stderr.lower(), ended
    assert "Traceback" not in ended.stderr, ended
    assert "fault of Penstock" not in ended.stderr, ended
