"""The Terraform half of a deploy: render the root, skip when nothing changed, plan, apply.

The fingerprint is everything that Terraform's outcome depends on besides the account itself: the rendered root, the
modules, and every file that people put beside it. When the last apply had the same one, Terraform is not even
started; `penstock plan` starts it always.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.infra.expand import dropped, expanded
from penstock.infra.plan import parse_plan
from penstock.infra.render import STATE_KEY, render_root, root_text
from penstock.model.errors import Refused
from penstock.model.plan import ResourceChange
from penstock.model.release import Pointer
from penstock.operations.pointer import read_pointer
from penstock.operations.recall import recalled
from penstock.operations.removals import kept_until, note_removal, told
from penstock.operations.steps import note, step
from penstock.operations.summary import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from penstock.model.release import Release
    from penstock.operations.session import Session
    from penstock.operations.world import World
    from penstock.ports import TerraformPlan

APPLIED = "terraform/applied.json"
"""What the last apply was made of: fingerprint and rendered root."""

WANTED = "terraform/wanted.json"
"""The shape of the last admitted deploy: what `contract` makes true, whatever is checked out when it runs."""

ROOT_FILE = "main.tf.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A rendered root and the fingerprint of everything that an apply of it depends on (SHA-256, hex)."""

    root: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    api: str | None = None
    """Id of the API after that apply: saves asking when there is nothing to do."""
    state: str | None = None
    """ETag of Terraform's state after that apply: another one means that somebody ran Terraform by hand since."""
    retained: str | None = None
    """The grants that were retained then."""
    release: str | None = None
    """The release that was admitted with it; None where an older Penstock wrote that down."""


def wanted_shape(world: World) -> Shape:
    """The root of the workspace as it is configured now."""
    root = render_root(world.workspace)
    digest = hashlib.sha256(root_text(root).encode())
    beside = {path.relative_to(world.infra).as_posix(): world.files.read(path) or b"" for path in _user_files(world)}
    for name, content in sorted([*beside.items(), *world.modules().items()]):
        digest.update(name.encode() + b"\0" + content + b"\0")
    warm = {f.physical: f.concurrency.provisioned for f in world.workspace.functions if f.concurrency.provisioned}
    if warm:  # the engine's, and still a change that a deploy must notice
        digest.update(json.dumps(warm, sort_keys=True).encode())
    return Shape(root=root, fingerprint=digest.hexdigest())


def read_applied(world: World) -> Shape:
    """What the last finished apply was made of; empty before the first."""
    return _read(world, APPLIED) or Shape()


def read_wanted(world: World) -> Shape | None:
    """The shape of the last admitted deploy; None before the first."""
    return _read(world, WANTED)


def remember_wanted(session: Session, shape: Shape, release: str) -> None:
    """Write down what was admitted, before anything of it is done. Raises Locked when the lease is lost."""
    body = {"fingerprint": shape.fingerprint, "release": release, "root": shape.root}
    session.rewrite(WANTED, lambda _before: json.dumps(body, sort_keys=True).encode())


def remember_applied(world: World, session: Session, shape: Shape, retained: str | None) -> None:
    """Record a finished apply, for the next run to skip. Raises Locked when the lease is lost."""
    body = {
        "api": world.gateway.find(world.workspace.api_name),
        "fingerprint": shape.fingerprint,
        "retained": retained,
        "root": shape.root,
        "state": state_tag(world),
    }
    session.rewrite(APPLIED, lambda _before: json.dumps(body, sort_keys=True).encode())


def state_tag(world: World) -> str | None:
    """ETag of Terraform's state as it is now."""
    stored = world.objects.get(STATE_KEY)
    return stored.etag if stored else None


def is_current(world: World, shape: Shape, before: Shape) -> bool:
    """Whether an apply of the shape would find everything as the last one left it."""
    return before.fingerprint == shape.fingerprint and before.state == state_tag(world)


def write_root(world: World, root: Mapping[str, Any]) -> None:
    """Write `main.tf.json` and the modules it uses, if they differ."""
    world.files.write(world.infra / ROOT_FILE, root_text(root).encode())
    for name, content in world.modules().items():
        world.files.write(world.root / "infra" / "modules" / name, content)


@contextmanager
def telling_of_the_root(world: World) -> Iterator[None]:
    """Say so in the end, however it ends, when what is done inside has rewritten the root: it is a committed file."""
    path = world.infra / ROOT_FILE
    before = world.files.read(path)
    try:
        yield
    finally:
        if world.files.read(path) != before:
            told = path.relative_to(world.root)
            note(world, f"{told} was rewritten: penstock render does the same for all environments; commit them")


def is_contracted(world: World, shape: Shape) -> bool:
    """Whether the last finished apply had nothing that the workspace has no more."""
    return expanded(shape.root, read_applied(world).root) == shape.root


def kept_for_a_rollback(world: World) -> str | None:
    """What waits to be removed until the release before cannot come back any more, in words; None: nothing."""
    if not world.workspace.environment.rollout.window:
        return None
    wanted, until = read_wanted(world), kept_until(world)
    what = dropped(wanted.root, read_applied(world).root) if wanted is not None and until is not None else ()
    return told(until, what) if until is not None and what else None


def removed_after(shape: Shape, before: Shape) -> tuple[ResourceChange, ...]:
    """What `contract` will remove once the switch is done, so that gates are asked before anything happens."""
    now = shape.root.get("module", {})
    return tuple(
        ResourceChange(address=f"module.{name}", type=_main_resource(body), action="delete", reason="after the switch")
        for name, body in sorted(before.root.get("module", {}).items())
        if name not in now
    )


def contract(
    world: World,
    session: Session,
    release: Release,
    shape: Shape,
    *,
    retained: str | None,
    admitted: Callable[[ResourceChange], bool],
) -> None:
    """Remove what only the release before needed, once nobody can go back to it any more by `rollout.window`.

    Nothing to do when the expanded root had nothing more, or when the release is not the live one any more.

    Args:
        world: the environment.
        session: its lease. Raises Locked when it is lost: whoever has it may have gone back to the release before.
        release: which went live.
        shape: what was admitted with it.
        retained: the grants that are retained.
        admitted: whether a change of the plan that is made now may be carried out. One that may not leaves all of
            them waiting for the next deploy, which asks the gates about it.
    """
    before = read_applied(world).root
    if expanded(shape.root, before) == shape.root:
        return
    session.hold()
    if (read_pointer(world) or Pointer()).live_release != release.id:
        return
    what = dropped(shape.root, before)
    until = kept_until(world) if what else None
    if until is not None:
        name = world.workspace.environment.name
        note(world, f"{told(until, what)}; after that: penstock deploy -e {name} removes it")
        return
    write_root(world, shape.root)
    with step(world, "remove what is not used any more") as handle:
        plan, changes = make_plan(world, inner=True)
        refused = [change.address for change in changes if not admitted(change)]
        if refused:
            handle.skip(f"waits for the next deploy, because nobody was asked about: {', '.join(refused)}")
            return
        if recalled(world, release.id):
            handle.skip("waits for the next deploy: somebody is about to go back from this release")
            return
        note_removal(world, session, what)  # first: who is killed in between has perhaps removed it
        if plan.changed:
            apply_plan(world, session, plan, inner=True)
        handle.detail = counted(len(changes), "resource")
    remember_applied(world, session, shape, retained)


def make_plan(
    world: World, *, variables: Mapping[str, str] | None = None, inner: bool = False
) -> tuple[TerraformPlan, Sequence[ResourceChange]]:
    """`init` if need be, and a saved plan; what it changes, empty when it changes nothing."""
    with step(world, "terraform init", inner=True) as handle:
        world.terraform.prepare(world.infra)
        handle.detail = world.terraform.version()
    with step(world, "terraform plan", inner=inner) as handle:
        plan = world.terraform.plan(world.infra, out=_plan_file(world), variables=variables or {})
        changes = tuple(parse_plan(plan.document)) if plan.changed else ()
        handle.detail = f"{counted(len(changes), 'resource')} to change" if plan.changed else "no changes"
    return plan, changes


def seal(world: World, plan: TerraformPlan) -> str:
    """What tells this saved plan from any other that somebody may put in its place: SHA-256, hex, of its file."""
    return hashlib.sha256(world.files.read(plan.path) or b"").hexdigest()


def apply_plan(
    world: World, session: Session, plan: TerraformPlan, *, sealed: str | None = None, inner: bool = False
) -> None:
    """Apply exactly that plan.

    Raises Refused when the file is not the one that was sealed, Locked when the environment is not ours any more.
    """
    if sealed is not None and seal(world, plan) != sealed:
        raise Refused(
            "Terraform's saved plan was replaced while this one waited for its yes",
            where=str(plan.path),
            hint="run the same command again, and no other plan of this environment beside it",
        )
    session.hold()
    with step(world, "terraform apply", inner=inner):
        world.terraform.apply(world.infra, plan.path)


def document_digest(document: Mapping[str, Any]) -> str:
    """SHA-256, hex, of what a Terraform plan would do, without its times and paths: equal plans, equal digests."""
    relevant = {key: document.get(key) for key in ("resource_changes", "output_changes", "variables")}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


_MAIN_RESOURCES = {
    "bucket": "aws_s3_bucket",
    "dynamodb_table": "aws_dynamodb_table",
    "lambda_service": "aws_lambda_function",
    "parameter": "aws_ssm_parameter",
    "queue": "aws_sqs_queue",
    "secret": "aws_secretsmanager_secret",
    "topic": "aws_sns_topic",
}
"""What a module of ours is mainly there for, by the module's name."""


def _main_resource(body: Mapping[str, Any]) -> str:
    module = str(body["source"]).rsplit("/", 1)[-1]
    return _MAIN_RESOURCES.get(module, module)


def _plan_file(world: World) -> Path:
    return world.root / ".penstock" / "terraform" / world.workspace.environment.name / "plan.tfplan"


def _read(world: World, key: str) -> Shape | None:
    stored = world.objects.get(key)
    if stored is None:
        return None
    found = json.loads(stored.body)
    return Shape(
        root=found["root"],
        fingerprint=found["fingerprint"],
        api=found.get("api"),
        state=found.get("state"),
        retained=found.get("retained"),
        release=found.get("release"),
    )


def _user_files(world: World) -> list[Path]:
    """What people put beside the root: their Terraform, their own modules, files that these read."""
    found = world.files.find(world.infra, "**/*")
    return [path for path in found if path != world.infra / ROOT_FILE and not path.name.startswith(".")]
