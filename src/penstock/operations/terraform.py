"""The Terraform half of a deploy: render the root, skip when nothing changed, plan, apply.

The fingerprint is everything that Terraform's outcome depends on besides the account itself: the rendered root, the
modules, the user's own `*.tf` beside it, and the retained grants. When the last apply had the same one, Terraform is
not even started; `penstock plan` starts it always.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from penstock.infra.plan import parse_plan
from penstock.infra.render import render_root, root_text
from penstock.model.plan import ResourceChange
from penstock.operations.steps import step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock.operations.world import World
    from penstock.ports import TerraformPlan

APPLIED = "terraform/applied.json"
"""What the last apply was made of: fingerprint and the rendered root."""

ROOT_FILE = "main.tf.json"
USER_FILES = ("*.tf", "*.tf.json", "*.tfvars", "*.tfvars.json")


def write_root(world: World, root: Mapping[str, Any]) -> None:
    """Write `main.tf.json` if its text differs, by rename."""
    world.files.write(world.infra / ROOT_FILE, root_text(root).encode())


def fingerprint(world: World, root: Mapping[str, Any], retained: str) -> str:
    """SHA-256, hex, of all that the apply depends on."""
    digest = hashlib.sha256()
    digest.update(root_text(root).encode())
    digest.update(retained.encode())
    for path in _files(world):
        digest.update(path.name.encode() + b"\0" + (world.files.read(path) or b"") + b"\0")
    return digest.hexdigest()


def applied(world: World) -> Mapping[str, Any]:
    """What the last apply was made of; empty before the first."""
    stored = world.objects.get(APPLIED)
    found: Mapping[str, Any] = json.loads(stored.body) if stored else {}
    return found


def remember_applied(world: World, root: Mapping[str, Any], mark: str) -> None:
    """Record a finished apply, for the next run to skip."""
    world.objects.put(APPLIED, json.dumps({"fingerprint": mark, "root": root}, sort_keys=True).encode())


def make_plan(world: World, out: Path) -> tuple[TerraformPlan, tuple[ResourceChange, ...]]:
    """`init` if need be, and a saved plan."""
    with step(world, "terraform init") as handle:
        world.terraform.prepare(world.infra)
        handle.detail = world.terraform.version()
    with step(world, "terraform plan") as handle:
        plan = world.terraform.plan(world.infra, out=out, variables={})
        changes = parse_plan(plan.document)
        handle.detail = f"{len(changes)} resources change" if plan.changed else "no changes"
    return plan, changes if plan.changed else ()


def apply_plan(world: World, plan: TerraformPlan) -> None:
    """Apply exactly that plan."""
    with step(world, "terraform apply"):
        world.terraform.apply(world.infra, plan.path)


def document_digest(document: Mapping[str, Any]) -> str:
    """SHA-256, hex, of what a Terraform plan would do, without its times and paths: equal plans have equal digests."""
    relevant = {key: document.get(key) for key in ("resource_changes", "output_changes", "variables")}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def expanded(root: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """`root` plus the modules that `before` had and it has not: additions first, removals after the switch."""
    gone = {name: body for name, body in before.get("module", {}).items() if name not in root.get("module", {})}
    return {**root, "module": {**root.get("module", {}), **gone}} if gone else dict(root)


def rendered(world: World) -> dict[str, Any]:
    """The root of the workspace as it is configured now."""
    return render_root(world.workspace)


def _files(world: World) -> list[Path]:
    beside = {
        path for pattern in USER_FILES for path in world.files.find(world.infra, pattern) if path.name != ROOT_FILE
    }
    modules = set(world.files.find(world.root / "infra" / "modules", "**/*.tf"))
    return sorted(beside | modules)
