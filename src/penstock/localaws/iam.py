"""IAM where ministack is not AWS: administrators sign with their secret, and resources are named as AWS names them.

Policies, boundaries, sessions and SigV4 are ministack's own (``AUTH=true``). There, a key that is a 12-digit number or
``test`` is never checked. Here the number is the account's administrator and needs the documented secret; ``test`` is
nobody.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

_ACCOUNT = re.compile(r"\d{12}")
_BODY = 3
"""Where the request's body stands among the arguments after the service."""


def install(ministack: Ministack, _settings: Settings) -> None:
    """Check every signature; name aliases and versions in the ARNs that policies are asked about."""
    evaluator = ministack.evaluator
    ministack.wrap(evaluator, "is_root_access_key", "(access_key_id)", lambda _: is_administrator)
    ministack.wrap(evaluator, "_is_root_key", "(access_key_id)", lambda _: is_unsigned)
    ministack.wrap(evaluator, "resolve_caller_identity", "(access_key_id)", lambda o: _around_identity(ministack, o))
    ministack.wrap(ministack.sts, "is_root_access_key", "(access_key_id)", lambda _: is_administrator)
    ministack.wrap(
        ministack.iam_actions,
        "extract_resource_arn",
        "(service, method, path, headers, body, query_params, region, account_id)",
        _around_resource_arn,
    )
    ministack.wrap(
        ministack.iam_actions,
        "s3_service_context",
        "(iam_action, query_params, path=, headers=)",
        _around_s3_context,
    )


def is_administrator(access_key_id: str) -> bool:
    """Whether a key acts as its account's root. No key at all is left to ministack's checks of unsigned requests."""
    return not access_key_id or bool(_ACCOUNT.fullmatch(access_key_id))


def is_unsigned(access_key_id: str) -> bool:
    """Whose signature is not checked: only who gives none."""
    return not access_key_id


def _around_identity(ministack: Ministack, original: Callable[..., Any]) -> Callable[..., Any]:
    """API Gateway tells a function who called: an administrator is the account's root."""

    def resolve_caller_identity(access_key_id: str) -> dict[str, Any] | None:
        if not _ACCOUNT.fullmatch(access_key_id or ""):
            found: dict[str, Any] | None = original(access_key_id)
            return found
        return {
            "accessKey": access_key_id,
            "accountId": access_key_id,
            "principalOrgId": ministack.evaluator._principal_org_id(access_key_id),
            "session": None,
            "userArn": f"arn:aws:iam::{access_key_id}:root",
            "userId": access_key_id,
        }

    return resolve_caller_identity


def _around_s3_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """What a bucket's policy may ask of a write: whether it wants its place to be empty, or as it was read.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    """

    def s3_service_context(
        iam_action: str, query_params: Any, path: str = "", headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        found: dict[str, Any] = original(iam_action, query_params, path, headers)
        if iam_action == "s3:PutObject":
            given = {name.lower(): value for name, value in (headers or {}).items()}
            names = ("if-none-match", "if-match")
            found |= {f"s3:{name}": given[name] for name in names if given.get(name)}
        return found

    return s3_service_context


def _around_resource_arn(original: Callable[..., Any]) -> Callable[..., Any]:
    """What policies are asked about, where ministack's answer is not AWS's."""

    def extract_resource_arn(service: str, *arguments: Any, **keywords: Any) -> str:
        arn: str = original(service, *arguments, **keywords)
        body: bytes = keywords.get("body") or (arguments[_BODY] if len(arguments) > _BODY else b"")
        if service in {"lambda", "scheduler"}:
            query: Mapping[str, Any] = keywords.get("query_params") or arguments[4]
            if ":function:" in arn:
                return _with_qualifier(arn, _first(query.get("Qualifier")))
            if ":schedule/default/" in arn:
                group = _first(query.get("groupName")) or _fields(body).get("GroupName") or "default"
                return arn.replace(":schedule/default/", f":schedule/{group}/")
        if service == "logs" and ":log-group:" in arn:
            return _with_log_stream(arn, body)
        if service in {"dynamodb", "dynamodbstreams"} and arn == "*":
            return _stream(body) or arn
        return arn

    return extract_resource_arn


def _first(given: str | list[str] | None) -> str:
    """A parameter of a query, which may be given several times."""
    return (given[0] if isinstance(given, list) else given) or ""


def _with_qualifier(arn: str, qualifier: str) -> str:
    """``Qualifier=blue`` and ``name:blue`` are the same resource."""
    name = arn.partition(":function:")[2]
    return f"{arn}:{qualifier}" if qualifier and ":" not in name else arn


def _with_log_stream(arn: str, body: bytes) -> str:
    """A group is asked about with its streams, which is why policies end in ``:*``.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    return arn if ":log-stream:" in arn else f"{arn}:log-stream:{_fields(body).get('logStreamName') or ''}"


def _stream(body: bytes) -> str | None:
    """The stream of a call to DynamoDB Streams: GetRecords names it by an iterator, which ministack makes of JSON."""
    fields = _fields(body)
    iterator = fields.get("ShardIterator")
    if isinstance(iterator, str):
        try:
            fields = {"StreamArn": json.loads(base64.urlsafe_b64decode(iterator))["arn"]}
        except (ValueError, TypeError, KeyError):
            return None
    arn = fields.get("StreamArn")
    return arn if isinstance(arn, str) else None


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
