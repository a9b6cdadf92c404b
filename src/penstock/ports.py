"""Everything that can be done to the world, as small Protocols.

`operations/` sees the world only through these. Each has one adapter in `adapters/` and one shipped fake in
`testing/`; the same contract tests (`tests/ports/`) run on both. Every call may raise the errors of
`penstock.model.errors`; those that callers are expected to handle are named in the docstrings.
All writes set absolute state, so that doing one twice is doing it once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from penstock.model.events import Event


# ------------------------------------------------------------------------------------------------ this machine


@runtime_checkable
class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@runtime_checkable
class EventSink(Protocol):
    """Where events go: the terminal, NDJSON, a list in a test."""

    def emit(self, event: Event) -> None:
        """Take one event. Never raises for the event's content."""


@runtime_checkable
class Files(Protocol):
    """The files of this machine: the workspace's, and our own beneath `.penstock/`."""

    def read(self, path: Path) -> bytes | None:
        """The content, or None when there is no such file."""

    def write(self, path: Path, content: bytes) -> bool:
        """Replace the content by rename, folders included; False when it was the same already.

        Raises PenstockError on a full disk or a read-only folder, and then leaves what was there.
        """

    def find(self, folder: Path, pattern: str) -> Sequence[Path]:
        """Files below the folder that match a glob pattern, sorted; `.terraform` folders are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to run: said by one function, done by another."""

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to, and winning over, the inherited environment."""
    timeout: float | None = None
    """Seconds."""
    stdin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a program ended."""

    status: int
    stdout: str
    stderr: str
    seconds: float


@runtime_checkable
class Commands(Protocol):
    """Running programs."""

    def find(self, program: str) -> Path | None:
        """Where the program lies on the user's path, or None."""

    def run(self, command: Command) -> CommandResult:
        """Run to the end and report; a status other than 0 is not an error here.

        Raises ToolMissing when the program is not there, RemoteFault-free TimeoutError after `timeout`.
        """


@runtime_checkable
class Identity(Protocol):
    """Who acts."""

    def caller(self) -> str:
        """The STS caller's ARN. Raises AccessDenied when there are no valid credentials."""

    def account(self) -> str:
        """The STS caller's account."""


# ------------------------------------------------------------------------------------------------ the store


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object's bytes and its ETag, the token of conditional writes."""

    body: bytes
    etag: str


@runtime_checkable
class ObjectStore(Protocol):
    """The environment's bucket. Keys are relative to it."""

    def exists(self) -> bool:
        """Whether the bucket is there."""

    def create(self) -> None:
        """Create the bucket: versioned, encrypted, TLS only, private. Done when it is there and ours."""

    def get(self, key: str) -> StoredObject | None:
        """The object, or None."""

    def put(self, key: str, body: bytes) -> str:
        """Write, whatever is there; the new ETag."""

    def put_if_absent(self, key: str, body: bytes) -> str:
        """Write only if nothing is there; the new ETag. Raises Conflict when something is."""

    def put_if_match(self, key: str, body: bytes, etag: str) -> str:
        """Write only if the object still has that ETag; the new one. Raises Conflict when it has not."""

    def delete(self, key: str) -> None:
        """Delete; done when nothing is there."""

    def list(self, prefix: str) -> Sequence[str]:
        """All keys that begin with the prefix, sorted."""

    def has(self, key: str) -> bool:
        """Whether the object is there."""

    def upload(self, key: str, path: Path) -> None:
        """Write a file's content, streamed."""

    def download(self, key: str, path: Path) -> None:
        """Read into a file, published by rename. Raises NotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who signed, and the signature. `key` only tells people whose it claims to be; `verify` decides."""

    key: str
    value: bytes


@runtime_checkable
class Signer(Protocol):
    """The environment's signing key: ECDSA on P-256 over SHA-256. The private half is never seen."""

    def key(self) -> str | None:
        """The key's name, or None when there is none yet."""

    def create(self) -> None:
        """Make the key; done when it is there."""

    def sign(self, message: bytes) -> Signature:
        """Sign. Raises NotFound when there is no key."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this environment's key made that signature of that message; False also when there is no key."""


# ------------------------------------------------------------------------------------------------ AWS


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionState:
    """A function's `$LATEST`, or one published version. `code_sha256` is hex, whatever AWS encodes."""

    name: str
    version: str
    code_sha256: str
    revision: str
    architecture: str
    runtime: str
    memory: int
    timeout: int
    handler: str
    description: str = ""
    last_update: str = "Successful"
    """Successful, InProgress or Failed."""
    state: str = "Active"


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasState:
    """Where an alias points: the main version, and further ones with their share (0 to 1)."""

    name: str
    version: str
    revision: str
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What a direct invocation brought. `error` is None, or AWS's `Unhandled` and the like."""

    status: int
    payload: str
    error: str | None
    version: str
    log_tail: str = ""


@runtime_checkable
class Functions(Protocol):
    """Lambda's code, versions and aliases. Names are physical; the configuration belongs to Terraform."""

    def get(self, name: str, qualifier: str = "$LATEST") -> FunctionState | None:
        """The state, or None when function or qualifier is not there."""

    def update_code(self, name: str, *, bucket: str, key: str, architecture: str, revision: str) -> FunctionState:
        """Set `$LATEST`'s code; wait until the update has ended. Raises Conflict when the revision has moved."""

    def publish(self, name: str, *, code_sha256: str, revision: str, description: str) -> FunctionState:
        """Make `$LATEST` a version, if it still has that code and revision; wait until it is Active.

        The answer carries that description; doing it again without a change gives the same version. Raises Conflict
        when code or revision have moved.
        """

    def versions(self, name: str) -> Sequence[FunctionState]:
        """All published versions, oldest first."""

    def aliases(self, name: str) -> Mapping[str, AliasState]:
        """All aliases by name."""

    def set_alias(self, name: str, alias: str, version: str, *, revision: str | None = None) -> AliasState:
        """Point the alias at one version, without weights. Raises Conflict when the revision has moved."""

    def invoke(self, name: str, qualifier: str, payload: str) -> Invocation:
        """Call synchronously and wait for the answer."""

    def delete_version(self, name: str, version: str) -> None:
        """Delete a published version; done when it is not there. Raises Conflict while an alias points at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    """What a stage of a REST API serves."""

    api_id: str
    stage: str
    deployment: str
    variables: Mapping[str, str]
    canary_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An HTTP response. `seconds` is the whole exchange."""

    status: int
    body: str
    headers: Mapping[str, str]
    seconds: float


@runtime_checkable
class Gateway(Protocol):
    """API Gateway's REST APIs, their deployments and stages."""

    def find(self, name: str) -> str | None:
        """Id of the REST API of that name, or None."""

    def deploy(self, api_id: str, description: str) -> str:
        """Make a deployment (a snapshot of the API's document) without touching a stage; its id."""

    def deployments(self, api_id: str) -> Mapping[str, str]:
        """Descriptions of all deployments by id."""

    def delete_deployment(self, api_id: str, deployment: str) -> None:
        """Delete a deployment; done when it is not there. Raises Conflict while a stage serves it."""

    def stage(self, api_id: str, stage: str) -> StageState | None:
        """What the stage serves, or None."""

    def set_stage(self, api_id: str, stage: str, *, deployment: str, variables: Mapping[str, str]) -> StageState:
        """Make the stage serve that deployment with those variables, in one call; what it then serves."""

    def call(self, api_id: str, stage: str, method: str, path: str) -> HttpAnswer:
        """Call a route through the stage, signed with the caller's credentials."""

    def url(self, api_id: str, api_name: str, stage: str) -> str:
        """The URL that unsigned callers use, without a slash at the end."""


@runtime_checkable
class Parameters(Protocol):
    """Parameter Store."""

    def get(self, name: str) -> str | None:
        """The value, or None."""

    def put(self, name: str, value: str) -> None:
        """Write, whatever is there."""

    def delete(self, name: str) -> None:
        """Delete; done when it is not there."""


@runtime_checkable
class Secrets(Protocol):
    """Secrets Manager. Values go in and are never read back by Penstock."""

    def has_value(self, name: str) -> bool:
        """Whether the secret exists and has a current value."""

    def put(self, name: str, value: str) -> None:
        """Set the current value, creating the secret's container when it is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionHealth:
    """Lambda's metrics of one function over a window: counts, and p95 in milliseconds (None without calls)."""

    invocations: int
    errors: int
    throttles: int
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHealth:
    """A DynamoDB table: its status, item count, and throttled requests in a window."""

    status: str
    items: int
    throttled: int


@runtime_checkable
class Health(Protocol):
    """What `penstock status` shows of a running environment."""

    def functions(self, names: Sequence[str], minutes: int) -> Mapping[str, FunctionHealth]:
        """Metrics per physical function name."""

    def tables(self, names: Sequence[str], minutes: int) -> Mapping[str, TableHealth]:
        """State per physical table name; missing tables are left out."""


# ------------------------------------------------------------------------------------------------ tools


@dataclass(frozen=True, slots=True, kw_only=True)
class TerraformPlan:
    """A saved plan: where it lies, and `terraform show -json` of it. `changed` is the detailed exit code's 2."""

    path: Path
    changed: bool
    document: Mapping[str, Any]


@runtime_checkable
class Terraform(Protocol):
    """Terraform or OpenTofu, run in one root folder."""

    def prepare(self, root: Path) -> None:
        """`init`, when the folder's modules, providers or backend call for it."""

    def plan(self, root: Path, *, out: Path, variables: Mapping[str, str]) -> TerraformPlan:
        """Save a plan. Raises TerraformFailed, Locked (with the holder) when the state is locked."""

    def apply(self, root: Path, plan: Path) -> None:
        """Apply exactly that saved plan."""

    def version(self) -> str:
        """The program's own name and version, as `Terraform 1.11.4`. Raises ToolMissing."""

    def running(self, root: Path) -> Sequence[int]:
        """Ids of this machine's Terraform processes that work in the folder now, ours or started by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStatus:
    """The embedded AWS: its URL, and the process behind it (None when it is down)."""

    url: str
    pid: int | None
    state: Path
    interpreters: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None
    """Resident set in bytes."""


@runtime_checkable
class LocalAws(Protocol):
    """The embedded AWS as a process of this machine."""

    def start(self) -> LocalStatus:
        """Start it unless it runs; wait until it answers. Raises LocalAwsFault."""

    def stop(self) -> bool:
        """Stop it in good order; False when it did not run."""

    def status(self) -> LocalStatus:
        """What runs."""

    def reset(self) -> None:
        """Forget all state of all accounts."""

    def snapshot(self, name: str) -> None:
        """Keep the whole state under a name."""

    def restore(self, name: str) -> None:
        """Go back to a kept state. Raises NotFound."""

    def snapshots(self) -> Sequence[str]:
        """Names of the kept states, sorted."""

    def log(self) -> Path:
        """Where its log lies."""


@runtime_checkable
class Interpreters(Protocol):
    """Which language runtimes this machine has."""

    def find(self, runtime: str) -> Path | None:
        """The interpreter for `python3.13` or `nodejs20.x`, run once to be sure; None when there is none."""

    def host_architecture(self) -> str:
        """`x86_64` or `arm64`."""
