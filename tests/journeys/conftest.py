"""Journeys: a user's whole way through the command line, with nothing replaced.

Fixtures, for every file in this folder:

- `shop`: the example shop, deployed to dev, as it was right after that first deploy. Every test gets it in this
  state, whatever the tests before it did: the workspace's files are copied back and the embedded AWS restores a
  snapshot, so that a test costs what it does itself. Use this one.
- `first_deploy`: how that first deploy ended.
- `callers`: a client that asks all health routes of dev at a steady rate as long as the test runs; the test fails when
  one of its requests did. Ask for it wherever traffic moves, by `pytestmark = pytest.mark.usefixtures("callers")`.
- `empty_shop`: a fresh copy of the example on a port of its own where nothing was ever built, deployed or started.
  Slow; for tests about the first minutes, or that kill the embedded AWS in ways that must not hurt others.
- `quick`: the shop whose dev ships by a canary, with a CloudWatch whose clock runs faster; see `journeys.canaries`.
- `everywhere`: the same shop with dev, staging and production deployed side by side, restored for each test as well.

Everything that is started ends with its fixture, by its process id. See `journeys.shop` for what a shop can do,
`journeys.account` for comparing the whole state of an account before and after, `journeys.traffic` for clients.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from journeys.canaries import CANARY, FASTER, MAILER, MAILING, MAILS
from journeys.shop import Ended, Shop, keep, new_shop, well
from journeys.traffic import HEALTHY, Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SNAPSHOT = "first-deploy"
EVERYWHERE = "everywhere"
CANARIES = "canary"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "journeys" in item.path.parts:
            item.add_marker(pytest.mark.journey)
            item.add_marker(pytest.mark.terraform)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The shop after its first deploy, and a copy of its files from that moment."""

    shop: Shop
    kept: Path
    ended: Ended


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Baseline]:
    """One workspace for the whole session: built and deployed once."""
    folder = tmp_path_factory.mktemp("journeys")
    shop = new_shop(folder)
    try:
        ended = well(shop.deploy())
        well(shop.run("local", "snapshot", SNAPSHOT))
        keep(shop.root, folder / "kept")
        yield Baseline(shop=shop, kept=folder / "kept", ended=ended)
    finally:
        shop.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def first_deploy(baseline: Baseline) -> Ended:
    return baseline.ended


@pytest.fixture
def shop(baseline: Baseline) -> Shop:
    """The shop as it was after its first deploy to dev."""
    baseline.shop.restore(baseline.kept, SNAPSHOT)
    return baseline.shop


@pytest.fixture
def callers(shop: Shop) -> Iterator[Client]:
    """People who use the shop all the time: whatever the test does, they must not notice."""
    with Client(shop, HEALTHY, rate=2) as client:
        yield client
    assert client.failed == []


@pytest.fixture(scope="session")
def kept_everywhere(baseline: Baseline) -> Path:
    """The files after staging and production were deployed as well."""
    shop = baseline.shop
    shop.restore(baseline.kept, SNAPSHOT)
    well(shop.deploy(environment="staging"))
    well(shop.deploy("--auto-approve", environment="production"))
    well(shop.run("local", "snapshot", EVERYWHERE))
    kept = baseline.kept.with_name("kept-everywhere")
    keep(shop.root, kept)
    return kept


@pytest.fixture
def everywhere(baseline: Baseline, kept_everywhere: Path) -> Shop:
    """The shop as it was when all three environments had just been deployed."""
    baseline.shop.restore(kept_everywhere, EVERYWHERE)
    return baseline.shop


@pytest.fixture
def empty_shop(tmp_path: Path) -> Iterator[Shop]:
    """A copy of the example in which nothing has happened yet."""
    fresh = new_shop(tmp_path)
    try:
        yield fresh
    finally:
        fresh.stop()
        shutil.rmtree(fresh.root, ignore_errors=True)


@pytest.fixture(scope="session")
def kept_canary(baseline: Baseline) -> Path:
    """The files after dev was told to ship by a canary, which takes an access log; with a queue and its consumer."""
    shop = baseline.shop
    shop.restore(baseline.kept, SNAPSHOT)
    shop.append("penstock.toml", CANARY)
    shop.append("services/notification_service/service.toml", MAILS)
    (shop.root / MAILER).write_text(MAILING)
    well(shop.deploy("--strategy", "all-at-once"))
    well(shop.run("local", "snapshot", CANARIES))
    kept = baseline.kept.with_name("kept-canary")
    keep(shop.root, kept)
    return kept


@pytest.fixture
def quick(baseline: Baseline, kept_canary: Path) -> Iterator[Shop]:
    """The shop, whose dev environment ships by a canary, with a CloudWatch that runs faster."""
    shop = baseline.shop
    well(shop.run("local", "stop"))
    well(shop.run("local", "start", env={"PENSTOCK_LOCAL_TIME_SCALE": FASTER}))
    shop.restore(kept_canary, CANARIES)
    yield shop
    well(shop.run("local", "stop"))
