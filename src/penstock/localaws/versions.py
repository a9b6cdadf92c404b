"""Publishing as Lambda documents it: preconditions, no version without a change, updates that settle at once.

Reference: https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

# What differs between a version and the $LATEST it was made from, though nothing was changed.
_VOLATILE = frozenset(
    {
        "Description",
        "FunctionArn",
        "LastModified",
        "LastUpdateStatus",
        "LastUpdateStatusReason",
        "LastUpdateStatusReasonCode",
        "RevisionId",
        "State",
        "StateReason",
        "StateReasonCode",
        "Version",
    }
)
_PRECONDITION_FAILED = 412
_BAD_REQUEST = 400


def install(ministack: Ministack, _settings: Settings) -> None:
    """Check what PublishVersion is given; let state transitions end with the request that began them."""
    versions = Versions(ministack)
    lambdas = ministack.lambdas
    ministack.wrap(lambdas, "_publish_version", "(name, data)", versions.around_publish)
    ministack.wrap(lambdas, "_create_function", "(data)", versions.around_create)
    ministack.wrap(lambdas, "_schedule_state_transition", "(func_name, delay)", versions.around_transition)
    ministack.wrap(lambdas, "load_persisted_state", "(data)", versions.around_load)


class Versions:
    """The wrappers around publishing."""

    def __init__(self, ministack: Ministack) -> None:
        self._ministack = ministack

    def around_publish(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Preconditions first; nothing changed since the last version: that version is the answer."""

        def publish(name: str, data: dict[str, Any]) -> Response:
            func = self._ministack.lambdas._functions.get(name)
            if func is None:
                missing: Response = original(name, data)
                return missing
            config = func["config"]
            if data.get("RevisionId") and data["RevisionId"] != config.get("RevisionId"):
                return self._ministack.error(
                    "PreconditionFailedException",
                    "The RevisionId provided does not match the latest RevisionId for the Lambda function. "
                    "Call the GetFunction API to retrieve the latest RevisionId for your resource.",
                    _PRECONDITION_FAILED,
                )
            if data.get("CodeSha256") and data["CodeSha256"] != config.get("CodeSha256"):
                return self._ministack.error(
                    "InvalidParameterValueException",
                    f"CodeSHA256 ({data['CodeSha256']}) is different from current CodeSHA256 in $LATEST "
                    f"({config.get('CodeSha256')}). Please try again with the CodeSHA256 in $LATEST.",
                    _BAD_REQUEST,
                )
            latest = max(func["versions"], key=int, default=None)
            # A version's description may be its own; what counts is whether $LATEST's changed since it was made.
            described = config.get("Description", "")
            last = func["versions"][latest] if latest is not None else None
            if (
                last is not None
                and last.get("latest_description", described) == described
                and _matter(last["config"]) == _matter(config)
            ):
                return self._ministack.json(last["config"], 201)
            answer: Response = original(name, data)
            newest = max(func["versions"], key=int, default=None)
            if newest is not None and newest != latest:
                func["versions"][newest]["latest_description"] = described
            return answer

        return publish

    def around_create(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Refuse code that is not in S3, instead of making a function without code."""

        def create(data: dict[str, Any]) -> Response:
            code = data.get("Code") or {}
            if code.get("S3Bucket") and code.get("S3Key"):
                found = self._ministack.lambdas._fetch_code_from_s3(
                    code["S3Bucket"], code["S3Key"], version_id=code.get("S3ObjectVersion")
                )
                if found is None:
                    return self._ministack.error(
                        "InvalidParameterValueException",
                        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: "
                        f"The specified key does not exist: s3://{code['S3Bucket']}/{code['S3Key']}",
                        _BAD_REQUEST,
                    )
            answer: Response = original(data)
            if data.get("Publish") and answer[0] < _BAD_REQUEST:
                self._qualify(data["FunctionName"])
            return answer

        return create

    def around_transition(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The answer still says InProgress; by the next request the update has ended. No client waits for nothing."""

        def transition(func_name: str, _delay: float) -> None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                original(func_name, 0.0)
                return
            loop.call_soon(self._settle, func_name)

        return transition

    def around_load(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """What was in transition when the server died has ended."""

        def load(data: Any) -> None:
            original(data)
            for func in self._ministack.lambdas._functions.to_dict().values():
                _settle(func)

        return load

    def _settle(self, name: str) -> None:
        func = self._ministack.lambdas._functions.get(name)
        if func is not None:
            _settle(func)

    def _qualify(self, name: str) -> None:
        """A version made by ``Publish: true`` carries its number in its ARN."""
        lambdas = self._ministack.lambdas
        for version, record in lambdas._functions[name]["versions"].items():
            record["config"]["FunctionArn"] = f"{lambdas._func_arn(name)}:{version}"


def _settle(func: Mapping[str, Any]) -> None:
    for record in (func, *(func.get("versions") or {}).values()):
        config = record.get("config") or {}
        if config.get("State") in {None, "", "Pending"}:
            config.update(State="Active", StateReason="", StateReasonCode="")
        if config.get("LastUpdateStatus") in {None, "", "InProgress"}:
            config.update(LastUpdateStatus="Successful", LastUpdateStatusReason="", LastUpdateStatusReasonCode="")


def _matter(config: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in config.items() if key not in _VOLATILE}, sort_keys=True)
