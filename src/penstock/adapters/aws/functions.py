"""Lambda's code, versions and aliases.

The publish protocol follows AWS's documentation of UpdateFunctionCode, PublishVersion and function states: code is
set under a revision, waited for, published under the code's digest and the revision that the wait ended with, waited
for again, and read back. Digests are hex here and base64 there.
"""

from __future__ import annotations

import base64
import binascii
import time
from typing import TYPE_CHECKING, Any

from penstock.adapters.aws.faults import calling
from penstock.adapters.aws.session import INVOKE_TIMEOUT
from penstock.model.errors import Conflict, NotFound, RemoteFault
from penstock.ports import AliasState, FunctionState, Invocation, Provisioned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_lambda import LambdaClient

    from penstock.adapters.aws.session import AwsSession

SETTLE_TIMEOUT = 300.0
"""Seconds that an update or a new version may take; AWS's own waiters give up after the same time."""
FIRST_POLL = 0.03
POLL_GROWTH = 1.4
LONGEST_POLL = 1.0


class AwsFunctions:
    """Functions of one account and region."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session

    def get(self, name: str, qualifier: str = "$LATEST") -> FunctionState | None:
        """The state, or None when function or qualifier is not there."""
        try:
            return self._read(name, qualifier)
        except NotFound:
            return None

    def update_code(self, name: str, *, bucket: str, key: str, architecture: str, revision: str) -> FunctionState:
        """Set `$LATEST`'s code; wait until the update has ended. Raises Conflict when the revision has moved."""
        with calling("lambda:UpdateFunctionCode", name):
            self._client.update_function_code(
                FunctionName=name,
                S3Bucket=bucket,
                S3Key=key,
                Architectures=["arm64" if architecture == "arm64" else "x86_64"],
                RevisionId=revision,
                Publish=False,
            )
        return self._wait(name, "$LATEST", lambda state: state.last_update != "InProgress", "lambda:UpdateFunctionCode")

    def publish(self, name: str, *, code_sha256: str, revision: str, description: str) -> FunctionState:
        """Make `$LATEST` a version that carries this description; wait until it is Active.

        Raises Conflict when `$LATEST` has not that code and revision any more.
        """
        version = self._publish(name, code_sha256, revision, description)
        if version.description != description:
            # Lambda publishes nothing when code and configuration equal the last version's, and gives that one back
            # with the description it was born with. Ours carries the identity, so it must differ in something.
            version = self._publish_touched(name, code_sha256, description)
        return self._wait(name, version.version, lambda state: state.state != "Pending", "lambda:PublishVersion")

    def versions(self, name: str) -> Sequence[FunctionState]:
        """All published versions, oldest first; none when the function is not there."""
        found: list[FunctionState] = []
        try:
            with calling("lambda:ListVersionsByFunction", name):
                for page in self._client.get_paginator("list_versions_by_function").paginate(FunctionName=name):
                    found += [_state(entry) for entry in page["Versions"] if entry["Version"] != "$LATEST"]
        except NotFound:
            return ()
        return tuple(sorted(found, key=lambda state: int(state.version)))

    def aliases(self, name: str) -> Mapping[str, AliasState]:
        """All aliases by name; none when the function is not there."""
        found: dict[str, AliasState] = {}
        try:
            with calling("lambda:ListAliases", name):
                for page in self._client.get_paginator("list_aliases").paginate(FunctionName=name):
                    found.update((entry["Name"], _alias(entry)) for entry in page["Aliases"])
        except NotFound:
            return {}
        return found

    def set_alias(
        self,
        name: str,
        alias: str,
        version: str,
        *,
        revision: str | None = None,
        weights: Mapping[str, float] = {},
    ) -> AliasState:
        """Point the alias at a version, and at one other for a share of its calls. Raises Conflict as the port says."""
        extra: dict[str, Any] = {} if revision is None else {"RevisionId": revision}
        # An empty map takes earlier weights away; leaving the key out would keep them.
        routing: Any = {"AdditionalVersionWeights": dict(weights)}
        try:
            with calling("lambda:UpdateAlias", f"{name}:{alias}"):
                answer = self._client.update_alias(
                    FunctionName=name,
                    Name=alias,
                    FunctionVersion=version,
                    RoutingConfig=routing,
                    **extra,
                )
        except NotFound:
            with calling("lambda:CreateAlias", f"{name}:{alias}"):
                answer = self._client.create_alias(
                    FunctionName=name, Name=alias, FunctionVersion=version, RoutingConfig=routing
                )
        return _alias(answer)

    def invoke(self, name: str, qualifier: str, payload: str) -> Invocation:
        """Call synchronously and wait for the answer."""
        with calling("lambda:InvokeFunction", f"{name}:{qualifier}"):
            answer = self._session.client("lambda", read_timeout=INVOKE_TIMEOUT).invoke(
                FunctionName=name, Qualifier=qualifier, Payload=payload.encode(), LogType="Tail"
            )
            body = answer["Payload"].read().decode("utf-8", "replace")
        return Invocation(
            status=answer["StatusCode"],
            payload=body,
            error=answer.get("FunctionError"),
            version=answer.get("ExecutedVersion", qualifier),
            log_tail=base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace"),
        )

    def delete_version(self, name: str, version: str) -> None:
        """Delete a published version; done when it is not there. Raises Conflict while an alias points at it."""
        try:
            with calling("lambda:DeleteFunction", f"{name}:{version}"):
                self._client.delete_function(FunctionName=name, Qualifier=version)
        except NotFound:
            return

    def provisioned(self, name: str, alias: str) -> Provisioned | None:
        """What the alias keeps warm; None when it keeps nothing, or is not there."""
        try:
            with calling("lambda:GetProvisionedConcurrencyConfig", f"{name}:{alias}"):
                found = self._client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=alias)
        except NotFound:
            return None
        return Provisioned(
            requested=found["RequestedProvisionedConcurrentExecutions"],
            status=found["Status"],
            reason=found.get("StatusReason", ""),
        )

    def provision(self, name: str, alias: str, count: int) -> None:
        """Let the alias keep so many environments warm. Raises RemoteFault for what Lambda refuses."""
        with calling("lambda:PutProvisionedConcurrencyConfig", f"{name}:{alias}"):
            self._client.put_provisioned_concurrency_config(
                FunctionName=name, Qualifier=alias, ProvisionedConcurrentExecutions=count
            )

    def unprovision(self, name: str, alias: str) -> None:
        """Let the alias keep nothing warm; done when it does not."""
        try:
            with calling("lambda:DeleteProvisionedConcurrencyConfig", f"{name}:{alias}"):
                self._client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier=alias)
        except NotFound:
            return

    @property
    def _client(self) -> LambdaClient:
        return self._session.client("lambda")

    def _read(self, name: str, qualifier: str) -> FunctionState:
        return _state(self._configuration(name, qualifier))

    def _configuration(self, name: str, qualifier: str) -> Mapping[str, Any]:
        # GetFunction has 100 calls per second of its own; GetFunctionConfiguration shares 15 with all the others
        # (Lambda quotas, "API requests").
        with calling("lambda:GetFunction", f"{name}:{qualifier}"):
            return self._client.get_function(FunctionName=name, Qualifier=qualifier)["Configuration"]

    def _publish(self, name: str, code_sha256: str, revision: str, description: str) -> FunctionState:
        try:
            with calling("lambda:PublishVersion", name):
                state = _state(
                    self._client.publish_version(
                        FunctionName=name,
                        CodeSha256=_base64(code_sha256),
                        RevisionId=revision,
                        Description=description,
                    )
                )
        except RemoteFault as fault:
            # AWS answers a wrong digest with InvalidParameterValueException, not with a conflict.
            if "CodeSHA256" in fault.what:
                raise Conflict(fault.what, where=fault.where, hint="somebody else changed the code") from fault
            raise
        if state.code_sha256 != code_sha256:
            raise Conflict(
                f"version {state.version} was made from code {state.code_sha256[:12]}, not {code_sha256[:12]}",
                where=f"lambda:PublishVersion {name}",
                hint="somebody else changed the code; run the command again",
            )
        return state

    def _publish_touched(self, name: str, code_sha256: str, description: str) -> FunctionState:
        """Publish between setting `$LATEST`'s own description and putting it back, so that Terraform sees no drift."""
        before = self._read(name, "$LATEST")
        touched = self._describe(name, description)
        try:
            version = self._publish(name, code_sha256, touched.revision, description)
        finally:
            self._describe(name, before.description)
        if version.description != description:
            raise RemoteFault(
                f"Lambda gives version {version.version} ({version.description!r}) instead of a new one",
                where=f"lambda:PublishVersion {name}",
                hint="change something in the function, or publish a version by hand, and run the command again",
            )
        return version

    def _describe(self, name: str, description: str) -> FunctionState:
        with calling("lambda:UpdateFunctionConfiguration", name):
            self._client.update_function_configuration(FunctionName=name, Description=description)
        return self._wait(
            name, "$LATEST", lambda state: state.last_update != "InProgress", "lambda:UpdateFunctionConfiguration"
        )

    def _wait(
        self, name: str, qualifier: str, settled: Callable[[FunctionState], bool], operation: str
    ) -> FunctionState:
        deadline = time.monotonic() + SETTLE_TIMEOUT
        pause = FIRST_POLL
        while True:
            entry = self._configuration(name, qualifier)
            state = _state(entry)
            if state.last_update == "Failed" or state.state == "Failed":
                reason = entry.get("LastUpdateStatusReason") or entry.get("StateReason") or "no reason given"
                raise RemoteFault(f"Lambda failed: {reason}", where=f"{operation} {name}:{qualifier}")
            if settled(state):
                return state
            if time.monotonic() > deadline:
                raise RemoteFault(
                    f"still {state.state}/{state.last_update} after {SETTLE_TIMEOUT:.0f} s",
                    where=f"{operation} {name}:{qualifier}",
                    hint="run the command again; it goes on from here",
                )
            time.sleep(pause)
            pause = min(pause * POLL_GROWTH, LONGEST_POLL)


def _state(entry: Mapping[str, Any]) -> FunctionState:
    return FunctionState(
        name=entry["FunctionName"],
        version=entry["Version"],
        code_sha256=_hex(entry.get("CodeSha256", "")),
        revision=entry.get("RevisionId", ""),
        architecture=next(iter(entry.get("Architectures") or ["x86_64"])),
        runtime=entry.get("Runtime", ""),
        memory=entry.get("MemorySize", 128),
        timeout=entry.get("Timeout", 3),
        handler=entry.get("Handler", ""),
        description=entry.get("Description") or "",
        last_update=entry.get("LastUpdateStatus") or "Successful",
        state=entry.get("State") or "Active",
    )


def _alias(entry: Mapping[str, Any]) -> AliasState:
    routing = entry.get("RoutingConfig") or {}
    return AliasState(
        name=entry["Name"],
        version=entry["FunctionVersion"],
        revision=entry.get("RevisionId", ""),
        weights={version: float(share) for version, share in (routing.get("AdditionalVersionWeights") or {}).items()},
    )


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


def _hex(digest: str) -> str:
    try:
        return base64.b64decode(digest, validate=True).hex()
    except binascii.Error:
        return digest
