"""Looking before leaping: a release waits beside the live one, and traffic moves when somebody says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from journeys.account import difference, state
from journeys.shop import well

if TYPE_CHECKING:
    from journeys.shop import Shop

pytestmark = pytest.mark.usefixtures("callers")
OLD, NEW = "There is no customer with this id.", "Nobody has this id."


@pytest.fixture
def waiting(shop: Shop) -> Shop:
    """A shop with a new wording in the slot that has no traffic."""
    shop.reword(NEW)
    ended = shop.shipped("--strategy", "blue-green")
    assert "waits beside the live one; to move traffic: penstock switch -e dev" in ended.stderr
    return shop


def test_a_release_that_waits_shows_itself_to_signed_callers_only_and_leaves_nothing_to_do(waiting: Shop) -> None:
    assert waiting.wording() == OLD
    assert waiting.preview("/users/nobody").json["detail"] == NEW
    assert waiting.preview("/users/nobody", signed=False).status == 403
    assert sorted(waiting.releases().values()) == ["live", "waiting"]
    assert waiting.plans_nothing(), "by hand, with Terraform"
    before = state(waiting)
    ended = waiting.shipped("--strategy", "blue-green")
    assert "nothing to do: release" in ended.stderr
    assert "penstock switch -e dev" in ended.stderr
    assert difference(before, state(waiting)) == []


def test_a_switch_moves_all_traffic_and_a_rollback_brings_it_back(waiting: Shop) -> None:
    ended = well(waiting.run("switch", "-e", "dev"))
    assert ended.stdout == waiting.url() + "\n"
    assert waiting.wording() == NEW
    assert waiting.preview("/users/nobody").json["detail"] == OLD

    again = well(waiting.run("switch", "-e", "dev"))
    assert "nothing to do: no release waits" in again.stderr

    well(waiting.run("rollback", "-e", "dev"))
    assert waiting.wording() == OLD


def test_an_abort_leaves_the_traffic_where_it_is_and_nothing_to_switch_to(waiting: Shop) -> None:
    ended = well(waiting.run("abort", "-e", "dev"))
    assert "waits no more" in ended.stderr
    assert waiting.wording() == OLD
    assert sorted(waiting.releases().values()) == ["live", "never live"]
    assert waiting.plans_nothing()
    assert "nothing to do: no release waits" in well(waiting.run("switch", "-e", "dev")).stderr
    assert waiting.wording() == OLD


def test_a_better_release_takes_the_place_of_the_one_that_waits(waiting: Shop) -> None:
    waiting.reword("Nobody at all has this id.")
    waiting.shipped("--slot", "staging")
    assert waiting.wording() == OLD
    assert waiting.preview("/users/nobody").json["detail"] == "Nobody at all has this id."
    well(waiting.run("switch", "-e", "dev"))
    assert waiting.wording() == "Nobody at all has this id."


def test_traffic_moves_by_terraform_alone_and_twice_is_once(shop: Shop) -> None:
    shop.reword(NEW)
    shop.shipped("--slot", "staging")

    assert _applied(shop, "staging").endswith("0 added, 0 changed, 0 destroyed.")
    assert shop.wording() == OLD
    _applied(shop, "production")
    assert shop.wording() == NEW
    assert _applied(shop, "production").endswith("0 added, 0 changed, 0 destroyed.")
    assert shop.wording() == NEW
    assert shop.plans_nothing()


def test_an_apply_that_fails_half_way_is_finished_by_the_same_apply(shop: Shop) -> None:
    shop.reword(NEW)
    shop.shipped("--slot", "staging")
    by_hand = ("apply", "-auto-approve", "-input=false", "-no-color", "-var", "slot=production")

    failed = shop.terraform(*by_hand, env=_who_may_not_touch_stages(shop))

    assert failed.status == 1, failed
    assert "UpdateStage" in failed.stderr, failed
    assert shop.wording() == OLD, "the pointer is written, and no stage has followed it"
    assert _applied(shop, "production").endswith("0 destroyed.")
    assert shop.wording() == NEW
    assert _applied(shop, "production").endswith("0 added, 0 changed, 0 destroyed.")
    assert shop.plans_nothing()


def test_the_next_command_after_a_switch_by_hand_takes_direct_callers_along(shop: Shop) -> None:
    shop.reword(NEW)
    shop.shipped("--slot", "staging")
    old = _version(shop, "live")
    _applied(shop, "production")
    assert _version(shop, "live") == old, "Terraform does not move the alias that streams and queues call"

    ended = well(shop.run("rollback", "-e", "dev"))

    assert "by hand" in ended.stderr
    told = [line for line in well(shop.run("audit", "-e", "dev")).stdout.splitlines() if "by hand" in line]
    assert len(told) == 1, "who moved traffic was no command of ours"
    assert "promoted" in told[0]
    assert shop.wording() == OLD
    assert _version(shop, "live") == old
    assert shop.plans_nothing()


def _applied(shop: Shop, slot: str) -> str:
    """The last line of what `terraform apply -var slot=…` by hand said, without the outputs behind it."""
    ended = well(shop.terraform("apply", "-auto-approve", "-input=false", "-no-color", "-var", f"slot={slot}"))
    return next(line for line in ended.stdout.splitlines() if line.startswith("Apply complete!"))


def _version(shop: Shop, alias: str) -> str:
    found = shop.client("lambda").get_alias(FunctionName="shop-dev-user_service", Name=alias)
    return str(found["FunctionVersion"])


def _who_may_not_touch_stages(shop: Shop) -> dict[str, str]:
    """Credentials of somebody who may do everything but change a stage."""
    iam = shop.client("iam")
    iam.create_user(UserName="half")
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "apigateway:PATCH", "Resource": "arn:aws:apigateway:*::/restapis/*/stages/*"},
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    iam.put_user_policy(UserName="half", PolicyName="half", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="half")["AccessKey"]
    return {
        "PENSTOCK_LOCAL_ACCESS_KEY_ID": key["AccessKeyId"],
        "PENSTOCK_LOCAL_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
