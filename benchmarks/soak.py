"""Callers at a steady rate through fifty deploys and twenty-five rollbacks: what fails, and what piles up.

    uv run python benchmarks/soak.py [--rounds 25] [--keep FOLDER [--minutes 5]]

A copy of the example shop in an embedded AWS of its own. Each round is two deploys and one rollback of the whole
release: one service edited, or several, or a shared package that all Python services bear; every tenth deploy changes
a route as well, which is Terraform's and makes an API deployment, every tenth waits in its slot and is switched to.
Meanwhile each of eight routes is asked twice a second, four of them read tables.

The code is always good, so every request that is not answered as it should be is a failure: the goal is none. What is
there is counted after each round. Releases pile up until as many are there as are kept, and counts go up and down with
what a release changes, so the most in the last third of the rounds is compared with the most in the first third: what
AWS bills for or limits must not grow any more. The ledger grows, as it should.

With `--keep` it goes on where it was interrupted or where its minutes were over: what was counted is in a file of that
folder, and the embedded AWS stays between two runs, so that its memory tells of all of them.

Exits 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Self

import boto3
from deploy import CHANGED, Shop, copy, place, stop
from measure import aligned, machine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

ROUTES = {
    "/users/health": 200,
    "/orders/health": 200,
    "/catalog/health": 200,
    "/notifications/health": 200,
    "/catalog": 200,
    "/users?limit=1": 200,
    "/users/nobody": 404,
    "/orders/none": 404,
}
"""What is asked, and the status of a good answer."""
EVERY = 0.5
"""Seconds between two requests of a route."""
PATIENCE = 30.0
ACCOUNT, REGION, SECRET = "111111111111", "eu-west-1", "penstock-local"
BUCKET = f"penstock-shop-dev-{ACCOUNT}-{REGION}"
SERVICE = "services/user_service/service.toml"
OPENING = "routes = [\n"
ROUTE = '  "GET /customers",\n'
PACKAGE = "packages/common/src/shop_common/problems.py"
STATE = "soak.json"
SLACK = 1.1
"""Counts wobble with what the last releases changed; memory and files get twice as much room."""
MB = 2**20


@dataclass
class Customers:
    """Ask every route at its rate while the `with` block runs."""

    port: int
    asked: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def __enter__(self) -> Self:
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on, args=(route,), daemon=True) for route in ROUTES]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _ask_on(self, route: str) -> None:
        due = time.monotonic()
        while not self._end.wait(max(due - time.monotonic(), 0)):
            began = time.monotonic()
            status, said = self._ask(route)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.asked[route] += 1
            if status != ROUTES[route]:
                self.failed.append(f"{route}: {status} {said[:200]}")
            due = max(due + EVERY, time.monotonic())

    def _ask(self, route: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", f"/@shop-dev{route}")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """What has piled up, as the table's lines name it."""

    versions: int
    api_deployments: int
    zips: int
    releases: int
    ledger: int
    processes: int
    memory: float
    files: int
    size: float

    @classmethod
    def of(cls, shop: Shop) -> Pile:
        """Count what AWS has, and what the embedded one takes of this machine."""
        functions, gateway, objects = (_client(name, shop.port) for name in ("lambda", "apigateway", "s3"))
        names = [one["FunctionName"] for one in functions.list_functions()["Functions"]]
        apis = [one["id"] for one in gateway.get_rest_apis()["items"]]
        pages = objects.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
        server = int((shop.root / ".penstock" / "local.pid").read_text())
        workers = _children(server)
        state = _sizes(shop.root / ".penstock" / "local")
        return cls(
            versions=sum(
                len(page["Versions"])
                for name in names
                for page in functions.get_paginator("list_versions_by_function").paginate(FunctionName=name)
            ),
            api_deployments=sum(len(gateway.get_deployments(restApiId=api, limit=500)["items"]) for api in apis),
            zips=sum(key.endswith(".zip") for key in keys),
            releases=sum(key.startswith("releases/") for key in keys),
            ledger=sum(key.startswith("ledger/") for key in keys),
            processes=len(workers),
            memory=_resident(server),
            files=len(state),
            size=sum(state) / MB,
        )


WHAT = {
    "versions": ("versions of the functions", SLACK),
    "api_deployments": ("deployments of the APIs", SLACK),
    "zips": ("ZIPs in the bucket", SLACK),
    "releases": ("releases in the bucket", SLACK),
    "ledger": ("entries of the ledger", None),
    "processes": ("processes that run functions", 2 * SLACK),
    "memory": ("memory of the embedded AWS, MB", 2 * SLACK),
    "files": ("files of the embedded AWS", 2 * SLACK),
    "size": ("their size, MB", 2 * SLACK),
}
"""What is counted, its words, and how many times as much the end may have as a third of the way."""


@dataclass
class Soak:
    """How far it has come; a file in the folder, rewritten after each round."""

    port: int
    edits: int = 0
    deploys: list[float] = field(default_factory=list)
    rollbacks: list[float] = field(default_factory=list)
    asked: int = 0
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    piles: list[Pile] = field(default_factory=list)
    """At the begin, and after each round."""

    @classmethod
    def load(cls, file: Path) -> Soak:
        """As `save` left it."""
        kept = json.loads(file.read_text())
        return cls(**kept | {"piles": [Pile(**pile) for pile in kept["piles"]]})

    def save(self, file: Path) -> None:
        """Write it down."""
        file.write_text(json.dumps(asdict(self)))


def main() -> int:
    """Measure, print; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="two deploys and a rollback each, in all")
    parser.add_argument("--keep", type=Path, help="folder to begin or to go on in")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no round begins any more")
    options = parser.parse_args()
    print(f"begun: {machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        shop, soak = _begin(folder)
        try:
            _go_on(shop, soak, folder / STATE, options.rounds, time.monotonic() + 60 * options.minutes)
        finally:
            if options.keep is None or len(soak.rollbacks) >= options.rounds:
                stop(shop)
    missed = _show(soak)
    print(f"\nended: {machine()}")
    return int(missed)


def _begin(folder: Path) -> tuple[Shop, Soak]:
    """The shop after its first deploy, or as an earlier run left it with its embedded AWS still there."""
    file = folder / STATE
    if file.exists():
        soak = Soak.load(file)
        return replace(place(folder, soak.port), edits=soak.edits), soak
    shop = copy(folder)
    shop.penstock("deploy", "-e", "dev", "--auto-approve")
    soak = Soak(port=shop.port, piles=[Pile.of(shop)])
    soak.save(file)
    return shop, soak


def _go_on(shop: Shop, soak: Soak, file: Path, rounds: int, until: float) -> None:
    while len(soak.rollbacks) < rounds and time.monotonic() < until:
        with Customers(shop.port) as customers:
            for _ in range(2):
                soak.deploys.append(_deploy(shop, len(soak.deploys)))
            soak.rollbacks.append(shop.penstock("rollback", "-e", "dev").seconds)
            soak.piles.append(Pile.of(shop))
        soak.edits = shop.edits
        soak.asked += customers.asked.total()
        soak.failed += customers.failed
        soak.slowest = max(soak.slowest, customers.slowest)
        soak.save(file)
        print(f"round {len(soak.rollbacks)} of {rounds}: {len(soak.failed)} requests failed", file=sys.stderr)


def _deploy(shop: Shop, number: int) -> float:
    """One more release, of a kind that the number tells; how long it took until all callers had it."""
    services = list(CHANGED)
    mark = shop.edit(services[0])
    flags: tuple[str, ...] = ()
    match number % 10:
        case 3:
            file = shop.root / PACKAGE
            file.write_text(f"{file.read_text().rstrip()}\n# All Python services change: {number}.\n")
        case 6:
            file = shop.root / SERVICE
            text = file.read_text()
            has_route = ROUTE in text
            file.write_text(text.replace(ROUTE, "") if has_route else text.replace(OPENING, OPENING + ROUTE))
        case 8:
            flags = ("--strategy", "blue-green")
        case other:
            shop.edit(services[other % len(services)])
            mark = shop.edit(services[0])
    taken = shop.penstock("deploy", "-e", "dev", "--auto-approve", *flags).seconds
    if flags:
        taken += shop.penstock("switch", "-e", "dev").seconds
    shop.answers("dev", mark)
    return taken


def _show(soak: Soak) -> bool:
    """Print what was found; whether a request failed, or something still grows that should not."""
    print(
        f"{len(soak.deploys)} deploys (median {median(soak.deploys):.2f} s), {len(soak.rollbacks)} rollbacks "
        f"(median {median(soak.rollbacks):.2f} s), {soak.asked:,} requests, the slowest {soak.slowest:.1f} s"
    )
    print(f"requests that failed: {len(soak.failed)}, goal none: {'MISSED' if soak.failed else 'met'}")
    print("".join(f"  {one}\n" for one in soak.failed[:10]))
    third = max(len(soak.rollbacks) // 3, 1)
    head = ("what has piled up", "at first", f"most in rounds 1-{third}", f"most in the last {third}", "at the end")
    lines: list[Sequence[str]] = [(*head, "goal: last third to first", "")]
    missed = bool(soak.failed)
    for name in (one.name for one in fields(Pile)):
        what, slack = WHAT[name]
        counted = [getattr(pile, name) for pile in soak.piles]
        values = (counted[0], max(counted[1 : third + 1]), max(counted[-third:]), counted[-1])
        is_met = slack is None or values[2] <= slack * values[1]
        missed = missed or not is_met
        goal, verdict = "", ""
        if slack is not None:
            goal, verdict = f"<= {slack:g} x", "met" if is_met else "MISSED"
        lines.append((what, *(f"{value:,.0f}" for value in values), goal, verdict))
    print(aligned(lines))
    return missed


def _sizes(folder: Path) -> list[int]:
    """Bytes of each file below; what is removed meanwhile is not counted."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found.append((Path(parent) / name).stat().st_size)
    return found


def _children(pid: int) -> list[int]:
    """Ids of the processes below that one, theirs as well."""
    parents: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            status = file.read_text()
        except OSError:
            continue
        parents.setdefault(int(status.rpartition(")")[2].split()[1]), []).append(int(file.parent.name))
    found = [pid]
    for one in found:  # grows while it is read
        found.extend(parents.get(one, ()))
    return found[1:]


def _resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB


def _client(service: str, port: int) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key=SECRET,
    )


if __name__ == "__main__":
    sys.exit(main())
