"""Lambda in memory: code, revisions, versions and aliases, with Lambda's conflicts."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.model.errors import Conflict, NotFound, RemoteFault
from penstock.ports import AliasState, FunctionState, Invocation, Provisioned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from penstock.ports import ObjectStore


@dataclass(slots=True)
class _Function:
    latest: FunctionState
    next_version: int = 1
    versions: dict[str, FunctionState] = field(default_factory=dict)
    aliases: dict[str, AliasState] = field(default_factory=dict)
    warm: dict[str, int] = field(default_factory=dict)
    """What aliases keep warm."""
    shares: dict[str, float] = field(default_factory=dict)
    """What the further version of an alias is owed: shares are exact instead of random, so that tests can count."""


WARM = "Alias with weights can not be used with Provisioned Concurrency"


class FakeFunctions:
    """Functions of one account; safe to share between threads.

    Args:
        objects: the bucket that code comes from.
        behaviour: what a version does with a payload; by default it answers with its version and code digest.
    """

    def __init__(
        self, objects: ObjectStore, behaviour: Callable[[FunctionState, str], Invocation] | None = None
    ) -> None:
        self._objects = objects
        self._lock = threading.RLock()
        self._functions: dict[str, _Function] = {}
        self._revisions = 0
        self.behaviour = behaviour or _echo

    # ------------------------------------------------------------------------ what Terraform does

    def configure(
        self,
        name: str,
        *,
        runtime: str = "python3.13",
        memory: int = 256,
        timeout: int = 10,
        handler: str = "app.handler",
        aliases: Sequence[str] = ("blue", "green", "live"),
    ) -> None:
        """Create the function from a placeholder with aliases on `$LATEST`, or change its configuration."""
        with self._lock:
            found = self._functions.get(name)
            if found is None:
                latest = FunctionState(
                    name=name,
                    version="$LATEST",
                    code_sha256=hashlib.sha256(b"placeholder").hexdigest(),
                    revision=self._revision(),
                    architecture="arm64",
                    runtime=runtime,
                    memory=memory,
                    timeout=timeout,
                    handler=handler,
                )
                found = self._functions[name] = _Function(latest=latest)
            after = replace(found.latest, runtime=runtime, memory=memory, timeout=timeout, handler=handler)
            if after != found.latest:
                found.latest = replace(after, revision=self._revision())
            for alias in aliases:
                found.aliases.setdefault(alias, AliasState(name=alias, version="$LATEST", revision=self._revision()))

    # ------------------------------------------------------------------------ the port

    def get(self, name: str, qualifier: str = "$LATEST") -> FunctionState | None:
        """The state, or None when function or qualifier is not there."""
        with self._lock:
            found = self._functions.get(name)
            if found is None:
                return None
            if qualifier in found.aliases:
                qualifier = found.aliases[qualifier].version
            return found.latest if qualifier == "$LATEST" else found.versions.get(qualifier)

    def update_code(self, name: str, *, bucket: str, key: str, architecture: str, revision: str) -> FunctionState:
        """Set `$LATEST`'s code. Raises Conflict when the revision has moved, NotFound without the object."""
        with self._lock:
            found = self._function(name)
            if found.latest.revision != revision:
                raise Conflict("PreconditionFailedException: the revision has moved", where=name)
            stored = self._objects.get(key)
            if stored is None:
                raise NotFound("NoSuchKey", where=f"{bucket}/{key}")
            found.latest = replace(
                found.latest,
                code_sha256=hashlib.sha256(stored.body).hexdigest(),
                architecture=architecture,
                revision=self._revision(),
            )
            return found.latest

    def publish(self, name: str, *, code_sha256: str, revision: str, description: str) -> FunctionState:
        """Make `$LATEST` a version, if it still has that code and revision. Raises Conflict when it has not."""
        with self._lock:
            found = self._function(name)
            if found.latest.revision != revision or found.latest.code_sha256 != code_sha256:
                raise Conflict("PreconditionFailedException: code or revision has moved", where=name)
            last = found.versions.get(str(found.next_version - 1))
            wanted = replace(found.latest, description=description)
            if last is not None and replace(last, version="$LATEST", revision=revision) == wanted:
                return last
            version = replace(wanted, version=str(found.next_version), revision=self._revision())
            found.versions[version.version] = version
            found.next_version += 1
            return version

    def versions(self, name: str) -> Sequence[FunctionState]:
        """All published versions, oldest first."""
        with self._lock:
            found = self._functions.get(name)
            return tuple(found.versions.values()) if found else ()

    def aliases(self, name: str) -> Mapping[str, AliasState]:
        """All aliases by name."""
        with self._lock:
            found = self._functions.get(name)
            return dict(found.aliases) if found else {}

    def set_alias(
        self,
        name: str,
        alias: str,
        version: str,
        *,
        revision: str | None = None,
        weights: Mapping[str, float] = {},
    ) -> AliasState:
        """Point the alias at a version, and at one other for a share of its calls; refuses what Lambda refuses."""
        with self._lock:
            found = self._function(name)
            before = found.aliases.get(alias)
            if revision is not None and before is not None and before.revision != revision:
                raise Conflict("PreconditionFailedException: the revision has moved", where=f"{name}:{alias}")
            for known in (version, *weights):
                if known != "$LATEST" and known not in found.versions:
                    raise NotFound(f"ResourceNotFoundException: version {known}", where=f"{name}:{alias}")
            problem = _problem(version, weights) or (WARM if weights and alias in found.warm else None)
            if problem:
                raise RemoteFault(f"InvalidParameterValueException: {problem}", where=f"{name}:{alias}")
            found.aliases[alias] = AliasState(
                name=alias, version=version, revision=self._revision(), weights=dict(weights)
            )
            return found.aliases[alias]

    def invoke(self, name: str, qualifier: str, payload: str) -> Invocation:
        """Ask `behaviour`. Raises NotFound when there is no such qualifier."""
        state = self.get(name, self._draw(name, qualifier))
        if state is None:
            raise NotFound("ResourceNotFoundException", where=f"{name}:{qualifier}")
        return self.behaviour(state, payload)

    def delete_version(self, name: str, version: str) -> None:
        """Delete a published version; done when it is not there. Raises Conflict while an alias points at it."""
        with self._lock:
            found = self._functions.get(name)
            if found is None:
                return
            if any(alias.version == version or version in alias.weights for alias in found.aliases.values()):
                raise Conflict("ResourceConflictException: an alias references it", where=f"{name}:{version}")
            found.versions.pop(version, None)

    def provisioned(self, name: str, alias: str) -> Provisioned | None:
        """What the alias keeps warm; it is there at once."""
        with self._lock:
            found = self._functions.get(name)
            count = found.warm.get(alias) if found else None
            return None if count is None else Provisioned(requested=count, status="READY")

    def provision(self, name: str, alias: str, count: int) -> None:
        """Let the alias keep so many environments warm; refuses what Lambda refuses."""
        with self._lock:
            found = self._function(name)
            state = found.aliases.get(alias)
            if state is None:
                raise NotFound("ResourceNotFoundException", where=f"{name}:{alias}")
            if state.weights:
                raise RemoteFault(f"InvalidParameterValueException: {WARM}", where=f"{name}:{alias}")
            if state.version == "$LATEST":
                what = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
                raise RemoteFault(f"InvalidParameterValueException: {what}", where=f"{name}:{alias}")
            found.warm[alias] = count

    def unprovision(self, name: str, alias: str) -> None:
        """Let the alias keep nothing warm; done when it does not."""
        with self._lock:
            found = self._functions.get(name)
            if found is not None:
                found.warm.pop(alias, None)

    def _draw(self, name: str, qualifier: str) -> str:
        """The further version of a weighted alias when this call is one of its share; else the qualifier."""
        with self._lock:
            found = self._functions.get(name)
            alias = found.aliases.get(qualifier) if found else None
            if found is None or alias is None or not alias.weights:
                return qualifier
            [(version, share)] = alias.weights.items()
            owed = found.shares.get(qualifier, 0.0) + share
            # A share such as 0.1 is not exact in binary: ten of them are a whole one all the same.
            drawn = owed >= 1.0 - 1e-9
            found.shares[qualifier] = owed - 1.0 if drawn else owed
            return version if drawn else qualifier

    def _function(self, name: str) -> _Function:
        found = self._functions.get(name)
        if found is None:
            raise NotFound("ResourceNotFoundException", where=name)
        return found

    def _revision(self) -> str:
        self._revisions += 1
        return f"revision-{self._revisions}"


def _problem(version: str, weights: Mapping[str, float]) -> str | None:
    """What Lambda has against these weights of an alias."""
    if not weights:
        return None
    if "$LATEST" in (version, *weights):
        return "$LATEST is not supported for an alias pointing to more than 1 version"
    if version in weights or len(weights) > 1:
        return "only one additional, other version is allowed"
    if not all(0.0 <= share <= 1.0 for share in weights.values()):
        return "weights must be between 0.0 and 1.0"
    return None


def _echo(state: FunctionState, _payload: str) -> Invocation:
    body = json.dumps({"version": state.version, "code": state.code_sha256})
    return Invocation(status=200, payload=body, error=None, version=state.version)
