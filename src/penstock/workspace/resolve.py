"""Merged documents to the model's values. Expects documents whose shape has been checked; decides no rule."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.model.rollouts import PlannedStep, Request, RolloutPolicy, Synthetic
from penstock.model.workspace import (
    AfterDeploy,
    ApprovalPolicy,
    Autoscaling,
    Bucket,
    BuildOptions,
    Capacity,
    Concurrency,
    Environment,
    EventSource,
    Function,
    Index,
    Parameter,
    Queue,
    Route,
    Secret,
    Service,
    Statement,
    Table,
    TerraformReference,
    Topic,
    Uses,
    Workspace,
)
from penstock.workspace.catalog import NAMING
from penstock.workspace.durations import seconds
from penstock.workspace.layers import (
    Document,
    environment_layers,
    file_layers,
    function_layers,
    lineage,
    merge,
    merged,
    table,
    workspace_layers,
)
from penstock.workspace.names import Names
from penstock.workspace.resolve_gates import metric_gate, webhook
from penstock.workspace.routes import with_health

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.model.rollouts import StepKind
    from penstock.model.workspace import EnvValue, EventKind, Package
    from penstock.workspace.tree import ServiceFiles, Tree

EVENT_KINDS: tuple[EventKind, ...] = ("stream", "queue", "schedule", "topic", "bucket", "bus")
STEP_KINDS: tuple[StepKind, ...] = ("verify", "weight", "bake", "pause", "approve")
RESOURCES = ("tables", "queues", "topics", "buckets", "secrets", "parameters")


@dataclass(frozen=True, slots=True)
class Owned:
    """A resource's merged table, and the service that owns it (empty: the workspace)."""

    owner: str
    values: Document


@dataclass(frozen=True, slots=True)
class Parts:
    """One environment with every layer merged, before anything is made of it."""

    environment: Document
    line: tuple[str, ...]
    defaults: Document
    build: Document
    root: Document
    services: tuple[tuple[ServiceFiles, Document], ...]


def parts(tree: Tree, environment: str) -> Parts:
    """Merge everything that concerns one environment."""
    root = tree.root.document
    line = lineage(root, environment)
    own = merged(environment_layers(root, line))
    resources = merge({kind: table(root, kind) for kind in RESOURCES}, {kind: table(own, kind) for kind in RESOURCES})
    return Parts(
        environment=own,
        line=line,
        defaults=merged(workspace_layers(root, line)),
        build=table(root, "build"),
        root=resources,
        services=tuple(
            (service, merged(file_layers(service.manifest.file, service.manifest.document, line)))
            for service in tree.services
        ),
    )


def resolve(
    tree: Tree, environment: str, packages: tuple[Package, ...], reach: Mapping[str, tuple[str, ...]]
) -> Workspace:
    """The workspace as it is in one environment. `reach` gives each service's internal packages."""
    part = parts(tree, environment)
    workspace = table(tree.root.document, "workspace")
    names = Names(
        workspace=workspace["name"],
        environment=environment,
        account=part.environment["account"],
        naming=workspace.get("naming", NAMING),
    )
    services = tuple(
        sorted(
            (_service(files, document, part, names, reach.get(files.path, ())) for files, document in part.services),
            key=lambda service: service.name,
        )
    )
    return Workspace(
        name=workspace["name"],
        environment=make_environment(environment, part.environment),
        services=services,
        packages=packages,
        tables=tuple(_table(name, owned, names) for name, owned in owned_resources(part, "tables")),
        queues=tuple(_queue(name, owned, names) for name, owned in owned_resources(part, "queues")),
        topics=tuple(
            Topic(name=name, owner=owned.owner, **_named(names.plain(name), owned.values))
            for name, owned in owned_resources(part, "topics")
        ),
        buckets=tuple(
            Bucket(name=name, owner=owned.owner, **_named(names.bucket(name), owned.values))
            for name, owned in owned_resources(part, "buckets")
        ),
        secrets=_secrets(part, services, names),
        parameters=_parameters(part, services, names),
        tags=merge(table(workspace, "tags"), table(part.environment, "tags")),
        build_env=tuple(sorted(set(workspace.get("build_env", ())))),
    )


def make_environment(name: str, values: Document) -> Environment:
    """An environment from its merged table."""
    approvals, after = values["approvals"], values["after"]
    return Environment(
        name=name,
        account=values["account"],
        region=values["region"],
        endpoint=values.get("endpoint"),
        trigger=values["trigger"],
        branches=tuple(values["branches"]),
        approvals=ApprovalPolicy(
            required=approvals["required"],
            self_approval=approvals["self"],
            expires=float(seconds(approvals["expires"])),
        ),
        rollout=_rollout(values["rollout"]),
        synthetic=_synthetic(values["synthetic"]),
        after=AfterDeploy(smoke=tuple(after["smoke"]), notify=tuple(after["notify"])),
        profile=values["profile"],
        signing=values["signing"],
        build_cache=values["build_cache"],
    )


def owned_resources(part: Parts, kind: str) -> list[tuple[str, Owned]]:
    """All resources of a kind, the workspace's and the services', sorted by name."""
    found = {name: Owned("", values) for name, values in table(part.root, kind).items()}
    for files, document in part.services:
        for name, values in table(document, kind).items():
            found.setdefault(name, Owned(files.name, values))
    return sorted(found.items())


def env_value(value: Any) -> EnvValue:
    """A string, or a reference into the user's Terraform."""
    return value if isinstance(value, str) else TerraformReference(value["terraform"])


def _service(files: ServiceFiles, document: Document, part: Parts, names: Names, packages: tuple[str, ...]) -> Service:
    short_names: Iterable[str | None] = sorted(table(document, "functions")) or (None,)
    manifest = files.manifest
    functions = tuple(
        _function(
            files.name,
            short,
            merge(part.defaults, merged(function_layers(manifest.file, manifest.document, short, part.line))),
            names,
        )
        for short in short_names
    )
    return Service(
        name=files.name,
        path=files.path,
        language=functions[0].language,
        functions=functions,
        uses=_uses(table(document, "uses")),
        packages=packages,
        build=_build(merge(part.build, table(document, "build"))),
    )


def _build(values: Document) -> BuildOptions:
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return BuildOptions(**plain)


def _function(service: str, short: str | None, values: Document, names: Names) -> Function:
    routes, health = with_health(tuple(map(_route, values.get("routes", ()))), values.get("health"))
    concurrency = table(values, "concurrency")
    return Function(
        name=short or service,
        service=service,
        physical=names.function(service, f"{service}-{short}" if short else service),
        handler=values["handler"],
        runtime=values["runtime"],
        architecture=values["architecture"],
        memory=values["memory"],
        timeout=values["timeout"],
        routes=routes,
        health=health,
        verify=values.get("verify"),
        on=tuple(map(_event_source, values.get("on", ()))),
        env={key: env_value(value) for key, value in sorted(values["env"].items())},
        concurrency=Concurrency(reserved=concurrency.get("reserved"), provisioned=concurrency.get("provisioned")),
        layers=tuple(values["layers"]),
        ephemeral=values["ephemeral"],
        log_retention=values["log_retention"],
        tracing=values["tracing"],
    )


def _route(text: str) -> Route:
    method, _, path = text.partition(" ")
    return Route(method, path)


def _event_source(values: Document) -> EventSource:
    kind: EventKind = next(kind for kind in EVENT_KINDS if kind in values)
    filters = [*values.get("filters", ()), *([values["pattern"]] if "pattern" in values else [])]
    return EventSource(
        kind=kind,
        source=values[kind],
        batch=values.get("batch"),
        window=seconds(values["window"]) if "window" in values else None,
        filters=tuple(json.dumps(one, sort_keys=True, separators=(",", ":")) for one in filters),
        starting_position=values.get("starting_position", "LATEST"),
        bisect=values.get("bisect", False),
        report_failures=values.get("report_failures", False),
        retries=values.get("retries"),
        concurrency=values.get("concurrency"),
        events=tuple(values.get("events", ())),
        prefix=values.get("prefix", ""),
        suffix=values.get("suffix", ""),
    )


def _uses(values: Document) -> Uses:
    def names(key: str) -> tuple[str, ...]:
        return tuple(sorted(set(values.get(key, ()))))

    return Uses(
        tables=dict(sorted(table(values, "tables").items())),
        queues=names("queues"),
        topics=names("topics"),
        buckets=dict(sorted(table(values, "buckets").items())),
        secrets=names("secrets"),
        parameters=names("parameters"),
        services=names("services"),
        statements=tuple(
            Statement(
                actions=tuple(one["actions"]),
                resources=tuple(map(env_value, one["resources"])),
                reason=one["reason"],
            )
            for one in values.get("statements", ())
        ),
    )


def _named(physical: str, values: Document) -> dict[str, Any]:
    existing = values.get("existing")
    return {"physical": existing or physical, "existing": existing is not None}


def _table(name: str, owned: Owned, names: Names) -> Table:
    values = owned.values
    return Table(
        name=name,
        owner=owned.owner,
        key=values.get("key", {}),
        indexes=tuple(Index(name=index, key=key) for index, key in sorted(table(values, "indexes").items())),
        capacity=_capacity(values.get("capacity", "on-demand")),
        stream=values.get("stream"),
        ttl=values.get("ttl"),
        protected=values.get("protected", False),
        backups=values.get("backups", False),
        **_named(names.plain(name), values),
    )


def _capacity(value: Any) -> Capacity | None:
    if not isinstance(value, dict):
        return None
    return Capacity(
        read=Autoscaling(minimum=value["read"][0], maximum=value["read"][1]),
        write=Autoscaling(minimum=value["write"][0], maximum=value["write"][1]),
        target=value.get("target", 70),
    )


def _queue(name: str, owned: Owned, names: Names) -> Queue:
    values = owned.values
    fifo = values.get("fifo", False)
    return Queue(
        name=name,
        owner=owned.owner,
        fifo=fifo,
        visibility=seconds(values["visibility"]) if "visibility" in values else 60,
        dead_letter_after=table(values, "dead_letter").get("after"),
        **_named(names.queue(name, fifo=fifo), values),
    )


def _secrets(part: Parts, services: tuple[Service, ...], names: Names) -> tuple[Secret, ...]:
    """Declared ones, and those that a service uses: using a secret is enough to have its container."""
    declared = {name: owned.values for name, owned in owned_resources(part, "secrets")}
    used = {name for service in services for name in service.uses.secrets}
    return tuple(
        Secret(name=name, generate=values.get("generate"), **_named(names.secret(name), values))
        for name, values in sorted({**{one: {} for one in used}, **declared}.items())
    )


def _parameters(part: Parts, services: tuple[Service, ...], names: Names) -> tuple[Parameter, ...]:
    declared = {name: owned.values for name, owned in owned_resources(part, "parameters")}
    used = {name for service in services for name in service.uses.parameters}
    return tuple(
        Parameter(name=name, value=values.get("value"), **_named(names.parameter(name), values))
        for name, values in sorted({**{one: {} for one in used}, **declared}.items())
    )


def _synthetic(values: Document) -> Synthetic:
    requests = (
        Request(method, path, dict(one.get("headers", {})), one.get("body", ""))
        for one in values["requests"]
        for method, _, path in [one["request"].partition(" ")]
    )
    return Synthetic(rate=float(values["rate"]), requests=tuple(requests))


def _rollout(values: Document) -> RolloutPolicy:
    """Only what the strategy knows: an environment that extends another may change the strategy alone."""
    strategy = values["strategy"]
    stepped = strategy in ("linear", "canary")
    return RolloutPolicy(
        strategy=strategy,
        weights=tuple(values.get("weights", ())) if strategy == "canary" else (),
        steps=tuple(_planned(step) for step in values.get("steps", ())) if strategy == "custom" else (),
        by=values.get("by") if strategy == "linear" else None,
        every=_optional_seconds(values, "every") if strategy == "linear" else None,
        bake=_optional_seconds(values, "bake") if stepped or strategy == "blue-green" else None,
        margin=values["margin"],
        latency_margin=values["latency_margin"],
        alpha=values["alpha"],
        minimum=values["minimum"],
        clusters=values["clusters"],
        delay=float(seconds(values["delay"])),
        alarms=tuple(values.get("alarms", ())),
        metrics=tuple(metric_gate(one) for one in values.get("metrics", ())),
        webhooks=tuple(webhook(one) for one in values.get("webhooks", ())),
        on_inconclusive=values["on_inconclusive"],
        window=float(seconds(values["window"])),
        controller=values["controller"],
        deadline=_optional_seconds(values, "deadline"),
    )


def _planned(values: Document) -> PlannedStep:
    kind: StepKind = next(kind for kind in STEP_KINDS if kind in values)
    value = values[kind]
    return PlannedStep(
        kind=kind,
        percent=value if kind == "weight" else 0,
        seconds=float(seconds(value)) if kind == "bake" else 0.0,
        why=value if kind == "pause" else "",
        people=value if kind == "approve" else 0,
        deadline=_optional_seconds(values, "deadline"),
    )


def _optional_seconds(values: Document, key: str) -> float | None:
    return float(seconds(values[key])) if key in values else None
