"""Names as AWS will see them: short enough, and each given once in an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.workspace.catalog import KINDS, LOCAL_REGION, MAX_NAME, NAMING
from penstock.workspace.findings import Finding, KeyPath
from penstock.workspace.layers import table
from penstock.workspace.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.workspace.checks.scene import EnvironmentScene, Scene
    from penstock.workspace.layers import Document


@dataclass(frozen=True, slots=True)
class Physical:
    """One name that AWS will see, what it is given to, and where that is written."""

    kind: str
    name: str
    owner: str
    """Whatever tells two owners of one name apart in a sentence."""
    file: str
    path: KeyPath


def check(scene: Scene) -> Iterator[Finding]:
    """Lengths, and names that two things would share."""
    workspace = table(scene.tree.root.document, "workspace")
    if "name" not in workspace:
        return
    taken: dict[tuple[str, str, str], tuple[str, Physical]] = {}
    told: set[tuple[str, str, str]] = set()
    for environment in scene.environments:
        account = environment.values.get("account", "0" * 12)
        names = Names(
            workspace=workspace["name"],
            environment=environment.name,
            account=account,
            naming=workspace.get("naming", NAMING),
        )
        for one in _all(scene, environment, names):
            if len(one.name) > MAX_NAME[one.kind]:
                what = (
                    f"the {one.kind}'s name {one.name} has {len(one.name)} characters; AWS takes {MAX_NAME[one.kind]}"
                )
                hint = "shorten the workspace's or the environment's name" if one.path[:1] == ("environments",) else ""
                yield Finding(one.file, one.path, what, hint or "shorten its name")
            name, first = taken.setdefault((account, one.kind, one.name), (environment.name, one))
            pair = (one.kind, first.owner, one.owner)
            if first is not one and (name != environment.name or first.owner != one.owner) and pair not in told:
                told.add(pair)
                also = f"that of {first.owner}" if name == environment.name else f"that of {first.owner} in {name}"
                what = f"the {one.kind}'s name {one.name} of {one.owner} in {environment.name} is also {also}"
                yield Finding(one.file, one.path, what, "rename one of them, or the environment")


def _all(scene: Scene, environment: EnvironmentScene, names: Names) -> Iterator[Physical]:
    file, path = scene.tree.root.file, ("environments", environment.name)
    region = environment.values.get("region", LOCAL_REGION)
    store = f"penstock-{names.prefix}-{names.account}-{region}"
    yield Physical("bucket", store, "Penstock's own bucket", file, path)
    yield Physical("API", names.prefix, "the API", file, path)
    yield Physical("API", f"{names.prefix}-preview", "the preview API", file, path)
    for function in environment.functions:
        physical = names.function(function.service.name, function.key)
        owner = f"{function.service.name}.{function.short}" if function.short else function.service.name
        yield Physical("function", physical, owner, *function.home)
    for service, document in environment.services:
        # Services of one name are told apart, and refused, by their folders.
        yield Physical("role", names.plain(service.name), service.name, service.manifest.file, ())
        yield from _resources(names, service.manifest.file, document)
    root = scene.tree.root.document
    yield from _resources(
        names, file, {kind: {**table(root, kind), **table(environment.values, kind)} for kind in KINDS}
    )


def _resources(names: Names, file: str, document: Document) -> Iterator[Physical]:
    for kind in ("tables", "queues", "topics", "buckets"):
        for name, values in table(document, kind).items():
            if "existing" in values:
                continue
            physical = names.plain(name)
            if kind == "queues":
                physical = names.queue(name, fifo=values.get("fifo", False))
            elif kind == "buckets":
                physical = names.bucket(name)
            yield Physical(KINDS[kind], physical, name, file, (kind, name))
