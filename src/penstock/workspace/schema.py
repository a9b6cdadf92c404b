"""The shape of penstock.toml and service.toml, once: validation, JSON Schema and reference come from these types.

Every key is optional here where a weaker layer may give it; what must be there in the end is checked after merging.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, TypeAdapter, with_config
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from penstock.workspace.fields import (
    Account,
    Asked,
    Branch,
    Day,
    Duration,
    Endpoint,
    EnvName,
    Existing,
    Handler,
    Layer,
    Name,
    Naming,
    Notify,
    Plain,
    Region,
    RelativePath,
    Retention,
    RouteText,
    RuntimeName,
    S3Event,
    Schedule,
    TagKey,
    TagValue,
    Text,
    WorkspaceName,
)
from penstock.workspace.schema_gates import MetricTable, WebhookTable  # noqa: TC001 - pydantic reads annotations
from penstock.workspace.schema_resources import STRICT, EnvValue, Resources, UsesTable
from penstock.workspace.source import ROOT_FILE, SERVICE_FILE

Tags = Annotated[dict[TagKey, TagValue], Field(max_length=40)]


@with_config(STRICT)
class ConcurrencyTable(TypedDict):
    """Simultaneous executions."""

    reserved: NotRequired[Annotated[int, Field(ge=0, le=100_000, description="At most this many, and kept free.")]]
    provisioned: NotRequired[Annotated[int, Field(ge=1, le=100_000, description="Kept warm.")]]


@with_config(STRICT)
class DefaultsTable(TypedDict):
    """What every function has unless it says otherwise."""

    runtime: NotRequired[Annotated[RuntimeName, Field(description="Lambda runtime. Default `python3.13`.")]]
    architecture: NotRequired[
        Annotated[Literal["x86_64", "arm64"], Field(description="Processor on AWS. Default `arm64`.")]
    ]
    memory: NotRequired[Annotated[int, Field(ge=128, le=10240, description="MB. Default 256.")]]
    timeout: NotRequired[
        Annotated[int, Field(ge=1, le=900, description="Seconds; at most 29 for a function with routes. Default 10.")]
    ]
    env: NotRequired[
        Annotated[
            dict[EnvName, EnvValue],
            Field(description="Environment variables: strings, or `{ terraform = … }`. 4 KB in all."),
        ]
    ]
    ephemeral: NotRequired[Annotated[int, Field(ge=512, le=10240, description="MB of /tmp. Default 512.")]]
    log_retention: NotRequired[Annotated[Retention, Field(description="Days that logs are kept. Default 14.")]]
    tracing: NotRequired[Annotated[bool, Field(description="X-Ray. Default false.")]]
    layers: NotRequired[Annotated[list[Layer], Field(max_length=5, description="ARNs of layer versions.")]]


@with_config(STRICT)
class EventTable(TypedDict):
    """What calls a function besides HTTP. Exactly one of stream, queue, schedule, topic, bucket and bus."""

    stream: NotRequired[Annotated[Name, Field(description="A table of the workspace that has `stream`.")]]
    queue: NotRequired[Annotated[Name, Field(description="A queue of the workspace.")]]
    schedule: NotRequired[Annotated[Schedule, Field(description="`rate(5 minutes)` or `cron(0 12 * * ? *)`.")]]
    topic: NotRequired[Annotated[Name, Field(description="A topic of the workspace.")]]
    bucket: NotRequired[Annotated[Name, Field(description="A bucket of the workspace.")]]
    bus: NotRequired[Annotated[Existing, Field(description="An event bus of the account, as `default`.")]]
    batch: NotRequired[Annotated[int, Field(ge=1, le=10_000, description="Records per call (stream, queue).")]]
    window: NotRequired[Annotated[Duration, Field(description="Longest wait for a full batch, at most 5m.")]]
    filters: NotRequired[
        Annotated[list[dict[str, Any]], Field(min_length=1, max_length=5, description="Event filter patterns.")]
    ]
    pattern: NotRequired[Annotated[dict[str, Any], Field(min_length=1, description="Event pattern of a bus.")]]
    starting_position: NotRequired[
        Annotated[Literal["LATEST", "TRIM_HORIZON"], Field(description="Where a new stream reader begins.")]
    ]
    bisect: NotRequired[Annotated[bool, Field(description="Split a failing batch in two (stream).")]]
    report_failures: NotRequired[
        Annotated[bool, Field(description="The answer's `batchItemFailures` alone are tried again (stream, queue).")]
    ]
    retries: NotRequired[Annotated[int, Field(ge=0, le=10_000, description="Further attempts (stream).")]]
    concurrency: NotRequired[Annotated[int, Field(ge=2, le=1000, description="Most simultaneous calls (queue).")]]
    events: NotRequired[Annotated[list[S3Event], Field(min_length=1, description="S3 events (bucket).")]]
    prefix: NotRequired[Annotated[Plain, Field(description="Of the object's key (bucket).")]]
    suffix: NotRequired[Annotated[Plain, Field(description="Of the object's key (bucket).")]]


@with_config(STRICT)
class FunctionTable(DefaultsTable):
    """One Lambda function."""

    handler: NotRequired[Annotated[Handler, Field(description="File and function: `users.app.handler`.")]]
    routes: NotRequired[Annotated[list[RouteText], Field(description="HTTP routes: `GET /users/{id}`.")]]
    health: NotRequired[Annotated[RouteText, Field(description="The route that proves it; joins the routes.")]]
    verify: NotRequired[
        Annotated[
            RelativePath, Field(description="JSON event, in the service's folder, that proves it before traffic.")
        ]
    ]
    on: NotRequired[Annotated[list[EventTable], Field(max_length=50, description="What else calls it.")]]
    concurrency: NotRequired[Annotated[ConcurrencyTable, Field(description="Limits and warmth.")]]


@with_config(STRICT)
class BuildTable(TypedDict):
    """How artifacts are made; the same in every environment, because they all run the same bytes."""

    groups: NotRequired[
        Annotated[list[Plain], Field(description="Dependency groups (PEP 735, Poetry) that go into the ZIP as well.")]
    ]
    extras: NotRequired[Annotated[list[Plain], Field(description="Extras of the service's own project.")]]
    resolve: NotRequired[
        Annotated[
            Day,
            Field(description="Resolve requirements that are not pinned as the index was on that day: `2026-01-31`."),
        ]
    ]
    bundle_sdk: NotRequired[
        Annotated[bool, Field(description="Ship the AWS SDK although the runtime supplies one. Default false.")]
    ]
    prune: NotRequired[
        Annotated[bool, Field(description="Leave tests, stubs and documentation of locked packages out. Default true.")]
    ]
    bytecode: NotRequired[
        Annotated[bool, Field(description="Compile Python modules, for quicker cold starts. Default false.")]
    ]
    strip: NotRequired[
        Annotated[bool, Field(description="Strip native libraries of locked Python packages. Default false.")]
    ]
    external: NotRequired[Annotated[list[Plain], Field(description="Modules that stay out of bundles (Node.js).")]]
    unbundled: NotRequired[
        Annotated[list[Plain], Field(description="Packages installed beside bundles, not in them (Node.js).")]
    ]
    source_maps: NotRequired[
        Annotated[
            Literal["apart", "inside", "none"],
            Field(description="Keep them beside the build, in the ZIP, or not at all (Node.js). Default `apart`."),
        ]
    ]
    typecheck: NotRequired[
        Annotated[bool, Field(description="Run `tsc --noEmit` where there is a tsconfig.json. Default true.")]
    ]
    provided: NotRequired[
        Annotated[list[Plain], Field(description="Modules or native packages that something else brings, a layer say.")]
    ]
    exclude: NotRequired[
        Annotated[
            list[Plain],
            Field(description="Names (`*.bak`) and paths (`data/raw`) of the service's folder to leave out (Python)."),
        ]
    ]
    reviewed: NotRequired[
        Annotated[list[RelativePath], Field(description="Files that only look as if they held a secret.")]
    ]


@with_config(STRICT)
class ServicePart(FunctionTable, Resources):
    """What a service, or an environment of it, says."""

    functions: NotRequired[
        Annotated[dict[Name, FunctionTable], Field(min_length=1, description="Several functions, by name.")]
    ]
    uses: NotRequired[Annotated[UsesTable, Field(description="Least privilege is derived from here.")]]


@with_config(STRICT)
class ServiceFile(ServicePart):
    """service.toml: one service. Keys of its only function stand at the top level, or several under `functions`."""

    build: NotRequired[Annotated[BuildTable, Field(description="How its artifacts are made.")]]
    environments: NotRequired[Annotated[dict[Name, ServicePart], Field(description="What differs in an environment.")]]


@with_config(STRICT)
class StepTable(TypedDict):
    """One step of a custom walk. Exactly one of verify, weight, bake, pause and approve."""

    verify: NotRequired[Annotated[Literal[True], Field(description="Check the candidate in its slot (again).")]]
    weight: NotRequired[Annotated[int, Field(ge=1, le=100, description="Percent of traffic; 100 only at the end.")]]
    bake: NotRequired[Annotated[Duration, Field(description="Stay so long, and judge.")]]
    pause: NotRequired[Annotated[Plain, Field(description="Wait for `penstock resume`; the text says what for.")]]
    approve: NotRequired[
        Annotated[int, Field(ge=1, le=20, description="Wait until so many people said `penstock approve RELEASE`.")]
    ]
    deadline: NotRequired[Annotated[Duration, Field(description="When traffic goes back if the step has not ended.")]]


@with_config(STRICT)
class RolloutTable(TypedDict):
    """How traffic moves to a new release."""

    strategy: NotRequired[
        Annotated[
            Literal["all-at-once", "linear", "canary", "blue-green", "custom"],
            Field(description="Default `all-at-once`."),
        ]
    ]
    steps: NotRequired[
        Annotated[list[StepTable], Field(min_length=1, max_length=100, description="The walk, in order (custom).")]
    ]
    weights: NotRequired[
        Annotated[
            list[Annotated[int, Field(ge=1, le=99)]],
            Field(min_length=1, max_length=50, description="Percents (canary)."),
        ]
    ]
    by: NotRequired[Annotated[int, Field(ge=1, le=100, description="Percent more at each step (linear).")]]
    every: NotRequired[Annotated[Duration, Field(description="Time between steps (linear).")]]
    bake: NotRequired[
        Annotated[
            Duration,
            Field(
                description="Time at each weight (canary), and after all traffic has moved, in which an alarm brings "
                "it back (canary, linear, blue-green)."
            ),
        ]
    ]
    margin: NotRequired[
        Annotated[float, Field(gt=0, lt=1, description="Share of bad calls tolerated above stable. Default 0.01.")]
    ]
    latency_margin: NotRequired[
        Annotated[float, Field(gt=0, lt=1, description="The same for the share of slow calls. Default 0.05.")]
    ]
    minimum: NotRequired[
        Annotated[
            int,
            Field(ge=1, le=1_000_000, description="Canary calls of each changed service a step needs. Default 50."),
        ]
    ]
    clusters: NotRequired[
        Annotated[
            int,
            Field(
                ge=1,
                le=100,
                description="Most calls that one cause makes bad on one side: attempts of callers that retry there. "
                "Default 1.",
            ),
        ]
    ]
    alpha: NotRequired[
        Annotated[float, Field(gt=0, le=0.2, description="Probability of a wrong verdict. Default 0.01.")]
    ]
    delay: NotRequired[Annotated[Duration, Field(description="How late measurements may come. Default `2m`.")]]
    alarms: NotRequired[
        Annotated[list[str], Field(max_length=100, description="Your own CloudWatch alarms that stop a rollout.")]
    ]
    metrics: NotRequired[Annotated[list[MetricTable], Field(max_length=20, description="Your own gates, by metrics.")]]
    webhooks: NotRequired[Annotated[list[WebhookTable], Field(max_length=10, description="Who is asked on the way.")]]
    on_inconclusive: NotRequired[
        Annotated[Literal["extend", "raise", "synthetic", "ask"], Field(description="Default `extend`.")]
    ]
    deadline: NotRequired[Annotated[Duration, Field(description="When an undecided rollout comes back.")]]
    window: NotRequired[
        Annotated[
            Duration,
            Field(
                description="How long after a promotion what only the release before needed (an index, a queue, a "
                "function) is kept for a rollback. Default `0s`."
            ),
        ]
    ]
    controller: NotRequired[
        Annotated[bool, Field(description="A function in the account watches over rollouts. Default true.")]
    ]


@with_config(STRICT)
class ApprovalsTable(TypedDict):
    """Who must say yes."""

    required: NotRequired[Annotated[int, Field(ge=0, le=20, description="How many people. Default 0.")]]
    self: NotRequired[Annotated[bool, Field(description="Whether the author's own yes counts. Default true.")]]
    expires: NotRequired[Annotated[Duration, Field(description="How long a yes to a plan is good. Default `24h`.")]]


@with_config(STRICT)
class AfterTable(TypedDict):
    """What runs after a release is live."""

    smoke: NotRequired[Annotated[list[RelativePath], Field(description="Scripts of the workspace.")]]
    notify: NotRequired[
        Annotated[list[Notify], Field(description="Topics that learn what became of a release: `sns:releases`.")]
    ]


@with_config(STRICT)
class EnvironmentTable(Resources):
    """Where releases go. Resources and tags here go over the workspace's."""

    extends: NotRequired[Annotated[Name, Field(description="An environment that this one differs from.")]]
    endpoint: NotRequired[Annotated[Endpoint, Field(description="`local`: the embedded AWS; omitted: AWS.")]]
    account: NotRequired[Annotated[Account, Field(description="The AWS account, 12 digits.")]]
    region: NotRequired[
        Annotated[Region, Field(description="AWS region; may be left out in the embedded AWS: `eu-west-1`.")]
    ]
    trigger: NotRequired[
        Annotated[Literal["push", "manual"], Field(description="Whether CI deploys by itself. Default `manual`.")]
    ]
    branches: NotRequired[Annotated[list[Branch], Field(description="Branches it may be deployed from.")]]
    approvals: NotRequired[Annotated[ApprovalsTable, Field(description="Who must say yes.")]]
    defaults: NotRequired[Annotated[DefaultsTable, Field(description="Over `[defaults]`.")]]
    rollout: NotRequired[Annotated[RolloutTable, Field(description="How traffic moves.")]]
    synthetic: NotRequired[Annotated[SyntheticTable, Field(description="Over the workspace's.")]]
    after: NotRequired[Annotated[AfterTable, Field(description="What runs afterwards.")]]
    profile: NotRequired[
        Annotated[Literal["minimal", "standard", "full"], Field(description="How much is observed. Default `minimal`.")]
    ]
    signing: NotRequired[
        Annotated[
            Literal["kms", "local"],
            Field(
                description="Where the key is that signs artifacts: in KMS, or a file in `.penstock/keys`. "
                "Default `kms`."
            ),
        ]
    ]
    build_cache: NotRequired[
        Annotated[bool, Field(description="Whether machines share artifacts through the bucket. Default true.")]
    ]
    tags: NotRequired[Annotated[Tags, Field(description="Over the workspace's tags.")]]


@with_config(STRICT)
class SyntheticRequestTable(TypedDict):
    """One request of our own."""

    request: Annotated[Asked, Field(description="Method and path with its query: `GET /users/u-1?full=1`.")]
    headers: NotRequired[Annotated[dict[Text, Text], Field(max_length=50, description="Beside the ordinary ones.")]]
    body: NotRequired[Annotated[Text, Field(max_length=100_000, description="Sent as it is.")]]
    safe: NotRequired[
        Annotated[bool, Field(description="Asking it again and again does no harm: for other methods than GET.")]
    ]


@with_config(STRICT)
class SyntheticTable(TypedDict):
    """Requests of our own, sent while a rollout has too few others (`on_inconclusive = "synthetic"`)."""

    rate: NotRequired[Annotated[float, Field(gt=0, le=6000, description="A minute, in all. Default 60.")]]
    requests: NotRequired[
        Annotated[
            list[SyntheticRequestTable],
            Field(max_length=100, description="In turn. Without any: the health routes of what changed."),
        ]
    ]


@with_config(STRICT)
class WorkspaceTable(TypedDict):
    """The workspace itself."""

    name: Annotated[WorkspaceName, Field(description="First part of all physical names.")]
    services: Annotated[list[Text], Field(min_length=1, max_length=100, description="Folders: `services/*`.")]
    packages: NotRequired[Annotated[list[Text], Field(max_length=100, description="Folders of shared code.")]]
    build_env: NotRequired[
        Annotated[
            list[EnvName],
            Field(
                max_length=100,
                description="Variables of the machine that build scripts of shared packages see (Node.js). Their "
                "values are part of recipes.",
            ),
        ]
    ]
    naming: NotRequired[
        Annotated[
            Naming,
            Field(
                description="Functions' physical names, at most 64 characters. Default "
                "`{workspace}-{environment}-{function}`; `{service}` is there too."
            ),
        ]
    ]
    tags: NotRequired[Annotated[Tags, Field(description="On everything that is created.")]]


@with_config(STRICT)
class RootFile(Resources):
    """penstock.toml: the workspace, its environments, and what services have in common."""

    workspace: Annotated[WorkspaceTable, Field(description="The workspace itself.")]
    defaults: NotRequired[Annotated[DefaultsTable, Field(description="Of every function.")]]
    build: NotRequired[Annotated[BuildTable, Field(description="How artifacts of every service are made.")]]
    synthetic: NotRequired[Annotated[SyntheticTable, Field(description="Requests of our own for rollouts.")]]
    environments: Annotated[
        dict[WorkspaceName, EnvironmentTable],
        Field(min_length=1, max_length=50, description="Where releases go."),
    ]


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of both files, by file name."""
    return {
        name: {
            "$schema": GenerateJsonSchema.schema_dialect,
            **TypeAdapter(kind).json_schema(),
        }
        for name, kind in ((ROOT_FILE, RootFile), (SERVICE_FILE, ServiceFile))
    }
