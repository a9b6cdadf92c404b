"""An ordinary week with the shop: deploying, doing nothing, changing one thing, going back."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import pytest
from journeys.account import difference, state
from journeys.shop import BUCKET, HEALTH_ROUTES, well

if TYPE_CHECKING:
    from journeys.shop import Ended, Shop

pytestmark = pytest.mark.usefixtures("callers")
ORDERS_APP = "services/order_service/src/orders/app.py"
BOOKKEEPING = ["added object ledger/*", "changed object lease.json", "changed object ledger-head.json"]
"""What every command that changes something leaves in the bucket."""
TRAFFIC = [
    "changed object releases/history.json",
    "changed object rollout/pointer.json",
    "changed parameter /penstock/shop/dev/pointer",
    "changed stage shop-dev-preview:preview",
    "changed stage shop-dev:live",
]
"""What every move of traffic changes, whatever moved."""


def test_the_first_deploy_prints_the_url_and_nothing_else(first_deploy: Ended, shop: Shop) -> None:
    assert re.sub(r":\d+/", f":{shop.port}/", first_deploy.stdout) == shop.url() + "\n", "of whose port it was"


@pytest.mark.parametrize("route", HEALTH_ROUTES)
def test_every_service_answers(shop: Shop, route: str) -> None:
    answer = shop.get(route)
    assert answer.status == 200, answer
    assert answer.json["status"] == "ok"


def test_a_repeated_deploy_does_nothing_and_says_why(shop: Shop) -> None:
    before = state(shop)
    ended = well(shop.deploy())
    assert "nothing to do: release" in ended.stderr
    assert "is live and no input of it changed" in ended.stderr
    assert ended.stdout == shop.url() + "\n"
    assert shop.terraform_runs == []
    assert difference(before, state(shop)) == []


def test_a_plan_changes_nothing_but_its_own_place_in_the_bucket(shop: Shop) -> None:
    shop.reword("Nobody has this id.")
    before = state(shop)
    ended = shop.run("plan", "-e", "dev", "--detailed-exitcode")
    assert ended.status == 2, ended
    assert "user_service" in ended.stdout
    assert difference(before, state(shop)) == ["added object plans/*/plan.json", "added object plans/*/summary.txt"]
    assert shop.wording() == "There is no customer with this id."


def test_terraform_by_hand_finds_nothing_to_do_after_the_first_deploy(shop: Shop) -> None:
    assert shop.plans_nothing()


def test_a_changed_service_alone_is_rebuilt_published_and_moved(shop: Shop) -> None:
    shop.reword("The first change.")
    shop.shipped()  # from now on both slots hold whole releases
    shop.forget_terraform_runs()
    before = state(shop)

    shop.reword("The second change.")
    ended = shop.shipped()

    after = state(shop)
    assert shop.wording() == "The second change."
    assert shop.terraform_runs == []
    assert [line for line in ended.stderr.splitlines() if "built in" in line] == [
        line for line in ended.stderr.splitlines() if line.startswith("✓ user_service: ")
    ]
    added = after.keys() - before.keys()
    artifacts = sorted(name for name in added if "artifacts/" in name)
    assert [name.partition(".")[2] for name in artifacts] == ["cdx.json", "intoto.json", "zip"]
    (build,) = (name for name in added if "builds/" in name)
    (release,) = (name for name in after.keys() - before.keys() if "releases/" in name)
    assert difference(before, after) == sorted(
        [
            *BOOKKEEPING,
            *TRAFFIC,
            *(f"added {artifact}" for artifact in artifacts),
            f"added {build}",
            f"added {release}",
            "added object plans/*/plan.json",
            "added object plans/*/summary.txt",
            "added version shop-dev-user_service:4",
            "changed alias shop-dev-user_service:green",
            "changed alias shop-dev-user_service:live",
            "changed function shop-dev-user_service",
            "changed object terraform/wanted.json",
        ]
    )
    assert shop.plans_nothing()


def test_what_runs_is_byte_for_byte_the_artifact(shop: Shop) -> None:
    shop.reword("Bytes.")
    shop.shipped()
    runs = shop.client("lambda").get_function_configuration(FunctionName="shop-dev-user_service", Qualifier="live")
    digest = base64.b64decode(runs["CodeSha256"])
    body = shop.client("s3").get_object(Bucket=BUCKET, Key=f"artifacts/{digest.hex()}.zip")["Body"].read()
    assert hashlib.sha256(body).digest() == digest


def test_a_changed_shared_package_rebuilds_exactly_its_dependants(shop: Shop) -> None:
    before = state(shop)
    shop.append("packages/common/src/shop_common/problems.py", "\n# A remark.\n")
    shop.shipped()
    published = [line for line in difference(before, state(shop)) if line.startswith("added version")]
    assert [line.rpartition(":")[0] for line in published] == [
        "added version shop-dev-notification_service-api",
        "added version shop-dev-notification_service-worker",
        "added version shop-dev-order_service",
        "added version shop-dev-user_service",
    ]


def test_a_rollback_brings_the_release_before_back_at_once_and_moves_nothing_else(shop: Shop) -> None:
    shop.reword("A mistake.")
    shop.shipped()
    shop.forget_terraform_runs()
    before = state(shop)

    ended = well(shop.run("rollback", "-e", "dev"))

    assert ended.stdout == shop.url() + "\n"
    assert shop.wording() == "There is no customer with this id."
    assert shop.terraform_runs == []
    assert difference(before, state(shop)) == sorted(
        [*BOOKKEEPING, *TRAFFIC, "changed alias shop-dev-user_service:live"]
    )
    assert shop.plans_nothing()


def test_a_release_that_was_rolled_back_is_never_gone_back_to(shop: Shop) -> None:
    first = shop.live_release()
    shop.reword("A mistake.")
    shop.shipped()
    mistake = shop.live_release()
    well(shop.run("rollback", "-e", "dev"))
    assert shop.live_release() == first

    shop.reword("The mistake mended.")
    shop.shipped()
    mended = shop.live_release()
    well(shop.run("rollback", "-e", "dev"))

    assert shop.wording() == "There is no customer with this id."
    assert shop.releases() == {first: "live", mended: "rolled back", mistake: "rolled back"}
    refused = shop.run("rollback", "-e", "dev")
    assert refused.status == 6, refused
    assert shop.live_release() == first


def test_a_rollback_to_a_named_release_loads_it_and_checks_it_first(shop: Shop) -> None:
    first = shop.live_release()
    for text in ("The second release.", "The third release."):
        shop.reword(text)
        shop.shipped()

    ended = well(shop.run("rollback", "-e", "dev", "--to", first))

    assert "verify slot" in ended.stderr
    assert shop.wording() == "There is no customer with this id."
    assert shop.live_release() == first
    assert well(shop.run("status", "-e", "dev")).stdout.count(first) == 1
    assert shop.plans_nothing()


def test_a_rollback_of_one_service_leaves_the_others_where_they_are(shop: Shop) -> None:
    shop.reword("A mistake.")
    shop.edit(ORDERS_APP, "There is no order with this id.", "Nobody ordered this.")
    shop.shipped()

    well(shop.run("rollback", "-e", "dev", "--service", "user_service"))

    assert shop.wording() == "There is no customer with this id."
    assert shop.get("/orders/none").json["detail"] == "Nobody ordered this."


def test_what_cannot_be_gone_back_to_is_refused_in_one_line(shop: Shop) -> None:
    nowhere = shop.run("rollback", "-e", "dev")
    assert nowhere.status == 6, nowhere
    assert "there is no release to go back to" in nowhere.stderr
    unknown = shop.run("rollback", "-e", "dev", "--to", "ffffffffffff")
    assert unknown.status == 2, unknown
    assert "there is no release ffffffffffff" in unknown.stderr
    assert shop.get("/users/health").status == 200
