"""Releases, slots, and the pointer that says which slot is live."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Slot = Literal["blue", "green"]
SLOTS: tuple[Slot, Slot] = ("blue", "green")
LIVE_ALIAS = "live"
CHANGES = "+changes"
"""Behind a release's commit: it was built from files that no commit has."""


def other(slot: Slot) -> Slot:
    """The slot that is not this one."""
    return "green" if slot == "blue" else "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRelease:
    """What one function is in a release: its code and its configuration, both by digest."""

    physical: str
    service: str
    artifact: str
    """SHA-256 of the ZIP, hex."""
    config: str
    """SHA-256 over the Terraform-owned configuration, hex (`infra.config_digest`)."""
    architecture: str
    runtime: str
    timeout: int
    target: str
    """What the bytes were built for, as `python3.13/x86_64`; promotion compares it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An immutable map from function key to artifact and configuration, plus the API document's digest.

    `id` is content-addressed over what runs and what it may do (functions, API, grants), so that the same content is
    the same release, and code that lost a grant is another one, which can be gone back from; commit, author and time
    are carried along but are not part of the identity.
    """

    environment: str
    functions: Mapping[str, FunctionRelease]
    api: str
    """SHA-256 of the OpenAPI document, hex."""
    grants: Mapping[str, tuple[Mapping[str, Any], ...]]
    """IAM statements each service of this release needs, so that a later one cannot take them away too early."""
    commit: str
    author: str
    created: str
    """ISO 8601, UTC."""
    routes: Mapping[str, str] = field(default_factory=dict)
    """What the document says of each function with routes, by digest: tells whose routes changed where `api` did. Empty
    in releases that an older Penstock made."""

    @property
    def id(self) -> str:
        """Twelve hex digits of the SHA-256 over functions, API and grants."""
        content = {
            "functions": {key: [f.physical, f.artifact, f.config] for key, f in sorted(self.functions.items())},
            "api": self.api,
            "grants": dict(self.grants),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def source(self) -> tuple[str, bool]:
        """The commit that it was built from, and whether files were changed beside it."""
        return self.commit.removesuffix(CHANGES), self.commit.endswith(CHANGES)

    def changed_from(self, before: Release | None) -> frozenset[str]:
        """Keys of the functions whose code, configuration or routes are not those of the release before.

        All of them where the API's document differs for another reason than the routes of a function that is in both.
        """
        if before is None:
            return frozenset(self.functions)
        changed = {key for key, function in self.functions.items() if before.functions.get(key) != function}
        if self.api == before.api:
            return frozenset(changed)
        rerouted = {key for key in self.functions if self.routes.get(key) != before.routes.get(key)}
        return frozenset(changed | rerouted if rerouted and before.routes else self.functions)

    def to_json(self) -> dict[str, Any]:
        """The release as plain JSON, as it lies in `releases/<id>.json`."""
        return {**asdict(self), "id": self.id}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Release:
        """The inverse of `to_json`."""
        return cls(
            environment=data["environment"],
            functions={key: FunctionRelease(**value) for key, value in data["functions"].items()},
            api=data["api"],
            grants={service: tuple(statements) for service, statements in data["grants"].items()},
            commit=data["commit"],
            author=data["author"],
            created=data["created"],
            routes=data.get("routes", {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """What one slot holds: a release and the API deployment that serves its routes; both None before the first."""

    release: str | None = None
    deployment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """The environment's one parameter in Parameter Store: which slot is live, which waits, what each holds."""

    live: Slot = "blue"
    candidate: Slot | None = None
    blue: SlotState = SlotState()
    green: SlotState = SlotState()

    def slot(self, name: Slot) -> SlotState:
        """The state of that slot."""
        return self.blue if name == "blue" else self.green

    @property
    def idle(self) -> Slot:
        """The slot that traffic does not go to."""
        return other(self.live)

    @property
    def live_release(self) -> str | None:
        """Id of the release that traffic goes to."""
        return self.slot(self.live).release

    @property
    def turned(self) -> Pointer:
        """The pointer after all traffic has moved to the other slot."""
        return replace(self, live=self.idle, candidate=None)

    @property
    def waiting(self) -> str | None:
        """Id of the release that may be switched to, None when none may."""
        return None if self.candidate is None else self.slot(self.candidate).release

    def to_text(self) -> str:
        """Canonical JSON, keys sorted: byte for byte what Terraform's `jsonencode` makes of the same value."""
        return json.dumps(
            {
                "candidate": self.candidate,
                "deployments": {"blue": self.blue.deployment, "green": self.green.deployment},
                "live": self.live,
                "releases": {"blue": self.blue.release, "green": self.green.release},
            },
            sort_keys=True,
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str) -> Pointer:
        """The inverse of `to_text`. Raises ValueError or KeyError on anything else."""
        data = json.loads(text)
        return cls(
            live=_slot(data["live"]),
            candidate=None if data["candidate"] is None else _slot(data["candidate"]),
            blue=SlotState(release=data["releases"]["blue"], deployment=data["deployments"]["blue"]),
            green=SlotState(release=data["releases"]["green"], deployment=data["deployments"]["green"]),
        )


def _slot(text: str) -> Slot:
    if text == "blue":
        return "blue"
    if text == "green":
        return "green"
    raise ValueError(f"{text!r} is not a slot")
