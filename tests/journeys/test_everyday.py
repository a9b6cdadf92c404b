"""An ordinary week with the shop: deploying, doing nothing, changing one thing, going back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from journeys.shop import HEALTH_ROUTES, well

if TYPE_CHECKING:
    from journeys.shop import Ended, Shop


def test_the_first_deploy_prints_the_url_and_nothing_else(first_deploy: Ended, shop: Shop) -> None:
    assert first_deploy.stdout == shop.url() + "\n"


@pytest.mark.parametrize("route", HEALTH_ROUTES)
def test_every_service_answers(shop: Shop, route: str) -> None:
    answer = shop.get(route)
    assert answer.status == 200, answer


def test_a_repeated_deploy_says_that_there_is_nothing_to_do_and_why(shop: Shop) -> None:
    ended = well(shop.deploy())
    assert "nothing to do: release" in ended.stderr
    assert "is live and no input of it changed" in ended.stderr
    assert ended.stdout == shop.url() + "\n"
    assert shop.terraform_runs == []
