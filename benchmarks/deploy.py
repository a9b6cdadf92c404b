"""Deploys of the example shop in the embedded AWS, each beside what Terraform takes for the same.

    uv run python benchmarks/deploy.py [--rounds 5]

A copy of `examples/shop` in a temporary folder, with an embedded AWS of its own. Penstock deploys dev; staging is
applied by Terraform alone, from a root where the code is Terraform's (`byhand.py`). All times are of whole processes,
by the clock. What runs side by side takes turns. Exits 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from byhand import ByHand, by_hand, shell
from measure import PENSTOCK, Ran, Table, machine, run, times

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).parents[1]
CHANGED = {
    "user_service": ("services/user_service/src/users/app.py", "There is no customer with this id"),
    "order_service": ("services/order_service/src/orders/app.py", None),
    "notification_service": ("services/notification_service/src/notifications/api.py", None),
    "catalog_service": ("services/catalog_service/src/app.ts", None),
}
"""Which file of each service a benchmark edits; the text in it that callers get to see, where there is one."""
MEMORY = 150


@dataclass
class Shop:
    """The copy, its embedded AWS, and the memory that Penstock's own processes took."""

    root: Path
    environ: Mapping[str, str]
    port: int
    peaks: dict[str, float] = field(default_factory=dict)
    edits: int = 0

    def penstock(self, *arguments: str, label: str = "") -> Ran:
        """Run a verb; remember its memory under the label."""
        ran = run([PENSTOCK, *arguments], cwd=self.root, env=self.environ)
        if label and ran.peak is not None:
            self.peaks[label] = max(ran.peak, self.peaks.get(label, 0))
        return ran

    def edit(self, service: str) -> str:
        """Change a service's code; the text by which the change is known."""
        self.edits += 1
        path, seen = CHANGED[service]
        file = self.root / path
        mark = f"edit {self.edits}"
        if seen is None:
            text = re.sub(r"\n(# edit|export const edited).*", "", file.read_text().rstrip())
            # A comment would be minified away in a bundle.
            text += f"\nexport const edited = '{mark}';\n" if file.suffix == ".ts" else f"\n# {mark}\n"
        else:
            text, found = re.subn(rf"{seen}( \(edit \d+\))?", f"{seen} ({mark})", file.read_text())
            assert found, f"{path} has changed"
        file.write_text(text)
        return mark

    def answers(self, environment: str, mark: str) -> None:
        """Stop the benchmark unless user_service's code with this mark is what callers get."""
        url = f"http://127.0.0.1:{self.port}/@shop-{environment}/users/nobody"
        body = ""
        try:
            urllib.request.urlopen(url, timeout=30)
        except urllib.error.HTTPError as answer:
            body = answer.read().decode()
        if f"({mark})" not in body:
            raise SystemExit(f"{mark} is not live in {environment}: {body}")


def main() -> int:
    """Measure, print; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    table = Table("deploys of the shop")
    print(f"begun: {machine()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        shop = copy(Path(folder))
        try:
            _first(shop, table)
            other = by_hand(shop.root, "staging", shop.environ)
            _first_by_hand(shop, other, table)
            _no_op(shop, table, options.rounds)
            _one_service(shop, other, table, options.rounds)
            _rollback(shop, table, options.rounds)
        finally:
            stop(shop)
    for label, peak in shop.peaks.items():
        table.add(f"memory of penstock alone, {label}", peak, unit="MB", at_most=MEMORY)
    print(f"ended: {machine()}; {_terraform_version()}\n")
    table.show()
    return int(bool(table.missed))


# ------------------------------------------------------------------------------------------ measurements


def _first(shop: Shop, table: Table) -> None:
    """From nothing but downloaded dependencies: build, create everything, go live."""
    shop.penstock("build", "-e", "dev")
    shutil.rmtree(shop.root / ".penstock")
    first = shop.penstock("deploy", "-e", "dev", "--json", label="first deploy")
    seconds = {
        event["step"]: event["seconds"]
        for event in map(json.loads, filter(None, first.stdout.splitlines()))
        if event["event"] == "step-finished"
    }
    terraform = sum(taken for step, taken in seconds.items() if step.startswith("terraform"))
    table.add("first deploy from nothing", first.seconds)
    table.add("  of it Terraform: init, plan, apply", terraform)
    table.add("  of it all else: build, upload, publish, verify, go live", first.seconds - terraform)


def _first_by_hand(shop: Shop, other: ByHand, table: Table) -> None:
    """The first apply by Terraform alone, and how much of it nobody computed: the provider's waits."""
    server = int((shop.root / ".penstock" / "local.pid").read_text())
    before = _computing(server)
    apply = other.terraform("apply", "-auto-approve", "-input=false")
    aws = _computing(server) - before
    table.add("first apply by Terraform alone, code included", apply.seconds)
    table.add("  of it computing, by Terraform and its provider", apply.computing)
    table.add("  of it computing, by the embedded AWS and its functions", aws)
    waiting = apply.seconds - apply.computing - aws
    table.add("  the rest: the provider waits, or for a processor", max(waiting, 0.0))


def _no_op(shop: Shop, table: Table, rounds: int) -> None:
    """A deploy with nothing to do, beside an empty plan of the same root."""
    root = shop.root / "infra" / "environments" / "dev"
    env = shell(shop.root, "dev", shop.environ)
    plan = ["terraform", "plan", "-input=false"]
    ours, full, quick = times(
        rounds,
        lambda: shop.penstock("deploy", "-e", "dev", label="nothing to do").seconds,
        lambda: run([*plan, "-detailed-exitcode"], cwd=root, env=env).seconds,
        # Without a refresh Terraform does not see that the engine moved traffic, so this plan is not empty.
        lambda: run([*plan, "-refresh=false"], cwd=root, env=env).seconds,
    )
    table.add("deploy, nothing to do", ours, at_most=0.5)
    table.add("terraform plan of the same root", full, beside=ours, at_least=10)
    table.add("terraform plan -refresh=false", quick, beside=ours, at_least=8)


def _one_service(shop: Shop, other: ByHand, table: Table, rounds: int) -> None:
    """One service's code changes: built, published, verified and live; beside the same change, built already."""
    taken: dict[str, list[float]] = {"ours": [], "apply": [], "quick": []}
    for _ in range(rounds):
        for flags, label in (((), "apply"), (("-refresh=false",), "quick")):
            mark = shop.edit("user_service")
            taken["ours"].append(shop.penstock("deploy", "-e", "dev", label="one service changed").seconds)
            shop.answers("dev", mark)
            other.load()
            apply = other.terraform("apply", "-auto-approve", "-input=false", *flags)
            taken[label].append(apply.seconds)
            shop.answers("staging", mark)
    ours, apply_seconds, quick = (statistics.median(taken[label]) for label in ("ours", "apply", "quick"))
    table.add("one service changed: built, verified, live", ours, at_most=3)
    table.add("terraform apply of the same change, built already", apply_seconds, beside=ours, at_least=4)
    table.add("terraform apply -refresh=false of the same", quick, beside=ours)


def _rollback(shop: Shop, table: Table, rounds: int) -> None:
    """All four services changed, and back."""
    taken = []
    for _ in range(rounds):
        live = shop.edit("user_service")
        shop.penstock("deploy", "-e", "dev")
        for service in CHANGED:
            mark = shop.edit(service)
            if service == "user_service":
                bad = mark
        shop.penstock("deploy", "-e", "dev", label="four services changed")
        shop.answers("dev", bad)
        taken.append(shop.penstock("rollback", "-e", "dev", label="rollback").seconds)
        shop.answers("dev", live)
    table.add("rollback of the whole release", statistics.median(taken), at_most=1)


# ------------------------------------------------------------------------------------------ the place


def copy(folder: Path) -> Shop:
    """The example as git knows it, on a free port; a folder that nobody else looks at."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "examples/shop"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    root = folder / "shop"
    for name in filter(None, listed.stdout.split("\0")):
        target = root / Path(name).relative_to("examples/shop")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, target)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    return place(folder, port)


def place(folder: Path, port: int) -> Shop:
    """A copy that is there already."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PENSTOCK_LOCAL", "TF_"))}
    return Shop(root=folder / "shop", environ=kept | {"PENSTOCK_LOCAL_PORT": str(port), "NO_COLOR": "1"}, port=port)


def stop(shop: Shop) -> None:
    """Stop the copy's embedded AWS."""
    pid = shop.root / ".penstock" / "local.pid"
    if not pid.is_file():
        return
    number = int(pid.read_text())
    try:
        os.kill(number, signal.SIGTERM)
        for _ in range(100):
            os.kill(number, 0)
            time.sleep(0.1)
    except ProcessLookupError:
        return


def _computing(pid: int) -> float:
    """Seconds that a process and its children that ended have computed. 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(value) for value in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _terraform_version() -> str:
    return subprocess.run(["terraform", "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
