"""Who may change what: yes and no at the door of each environment, and that a no leaves everything as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from journeys.account import difference, state
from journeys.bucket import ledger, objects
from journeys.shop import ACCOUNTS, well
from journeys.terminal import at_a_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journeys.shop import Ended, Shop

REFUSED = 6
ROOT = f"arn:aws:iam::{ACCOUNTS['production']}:root"
CODE = "services/user_service/src/users/app.py"
FREELY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
PLAN = ["added object plans/*/plan.json", "added object plans/*/summary.txt"]
TRACES = {"ledger-head.json", "lease.json"}
"""What a refused deploy may leave besides the ledger's entries and the plan itself."""


@pytest.fixture
def changed(everywhere: Shop) -> Shop:
    """All environments deployed, and one service's code edited since: a change that needs no Terraform."""
    everywhere.append(CODE, "\n# changed\n")
    return everywhere


# ------------------------------------------------------------------------------------------ production


def test_production_refuses_without_a_yes_and_says_how_to_give_it(changed: Shop) -> None:
    before = state(changed, "production")
    ended = changed.deploy(environment="production")
    assert ended.status == REFUSED, ended
    assert "approvals: production needs 1 approval of plan" in ended.stderr
    assert "penstock deploy -e production --auto-approve" in ended.stderr
    assert ended.stdout == ""
    assert _unexpected(difference(before, state(changed, "production"))) == []


def test_a_yes_given_beforehand_passes_and_the_ledger_knows_whose_it_was(changed: Shop) -> None:
    known = len(ledger(changed, "production"))
    ended = changed.shipped("--auto-approve", environment="production")
    assert ended.stdout == changed.url("production") + "\n"
    approved = [entry for entry in ledger(changed, "production")[known:] if entry["kind"] == "approved"]
    assert [entry["data"]["by"] for entry in approved] == [[ROOT]]
    plan = next(plan for plan in _plans(changed, "production") if plan["id"] == approved[0]["data"]["plan"])
    assert _approvals(changed)[plan["digest"], ROOT]["how"] == "auto-approve"


def test_a_yes_at_the_terminal_is_asked_for_once_with_the_plan_before_it(changed: Shop) -> None:
    with at_a_terminal(changed, "deploy", "-e", "production") as terminal:
        terminal.expect("to approve exactly this plan")
        assert "Plan " in terminal.screen
        assert "~ user_service" in terminal.screen
        terminal.type("production")
        assert terminal.end() == 0, terminal.screen
    assert changed.url("production") in terminal.screen
    assert [approval["how"] for approval in _approvals(changed).values()].count("prompt") == 1


@pytest.mark.parametrize("answer", ["", "no", "staging"])
def test_anything_but_a_yes_at_the_terminal_is_a_no(changed: Shop, answer: str) -> None:
    with at_a_terminal(changed, "deploy", "-e", "production") as terminal:
        terminal.expect("to approve exactly this plan")
        terminal.type(answer)
        assert terminal.end() == REFUSED, terminal.screen
    assert all(approval["how"] != "prompt" for approval in _approvals(changed).values())


def test_a_policy_of_two_refuses_the_one_that_auto_approves(changed: Shop) -> None:
    _approvals_policy(changed, "{ required = 2 }")
    ended = changed.deploy("--auto-approve", environment="production")
    assert ended.status == REFUSED, ended
    assert "production needs 2 approvals of plan" in ended.stderr
    assert "penstock approve -e production" in ended.stderr


def test_another_persons_approval_counts_where_the_authors_own_does_not(changed: Shop) -> None:
    _approvals_policy(changed, "{ required = 1, self = false }")
    ended = changed.deploy("--auto-approve", environment="production")
    assert ended.status == REFUSED, ended
    assert "the author's own does not count; it has 0" in ended.stderr

    plan = _planned(changed)
    colleague = _colleague(changed)
    said = well(changed.run("approve", "-e", "production", plan, env=colleague))
    assert f"arn:aws:iam::{ACCOUNTS['production']}:user/colleague approved plan {plan}" in said.stderr
    changed.shipped(environment="production")
    newest = [entry for entry in ledger(changed, "production") if entry["kind"] == "approved"][-1]
    assert newest["data"]["plan"] == plan
    assert f"arn:aws:iam::{ACCOUNTS['production']}:user/colleague" in newest["data"]["by"]


def test_an_approval_of_another_plan_does_not_count(changed: Shop) -> None:
    _approvals_policy(changed, "{ required = 1, self = false }")
    well(changed.run("approve", "-e", "production", _planned(changed), env=_colleague(changed)))
    changed.append(CODE, "# and changed again after the colleague looked\n")
    ended = changed.deploy("--auto-approve", environment="production")
    assert ended.status == REFUSED, ended
    assert "it has 0" in ended.stderr


def test_a_plan_that_nobody_made_cannot_be_approved(everywhere: Shop) -> None:
    ended = everywhere.run("approve", "-e", "production", "0123456789ab")
    assert ended.status == 1, ended
    assert "there is no plan 0123456789ab in production" in ended.stderr
    assert "penstock plan -e production" in ended.stderr


def test_plan_only_shows_and_keeps_the_plan_and_changes_nothing(changed: Shop) -> None:
    changed.edit("services/order_service/service.toml", 'products = "read-write"', 'products = "read"')
    changed.append("services/user_service/service.toml", '\n[tables.letters]\nkey = { id = "S" }\n')
    before = state(changed, "production")
    ended = well(changed.deploy("--plan-only", environment="production"))
    assert "+ module.table_letters.aws_dynamodb_table.this" in ended.stdout
    assert "~ module.order_service.aws_iam_role_policy.this" in ended.stdout
    assert "~ user_service: " in ended.stdout
    added = difference(before, state(changed, "production"))
    assert added == PLAN
    kept = {key.rsplit("/", 1)[-1]: body.decode() for key, body in objects(changed, "production", _newest_plan(ended))}
    assert kept["summary.txt"].strip() == ended.stdout.strip()
    assert json.loads(kept["plan.json"])["environment"] == "production"


# ------------------------------------------------------------------------------------------ machines and branches


def test_ci_deploys_staging_only_from_its_branches(changed: Shop) -> None:
    _branch(changed, "feature/new")
    refused = changed.deploy(environment="staging", env={"CI": "true"})
    assert refused.status == REFUSED, refused
    assert "CI deploys to staging from release/*, main only, not from feature/new" in refused.stderr
    assert "environments.staging.branches" in refused.stderr

    _branch(changed, "release/1.2")
    allowed = changed.deploy(environment="staging", env={"CI": "true"})
    assert allowed.status == 0, allowed


def test_a_person_deploys_staging_from_any_branch(changed: Shop) -> None:
    _branch(changed, "feature/new")
    assert changed.deploy(environment="staging").status == 0


# ------------------------------------------------------------------------------------------ data


def test_a_table_goes_only_when_it_is_named(everywhere: Shop) -> None:
    manifest = "services/user_service/service.toml"
    without = (everywhere.root / manifest).read_text()
    everywhere.append(manifest, '\n[tables.letters]\nkey = { id = "S" }\n')
    everywhere.shipped()
    table = everywhere.client("dynamodb")
    table.put_item(TableName="shop-dev-letters", Item={"id": {"S": "dear"}})

    everywhere.write(manifest, without)
    refused = everywhere.deploy("--auto-approve")
    assert refused.status == REFUSED, refused
    assert "destruction: the plan deletes the table module.table_letters" in refused.stderr
    assert table.get_item(TableName="shop-dev-letters", Key={"id": {"S": "dear"}})["Item"] == {"id": {"S": "dear"}}
    assert "--allow-destroy 'module.table_letters'" in refused.stderr

    other = everywhere.deploy("--allow-destroy", "module.table_users")
    assert other.status == REFUSED, other
    everywhere.shipped("--allow-destroy", "module.table_letters")
    assert "shop-dev-letters" not in table.list_tables()["TableNames"]


# ------------------------------------------------------------------------------------------ helpers


def _unexpected(lines: list[str]) -> list[str]:
    """What a refused deploy must not have touched: everything but the record of it."""
    allowed = {*PLAN, "added object ledger/*", *(f"changed object {name}" for name in TRACES)}
    return [line for line in lines if line not in allowed]


def _approvals_policy(shop: Shop, policy: str) -> None:
    shop.edit("penstock.toml", "approvals = { required = 1, self = true }", f"approvals = {policy}")


def _planned(shop: Shop) -> str:
    """Plan production, as its author does before asking a colleague; the plan's id."""
    told = [event for event in shop.told("plan", "-e", "production") if event["event"] == "plan-ready"]
    plan: str = told[-1]["plan"]["id"]
    return plan


def _newest_plan(ended: Ended) -> str:
    """The folder of the plan that was shown."""
    return f"plans/{ended.stdout.split()[1]}/"


def _plans(shop: Shop, environment: str) -> list[dict[str, Any]]:
    return [json.loads(body) for key, body in objects(shop, environment, "plans/") if key.endswith("plan.json")]


def _approvals(shop: Shop) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """Every approval of production by (plan's digest, who)."""
    found = [json.loads(body) for _, body in objects(shop, "production", "approvals/")]
    return {(approval["plan_digest"], approval["by"]): approval for approval in found}


def _colleague(shop: Shop) -> dict[str, str]:
    """Somebody else who may work in production: the variables that make penstock act as that person."""
    iam = shop.client("iam", "production")
    iam.create_user(UserName="colleague")
    iam.put_user_policy(UserName="colleague", PolicyName="all", PolicyDocument=json.dumps(FREELY))
    key = iam.create_access_key(UserName="colleague")["AccessKey"]
    return {
        "PENSTOCK_LOCAL_ACCESS_KEY_ID": key["AccessKeyId"],
        "PENSTOCK_LOCAL_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


def _branch(shop: Shop, name: str) -> None:
    """Put the workspace under git, on a branch of that name, with everything committed."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for command in (
        ("init", "-q"),
        ("checkout", "-q", "-B", name),
        ("add", "-A"),
        (*who, "commit", "-qm", "Work", "--allow-empty"),
    ):
        well(shop.command(("git", *command)))
