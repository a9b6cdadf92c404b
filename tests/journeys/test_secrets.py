"""A secret's value goes from a person to Secrets Manager, from there to the function that asks, and nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import uuid
from typing import TYPE_CHECKING

from journeys.leaks import Watch, files_with, holds, log_lines, objects_with
from journeys.orders import notifications_of, place_order
from journeys.shop import until, well
from journeys.terminal import at_a_terminal

if TYPE_CHECKING:
    from journeys.shop import Ended, Shop

SECRET = "shop/{}/notification_token"
OWN_DATABASE = re.compile(r"\.penstock/local/state\.db(-wal|-shm|-journal)?")
"""Where the embedded AWS's Secrets Manager itself keeps values, as the one on AWS keeps them somewhere."""


def value_of(shop: Shop, environment: str = "dev") -> str:
    value: str = shop.client("secretsmanager", environment).get_secret_value(SecretId=SECRET.format(environment))[
        "SecretString"
    ]
    return value


def test_a_value_is_found_in_secrets_manager_and_nowhere_else(shop: Shop) -> None:
    value = f"recognisable{uuid.uuid4().hex}"
    with Watch(value) as watch:
        said = _everything_that_touches_the_secret(shop, value)

    assert value_of(shop) == value, "else it would be no wonder that it is found nowhere"
    assert [ended.argv for ended in said if value in ended.stdout + ended.stderr] == []
    assert {"penstock", "terraform"} <= watch.programs
    assert any(program.startswith("terraform-provider-aws") for program in watch.programs)
    assert watch.leaks == set()
    assert {name for name in files_with(shop.root, value) if not OWN_DATABASE.fullmatch(name)} == set()
    assert objects_with(shop, "dev", value) == set()
    assert [line for line in log_lines(shop, "dev") if holds(line.encode(), value)] == []


def test_looking_finds_what_is_there(shop: Shop) -> None:
    # The same search for a text that is in state, saved plan, artifacts and processes, so that finding nothing counts.
    text = "notification_token"
    files = files_with(shop.root, text)
    assert {"services/notification_service/service.toml", ".penstock/terraform/dev/plan.tfplan"} <= files
    assert any(name.startswith(".penstock/cache/") and name.endswith(".zip") for name in files_with(shop.root, "def "))
    assert any(OWN_DATABASE.fullmatch(name) for name in files)
    assert "terraform/terraform.tfstate" in objects_with(shop, "dev", text)
    with Watch("PENSTOCK_LOCAL_PORT") as watch:
        shop.run("status", "-e", "dev")
    assert any(leak.startswith("environment of ") and "penstock" in leak for leak in watch.leaks)


def test_a_value_is_typed_at_a_hidden_prompt(shop: Shop) -> None:
    value = f"typed{uuid.uuid4().hex}"
    with at_a_terminal(shop, "secrets", "set", "-e", "dev", "notification_token") as terminal:
        terminal.expect("Value of notification_token")
        terminal.type(value)
        terminal.expect("Repeat")
        terminal.type(value)
        assert terminal.end() == 0, terminal.screen
    assert value not in terminal.screen
    assert value_of(shop) == value


def test_a_value_that_was_typed_differently_twice_is_asked_for_again(shop: Shop) -> None:
    before = value_of(shop)
    with at_a_terminal(shop, "secrets", "set", "-e", "dev", "notification_token") as terminal:
        terminal.expect("Value of notification_token")
        terminal.type("one")
        terminal.expect("Repeat")
        terminal.type("another")
        terminal.expect("do not match")
    assert value_of(shop) == before


def test_one_newline_of_a_pipe_is_not_part_of_the_value_and_nothing_is_no_value(shop: Shop) -> None:
    well(shop.run("secrets", "set", "-e", "dev", "notification_token", stdin="  kept as typed \n"))
    assert value_of(shop) == "  kept as typed "
    for nothing in ("", "\n"):
        refused = shop.run("secrets", "set", "-e", "dev", "notification_token", stdin=nothing)
        assert refused.status == 2, refused
        assert "the value of notification_token is empty" in refused.stderr
    assert value_of(shop) == "  kept as typed "


def test_the_embedded_aws_makes_up_a_value_of_its_own_for_each_environment(everywhere: Shop) -> None:
    values = {environment: value_of(everywhere, environment) for environment in ("dev", "staging", "production")}
    assert len(set(values.values())) == 3
    assert all(len(value) >= 32 for value in values.values())


def test_secrets_are_listed_by_name_and_by_whether_they_have_a_value(shop: Shop) -> None:
    shop.append("services/user_service/service.toml", '\n[secrets.stripe_key]\n\n[uses]\nsecrets = ["stripe_key"]\n')
    told = {event["secret"]: event for event in shop.told("secrets", "list", "-e", "dev") if "secret" in event}
    assert told["notification_token"]["in_aws"] == "shop/dev/notification_token"
    assert {name: event["value"] for name, event in told.items()} == {"notification_token": True, "stripe_key": False}

    deployed = shop.shipped()
    assert "secret stripe_key has no value yet: penstock secrets set -e dev stripe_key" in deployed.stderr
    well(shop.run("secrets", "set", "-e", "dev", "stripe_key", stdin="sk_made_up"))
    listed = well(shop.run("secrets", "list", "-e", "dev"))
    assert re.search(r"stripe_key +shop/dev/stripe_key +set", listed.stdout)
    assert "sk_made_up" not in listed.stdout + listed.stderr


def test_an_unknown_secret_is_refused_with_those_there_are(shop: Shop) -> None:
    ended = shop.run("secrets", "set", "-e", "dev", "notification_tokn", stdin="value")
    assert ended.status == 2, ended
    assert "it has: notification_token" in ended.stderr


def _everything_that_touches_the_secret(shop: Shop, value: str) -> list[Ended]:
    """Set it, deploy code and infrastructure over it, have a function use it, and look at plans; what was said."""
    said = [well(shop.run("secrets", "set", "-e", "dev", "notification_token", "--json", stdin=f"{value}\n"))]
    shop.edit("services/notification_service/service.toml", "timeout = 30", "timeout = 31")
    shop.append("services/notification_service/src/notifications/worker.py", "\n# changed\n")
    said.append(well(shop.deploy("--json", "-vv")))
    user, _ = place_order(shop)
    until(lambda: notifications_of(shop, user), "a notification")
    assert notifications_of(shop, user)[0]["signature"] == _signature(shop, user, value), "the function read the value"
    plan = shop.root / ".penstock/terraform/dev/plan.tfplan"
    said += [
        well(shop.run("plan", "-e", "dev", "--json")),
        well(shop.terraform("show", "-json", str(plan))),
        well(shop.terraform("state", "pull")),
        well(shop.run("secrets", "list", "-e", "dev")),
        well(shop.run("env", "-e", "dev")),
    ]
    return said


def _signature(shop: Shop, user: str, value: str) -> str:
    told = dict(notifications_of(shop, user)[0])
    del told["signature"]
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hmac.new(value.encode(), text.encode(), hashlib.sha256).hexdigest()
