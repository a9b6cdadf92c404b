"""Journeys: a user's whole way through the command line, with nothing replaced.

Fixtures, for every file in this folder:

- `shop`: the example shop, deployed to dev, as it was right after that first deploy. Every test gets it in this
  state, whatever the tests before it did: the workspace's files are copied back and the embedded AWS restores a
  snapshot, so that a test costs what it does itself. One worker deploys it for all. Use this one.
- `first_deploy`: how that first deploy ended.
- `callers`: a client that asks all health routes of dev at a steady rate as long as the test runs; the test fails when
  one of its requests did. Ask for it wherever traffic moves, by `pytestmark = pytest.mark.usefixtures("callers")`.
- `empty_shop`: a fresh copy of the example on a port of its own where nothing was ever built, deployed or started.
  Slow; for tests about the first minutes, or that kill the embedded AWS in ways that must not hurt others.
- `quick`: the shop whose dev ships by a canary, with a CloudWatch whose clock runs faster; see `journeys.canaries`.
  Where several releases can share an environment, `test_verdicts.late` is one for all of a file.
- `everywhere`: the same shop with dev, staging and production deployed side by side, restored for each test as well.

Everything that is started ends with its fixture, by its process id. See `journeys.shop` for what a shop can do,
`journeys.account` for comparing the whole state of an account before and after, `journeys.traffic` for clients.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from journeys.canaries import BRIEFLY, CANARY, MAILER, MAILING, MAILS, hastened
from journeys.moments import Moment, moment
from journeys.shop import Ended, Shop, new_shop, well
from journeys.traffic import HEALTHY, Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "journeys" in item.path.parts:
            item.add_marker(pytest.mark.journey)
            item.add_marker(pytest.mark.terraform)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """This worker's shop, and how it was after its first deploy."""

    shop: Shop
    first: Moment


@pytest.fixture(scope="session")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a session share."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "moments"


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory, moments: Path) -> Iterator[Baseline]:
    """One workspace for the whole session: built and deployed once, by one of the workers."""
    folder = tmp_path_factory.mktemp("journeys")
    shop = new_shop(folder)
    try:
        first = moment(shop, moments / "first-deploy", lambda: well(shop.deploy()))
        yield Baseline(shop=shop, first=first)
    finally:
        shop.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def first_deploy(baseline: Baseline) -> Ended:
    return baseline.first.ended


@pytest.fixture
def shop(baseline: Baseline) -> Shop:
    """The shop as it was after its first deploy to dev."""
    return restored(baseline.shop, baseline.first)


def restored(shop: Shop, at: Moment) -> Shop:
    """The shop, as it was."""
    shop.restore(at.files, at.name)
    return shop


@pytest.fixture
def callers(shop: Shop) -> Iterator[Client]:
    """People who use the shop all the time: whatever the test does, they must not notice."""
    with Client(shop, HEALTHY, rate=2) as client:
        yield client
    assert client.failed == [], client.explained


@pytest.fixture(scope="session")
def all_deployed(baseline: Baseline, moments: Path) -> Moment:
    """When staging and production had been deployed as well."""

    def deploy() -> Ended:
        shop = restored(baseline.shop, baseline.first)
        well(shop.deploy(environment="staging"))
        return well(shop.deploy("--auto-approve", environment="production"))

    return moment(baseline.shop, moments / "everywhere", deploy)


@pytest.fixture
def everywhere(baseline: Baseline, all_deployed: Moment) -> Shop:
    """The shop as it was when all three environments had just been deployed."""
    return restored(baseline.shop, all_deployed)


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
def canary_told(baseline: Baseline, moments: Path) -> Moment:
    """When dev had been told to ship by a canary, which takes an access log; with a queue and its consumer."""

    def deploy() -> Ended:
        shop = restored(baseline.shop, baseline.first)
        shop.append("penstock.toml", CANARY.replace(*BRIEFLY))
        shop.append("services/notification_service/service.toml", MAILS)
        (shop.root / MAILER).write_text(MAILING)
        ended = well(shop.deploy("--strategy", "all-at-once"))
        shop.edit("penstock.toml", *reversed(BRIEFLY))
        return ended

    return moment(baseline.shop, moments / "canary", deploy)


@pytest.fixture
def quick(baseline: Baseline, canary_told: Moment) -> Iterator[Shop]:
    """The shop, whose dev environment ships by a canary, with a CloudWatch that runs faster."""
    with hastened(baseline.shop, canary_told) as shop:
        yield shop
