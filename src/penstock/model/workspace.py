"""A workspace, resolved for one environment: every default merged, every name decided, nothing left open.

`workspace/` makes these values from files' text; everything else only reads them. Paths are POSIX and relative
to the workspace's root. Sizes are MB, durations seconds, unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from penstock.model.rollouts import RolloutPolicy, Synthetic

if TYPE_CHECKING:
    from collections.abc import Mapping

Access = Literal["read", "check", "write", "read-write"]
Architecture = Literal["x86_64", "arm64"]
EventKind = Literal["stream", "queue", "schedule", "topic", "bucket", "bus"]
Language = Literal["python", "node"]
Trigger = Literal["push", "manual"]


@dataclass(frozen=True, slots=True)
class TerraformReference:
    """`{ terraform = "aws_x.y.arn" }`: a value that the user's own Terraform beside the root provides."""

    expression: str


EnvValue = str | TerraformReference


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """One way into a REST API: `GET /users/{id}`. The method may be `ANY`."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """What calls a function besides HTTP, through its alias `live`.

    `source` names a table (stream), queue, topic, bucket or bus of the workspace, or holds the schedule expression.
    """

    kind: EventKind
    source: str
    batch: int | None = None
    window: int | None = None
    filters: tuple[str, ...] = ()
    starting_position: Literal["LATEST", "TRIM_HORIZON"] = "LATEST"
    bisect: bool = False
    report_failures: bool = False
    """The function answers which records failed (ReportBatchItemFailures); only those are tried again."""
    retries: int | None = None
    concurrency: int | None = None
    events: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """Reserved and provisioned concurrency, in simultaneous executions."""

    reserved: int | None = None
    provisioned: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One IAM statement that the user asks for by hand, with the reason."""

    actions: tuple[str, ...]
    resources: tuple[EnvValue, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """What a service may touch besides what it owns; IAM policies are derived from it."""

    tables: Mapping[str, Access] = field(default_factory=dict)
    queues: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    buckets: Mapping[str, Access] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One Lambda function. `name` is short (`worker`), `physical` is AWS's (`shop-dev-mail_service-worker`)."""

    name: str
    service: str
    physical: str
    handler: str
    runtime: str
    architecture: Architecture
    memory: int
    timeout: int
    routes: tuple[Route, ...] = ()
    health: Route | None = None
    verify: str | None = None
    """A JSON file below the service's folder: the event that proves the function before traffic."""
    on: tuple[EventSource, ...] = ()
    env: Mapping[str, EnvValue] = field(default_factory=dict)
    concurrency: Concurrency = Concurrency()
    layers: tuple[str, ...] = ()
    ephemeral: int = 512
    log_retention: int = 14
    tracing: bool = False

    @property
    def language(self) -> Language:
        """The language family of the runtime."""
        return "python" if self.runtime.startswith("python") else "node"

    @property
    def key(self) -> str:
        """The function's name within the workspace: the service's, or `service-function`."""
        return self.service if self.name == self.service else f"{self.service}-{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """Provisioned capacity of one dimension that follows its use."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Provisioned read and write capacity units, scaled to hold `target` percent utilisation."""

    read: Autoscaling
    write: Autoscaling
    target: int = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A global secondary index: hash key first, range key second."""

    name: str
    key: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A DynamoDB table. `existing` ones are used but never created or destroyed; `owner` is a service or empty."""

    name: str
    physical: str
    owner: str
    key: Mapping[str, str] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()
    capacity: Capacity | None = None
    stream: Literal["new-image", "old-image", "new-and-old-images", "keys-only"] | None = None
    ttl: str | None = None
    protected: bool = False
    backups: bool = False
    existing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """An SQS queue; `visibility` in seconds, `dead_letter_after` in receives."""

    name: str
    physical: str
    owner: str
    fifo: bool = False
    visibility: int = 60
    dead_letter_after: int | None = None
    existing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """An SNS topic."""

    name: str
    physical: str
    owner: str
    existing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """An S3 bucket that a service owns or uses."""

    name: str
    physical: str
    owner: str
    existing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """The container of a secret; its value never passes through Terraform.

    `generate = "dev-only"` lets an environment in the embedded AWS make up a random value by itself.
    """

    name: str
    physical: str
    generate: Literal["dev-only"] | None = None
    existing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A configuration value in Parameter Store; `value` is its first content, kept by people afterwards."""

    name: str
    physical: str
    value: str | None = None
    existing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How a service's artifacts are made, where it differs from what suits nearly everybody."""

    groups: tuple[str, ...] = ()
    """Dependency groups (PEP 735, Poetry) that go into the ZIP besides the dependencies."""
    extras: tuple[str, ...] = ()
    """Extras of the service's own project."""
    resolve: str | None = None
    """A day: requirements that are not pinned are resolved as the index was at its end."""
    bundle_sdk: bool = False
    """Ship the AWS SDK although the runtime supplies one."""
    prune: bool = True
    """Leave out tests, type stubs and documentation of locked packages."""
    bytecode: bool = False
    """Ship compiled modules beside the sources (Python)."""
    strip: bool = False
    """Take debugging symbols out of native libraries (Python)."""
    external: tuple[str, ...] = ()
    """Modules that stay out of bundles (Node.js)."""
    unbundled: tuple[str, ...] = ()
    """Packages that are installed beside bundles instead of in them (Node.js)."""
    source_maps: Literal["apart", "inside", "none"] = "apart"
    """Where a bundle's source map goes: `.penstock/`, into the ZIP, nowhere."""
    typecheck: bool = True
    """Check types before bundling, where there is a TypeScript and a tsconfig.json."""
    provided: tuple[str, ...] = ()
    """Modules that something else brings at run time, a layer say; native packages to do without (Node.js)."""
    exclude: tuple[str, ...] = ()
    """Names and paths of the service's folder that are no part of it, with wildcards (Python)."""
    reviewed: tuple[str, ...] = ()
    """Files with what looks like a secret that a person has looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One folder, one deployable unit, one role, one Terraform module."""

    name: str
    path: str
    language: Language
    functions: tuple[Function, ...]
    uses: Uses = Uses()
    packages: tuple[str, ...] = ()
    """Names of the internal packages it reaches, transitively, sorted."""
    build: BuildOptions = BuildOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Shared code: an ordinary Python or Node package of the workspace."""

    name: str
    path: str
    language: Language
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPolicy:
    """How many people must say yes, whether the author's own yes counts, and for how many seconds one is good."""

    required: int = 0
    self_approval: bool = True
    expires: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterDeploy:
    """What runs after a release is live."""

    smoke: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a release goes. `endpoint` is `"local"`, a URL, or None for AWS itself."""

    name: str
    account: str
    region: str
    endpoint: str | None = None
    trigger: Trigger = "manual"
    branches: tuple[str, ...] = ()
    approvals: ApprovalPolicy = ApprovalPolicy()
    rollout: RolloutPolicy = field(default_factory=RolloutPolicy)
    synthetic: Synthetic = field(default_factory=Synthetic)
    after: AfterDeploy = AfterDeploy()
    profile: Literal["minimal", "standard", "full"] = "minimal"
    signing: Literal["kms", "local"] = "kms"
    """Where the key is that signs artifacts: in the environment's account, or in a file of this machine."""
    build_cache: bool = True
    """Whether artifacts are shared between machines through the environment's bucket."""

    @property
    def has_access_log(self) -> bool:
        """Whether the API's requests are logged. That costs money: only where people or a judge look at it."""
        return self.profile != "minimal" or self.rollout.is_judged

    @property
    def is_local(self) -> bool:
        """True when the environment lives in the embedded AWS of this machine."""
        return self.endpoint == "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Everything a team ships, resolved for one environment. Tuples are sorted by name."""

    name: str
    environment: Environment
    services: tuple[Service, ...]
    packages: tuple[Package, ...] = ()
    tables: tuple[Table, ...] = ()
    queues: tuple[Queue, ...] = ()
    topics: tuple[Topic, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    secrets: tuple[Secret, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    build_env: tuple[str, ...] = ()
    """Variables of the machine that build scripts of shared packages see (Node.js); their values count."""

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions of all services, sorted by key."""
        found = (function for service in self.services for function in service.functions)
        return tuple(sorted(found, key=lambda function: function.key))

    @property
    def prefix(self) -> str:
        """`shop-dev`: what physical names begin with."""
        return f"{self.name}-{self.environment.name}"

    @property
    def store_bucket(self) -> str:
        """The environment's S3 bucket: state, artifacts, releases, ledger, lease."""
        return f"penstock-{self.prefix}-{self.environment.account}-{self.environment.region}"

    @property
    def api_name(self) -> str:
        """Name of the REST API that callers use."""
        return self.prefix

    @property
    def preview_api_name(self) -> str:
        """Name of the REST API that serves the idle slot, to callers with credentials only."""
        return f"{self.prefix}-preview"

    @property
    def signing_alias(self) -> str:
        """The alias of the KMS key that signs artifacts."""
        return f"alias/{self.prefix}-artifacts"

    @property
    def controller_name(self) -> str:
        """Name of the function that drives rollouts in the account, of its schedules' group, and of its role."""
        return f"penstock-{self.prefix}"

    @property
    def ticks_role(self) -> str:
        """Name of the role by which EventBridge Scheduler calls the controller."""
        return f"{self.controller_name}-ticks"

    @property
    def pointer_prefix(self) -> str:
        """The path in Parameter Store that Terraform reads the pointer from."""
        return f"/penstock/{self.name}/{self.environment.name}/"

    def service(self, name: str) -> Service:
        """The service of that name; KeyError when there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)
