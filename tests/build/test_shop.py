"""The example workspace builds from a fresh clone: nothing installed, nothing cached."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from build.sites import Site, service, workspace

from penstock.model.events import StepFinished
from penstock.model.workspace import Package

SHOP = Path(__file__).parents[2] / "examples" / "shop"
LEFT = shutil.ignore_patterns("node_modules", ".pnpm-store", ".venv", ".penstock", "dist", "*_cache", "*.tsbuildinfo")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Site:
    root = shutil.copytree(SHOP, tmp_path_factory.mktemp("shop") / "shop", ignore=LEFT)
    return Site(
        root,
        workspace(
            service("catalog_service", "src/app.handler", "node"),
            service(
                "notification_service", {"api": "notifications.api.handler", "worker": "notifications.worker.handler"}
            ),
            service("order_service", "orders.app.handler"),
            service("user_service", "users.app.handler"),
            packages=(
                Package(name="@shop/http", path="packages/http", language="node"),
                Package(name="shop-common", path="packages/common", language="python"),
            ),
        ),
    )


def test_all_services_build_and_the_second_time_nothing_does(shop: Site) -> None:
    made = shop.build()
    assert sorted(made) == ["catalog_service", "notification_service", "order_service", "user_service"]
    steps = {event.step for event in shop.heard.events if isinstance(event, StepFinished)}
    assert "pnpm install" in steps
    again = shop.build()
    assert all(artifact.cached for artifact in again.values())
    for unit, artifact in made.items():
        with zipfile.ZipFile(artifact.path) as archive:
            found = {name.partition("/")[0] for name in archive.namelist()}
        assert not found & {"boto3", "botocore", "s3transfer", "tests", "node_modules", "service.toml"}, unit
    with zipfile.ZipFile(made["catalog_service"].path) as archive:
        assert archive.namelist() == ["src/app.mjs"]
