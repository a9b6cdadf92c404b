"""What the journeys through trouble share: a visible mark in the code, a client that never stops asking, and a look
at everything that must agree when a command has ended.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.error
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self

from journeys.shop import ACCOUNTS, REGION, until

from penstock.model.ledger import LedgerEntry
from penstock.release import ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journeys.shop import Shop

APP = "services/user_service/src/users/app.py"
ROUTE = "/users/health"
HEADER = "X-Mark"
UNMARKED = ""
EVERY = 0.1
"""Seconds between two requests of a `Watch`."""


def mark(shop: Shop, text: str) -> None:
    """Change user_service's code so that its every answer carries this text, which tells releases apart."""
    file = shop.root / APP
    plain, _, _ = file.read_text().partition("\n\n_plain = ")
    file.write_text(
        f"{plain.rstrip()}\n\n\n_plain = handler\n\n\n"
        "def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # type: ignore[no-redef]\n"
        '    """Answer, and say who does."""\n'
        "    answer = _plain(event, context)\n"
        f'    answer.setdefault("multiValueHeaders", {{}})["{HEADER}"] = ["{text}"]\n'
        "    return answer\n"
    )


def marked(shop: Shop) -> str:
    """The text that the live release carries."""
    answer = shop.get(ROUTE)
    assert answer.status == 200, answer
    return _mark_of(answer.headers)


def marks(shop: Shop, route: str) -> set[str]:
    """The texts of forty answers, whoever gives them."""
    return {_mark_of(shop.get(route).headers) for _ in range(40)}


@dataclass
class Watch:
    """A client that asks the live API at a steady rate for as long as the block lasts."""

    shop: Shop
    answers: list[str] = field(default_factory=list)
    """The mark of each good answer, `HTTP …` or the error of each bad one, in order."""
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        assert self._thread is not None
        self._thread.join()

    def faults(self, *, before: str, after: str) -> list[str]:
        """What was seen that may not be: a failed request, another release, or traffic that moved more than once."""
        seen = [answer for answer, _ in groupby(self.answers)]
        return [] if seen in ([before], [after], [before, after]) else [f"callers saw {seen}, not {before}, {after}"]

    def _ask(self) -> None:
        while not self._ended.is_set():
            self.answers.append(self._answer())
            self._ended.wait(EVERY)

    def _answer(self) -> str:
        try:
            answer = self.shop.get(ROUTE)
        except (urllib.error.URLError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return _mark_of(answer.headers) if answer.status == 200 else f"HTTP {answer.status}: {answer.body}"


def unsettled(shop: Shop, text: str, environment: str = "dev") -> list[str]:
    """Everything that does not agree with: all is done, and the release with this mark is live. Empty when well.

    Pointer, stages, aliases, the code that they run, the history, the lease, Terraform's lock and the ledger's chain,
    each read through boto3.
    """
    return _Look(shop, environment).problems(text)


def left_over(shop: Shop, text: str | None = None, *, within: float = 180.0) -> list[str]:
    """The same when no visit of the controller is under way: one more may come after a rollout has ended.

    Without a mark any release may be live, whole. Who takes the traffic of somebody's rollout back ends in the ledger
    as one that came back, which is no fault here.
    """
    found: list[str] = []

    def at_rest() -> bool:
        found[:] = unsettled(shop, marked(shop) if text is None else text)
        return not any(what.startswith("the lease is held") for what in found)

    until(at_rest, "a visit of the controller that was under way has ended", within=within)
    return [what for what in found if not what.startswith("the ledger ends")]


def embedded_aws(shop: Shop) -> int:
    """The id of its process."""
    pid: int = shop.control("health", "GET").json["pid"]
    return pid


class _Look:
    def __init__(self, shop: Shop, environment: str) -> None:
        self._shop = shop
        self._environment = environment
        self._prefix = f"shop-{environment}"
        self._bucket = f"penstock-shop-{environment}-{ACCOUNTS[environment]}-{REGION}"
        self._s3 = shop.client("s3", environment)

    def problems(self, text: str) -> list[str]:
        value = self._shop.client("ssm", self._environment).get_parameter(
            Name=f"/penstock/shop/{self._environment}/pointer"
        )
        pointer = json.loads(value["Parameter"]["Value"])
        live = pointer["live"]
        idle = "green" if live == "blue" else "blue"
        release = self._json(f"releases/{pointer['releases'][live]}.json")
        found = []
        if pointer["candidate"] is not None:
            found.append(f"a candidate is left over: {pointer}")
        if (seen := marked(self._shop)) != text:
            found.append(f"{seen!r} answers, not {text!r}")
        found += self._stages(pointer, live, idle)
        found += self._functions(release, live)
        history = self._json("releases/history.json")
        if history["promotions"][-1]["release"] != pointer["releases"][live] or history["move"]:
            found.append(f"history ends with {history}, live is {pointer['releases'][live]}")
        if (lease := self._json("lease.json"))["expires"] != 0:
            found.append(f"the lease is held: {lease}")
        keys = self._keys()
        if "terraform/terraform.tfstate.tflock" in keys:
            found.append("Terraform's state is locked")
        entries = [
            LedgerEntry.from_text(self._text(key)) for key in sorted(keys) if re.fullmatch(r"ledger/\d+\.json", key)
        ]
        found += [f"ledger: {broken.what}" for broken in ledger.verify(entries)]
        if not entries or entries[-1].kind != "ended":
            found.append(f"the ledger ends with {entries[-1:]}")
        return found

    def _stages(self, pointer: dict[str, Any], live: str, idle: str) -> list[str]:
        client = self._shop.client("apigateway", self._environment)
        apis = {api["name"]: api["id"] for api in client.get_rest_apis(limit=500)["items"]}
        stage = client.get_stage(restApiId=apis[self._prefix], stageName="live")
        preview = client.get_stage(restApiId=apis[f"{self._prefix}-preview"], stageName="preview")
        found = []
        if stage["variables"]["slot"] != live:
            found.append(f"stage live serves {stage['variables']}, the pointer says {live}")
        if pointer["deployments"][live] not in {None, stage["deploymentId"]}:
            found.append(f"stage live serves deployment {stage['deploymentId']}, the pointer says {pointer}")
        if preview["variables"]["slot"] != idle:
            found.append(f"stage preview serves {preview['variables']}, not {idle}")
        return found

    def _functions(self, release: dict[str, Any], live: str) -> list[str]:
        client = self._shop.client("lambda", self._environment)
        found = []
        for key, function in release["functions"].items():
            name = function["physical"]
            ours = client.get_alias(FunctionName=name, Name=live)
            callers = client.get_alias(FunctionName=name, Name="live")
            if ours["FunctionVersion"] != callers["FunctionVersion"] or callers.get("RoutingConfig"):
                found.append(f"{key}: slot {live} runs {ours['FunctionVersion']}, alias live {callers}")
            runs = client.get_function_configuration(FunctionName=name, Qualifier=live)["CodeSha256"]
            if base64.b64decode(runs).hex() != function["artifact"]:
                found.append(f"{key}: runs {base64.b64decode(runs).hex()}, the release says {function['artifact']}")
        return found

    def _keys(self) -> set[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def _text(self, key: str) -> str:
        body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return body.decode()

    def _json(self, key: str) -> Any:
        return json.loads(self._text(key))


def _mark_of(headers: Mapping[str, str]) -> str:
    lowered = {name.lower(): value for name, value in headers.items()}
    return lowered.get(HEADER.lower(), UNMARKED)
