"""The last words of a verb that changed something."""

from __future__ import annotations

from dataclasses import replace

from penstock.cli.render.end import last_words
from penstock.model.plan import FunctionMove, Plan, ResourceChange
from penstock.operations.switch import Moved
from penstock.operations.wanted import Deployed
from penstock.operations.way_back import WayBack

PLAN = Plan(
    id="0606df5b9b0b",
    environment="dev",
    release="r2",
    base_release="r1",
    changes=(),
    moves=(FunctionMove(key="user_service", artifact_before="a" * 64, artifact_after="b" * 64, config_changed=False),),
    routes_changed=False,
    strategy="all-at-once",
    terraform_digest="",
)
BACK = WayBack(release="r1", how="penstock rollback -e dev")
DONE = Deployed(
    environment="dev", release="r2", changed=True, live=True, url="http://x/@shop-dev", plan=PLAN, back=BACK
)


def test_a_deploy_tells_what_runs_instead_of_what_and_the_way_back() -> None:
    assert last_words(DONE, 6.14, with_url=True) == (
        "dev runs release r2 instead of r1 at http://x/@shop-dev; changed: user_service (6.14 s)\n"
        "  → back to r1: penstock rollback -e dev"
    )


def test_a_first_deploy_has_no_way_back() -> None:
    first = replace(DONE, plan=replace(PLAN, base_release=None, changes=(change("a.b"), change("c.d"))))
    assert last_words(first, 61, with_url=False) == (
        "dev runs release r2; changed: user_service, 2 resources changed by Terraform (1 min 1 s)"
    )


def test_a_release_that_waits_is_not_called_live() -> None:
    assert last_words(replace(DONE, live=False), 1, with_url=True) == (
        "dev: release r2 waits beside r1; changed: user_service (1.00 s)\n  → to drop it: penstock abort -e dev"
    )


def test_a_deploy_of_infrastructure_alone_moves_nothing() -> None:
    alone = replace(DONE, plan=replace(PLAN, base_release="r2", moves=(), changes=(change("a.b"),)))
    assert last_words(alone, 1, with_url=False) == (
        "dev still runs release r2; 1 resource changed by Terraform (1.00 s)"
    )


def test_many_functions_are_counted() -> None:
    moves = tuple(replace(PLAN.moves[0], key=f"service_{n}") for n in range(9))
    assert "; changed: 9 functions (" in last_words(replace(DONE, plan=replace(PLAN, moves=moves)), 1, with_url=False)


def test_a_rollback_is_not_offered_a_rollback() -> None:
    back = Moved(environment="dev", release="r1", previous="r2", changed=True, url=None, is_rollback=True)
    assert last_words(back, 0.4, with_url=True) == "dev runs release r1 instead of r2 (0.40 s)"
    switched = replace(back, is_rollback=False, back=replace(BACK, release="r2"))
    assert "→ back to r2: penstock rollback" in last_words(switched, 0.4, with_url=True)


def test_what_would_be_refused_is_not_what_to_type() -> None:
    missing = "release r1 may need what was removed after it: index by_user of table_orders"
    back = replace(BACK, how="git checkout 16e53af, then penstock deploy -e dev", refused=missing)
    assert last_words(replace(DONE, back=back), 6.14, with_url=False).splitlines()[1:] == [
        f"  ! {missing}",
        f"  → back to r1: {back.how}; if it does not need that: penstock rollback -e dev --to r1",
    ]


def test_without_a_release_to_go_back_to_no_way_is_told() -> None:
    assert "back to" not in last_words(replace(DONE, back=None), 6.14, with_url=False)


def change(address: str) -> ResourceChange:
    return ResourceChange(address=address, type="aws_x", action="create")
