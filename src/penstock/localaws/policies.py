"""Lambda's resource policies: one for each qualifier, and asked when API Gateway invokes a function.

ministack keeps one list for the function and its aliases, so one statement id could not be used for two aliases, and
never looks at it for API Gateway. Reference: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
"""

from __future__ import annotations

import json
import logging
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.apigateway_serving import Serving
    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_CONFLICT = 409
_NOT_FOUND = 404
_CREATED = 201
log = logging.getLogger("penstock.localaws")


def install(ministack: Ministack, _settings: Settings) -> None:
    """Separate the policies of a function's qualifiers."""
    policies = Policies(ministack)
    lambdas = ministack.lambdas
    ministack.wrap(lambdas, "_add_permission", "(func_name, data, query_params=, path_qualifier=)", policies.around_add)
    ministack.wrap(
        lambdas, "_remove_permission", "(func_name, sid, query_params, path_qualifier=)", policies.around_remove
    )
    ministack.wrap(lambdas, "_get_policy", "(func_name, query_params=, path_qualifier=)", policies.around_get)


class Policies:
    """The wrappers around a function's policy."""

    def __init__(self, ministack: Ministack) -> None:
        self._ministack = ministack

    def around_add(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A statement id is taken only within the policy of the same qualifier."""

        def add(
            func_name: str,
            data: dict[str, Any],
            query_params: dict[str, Any] | None = None,
            path_qualifier: str | None = None,
        ) -> Response:
            resource = self._resource(func_name, query_params, path_qualifier)
            wanted = str(data.get("StatementId") or secrets.token_hex(16))
            if resource is not None and wanted in self._statements(func_name, resource):
                return self._ministack.error(
                    "ResourceConflictException",
                    f"The statement id ({wanted}) provided already exists. Please provide a new statement id, or "
                    "remove the existing statement.",
                    _CONFLICT,
                )
            unique = secrets.token_hex(16)
            answer: Response = original(func_name, {**data, "StatementId": unique}, query_params, path_qualifier)
            if answer[0] != _CREATED or resource is None:
                return answer
            statement = self._statements(func_name, resource)[unique]
            statement["Sid"] = wanted
            return self._ministack.json({"Statement": json.dumps(statement)}, _CREATED)

        return add

    def around_remove(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Remove from the policy of the qualifier given, or from the unqualified one."""

        def remove(
            func_name: str, sid: str, query_params: dict[str, Any], path_qualifier: str | None = None
        ) -> Response:
            resource = self._resource(func_name, query_params, path_qualifier)
            if resource is not None and sid in self._statements(func_name, resource):
                policy = self._ministack.lambdas._functions[func_name]["policy"]
                policy["Statement"] = [
                    s for s in policy["Statement"] if (s.get("Sid"), s.get("Resource")) != (sid, resource)
                ]
                return 204, {}, b""
            if resource is not None:
                return self._ministack.error(
                    "ResourceNotFoundException", f"Statement {sid} is not found in resource policy.", _NOT_FOUND
                )
            answer: Response = original(func_name, sid, query_params, path_qualifier)
            return answer

        return remove

    def around_get(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Only the statements of the qualifier asked for."""

        def get(
            func_name: str, query_params: dict[str, Any] | None = None, path_qualifier: str | None = None
        ) -> Response:
            resource = self._resource(func_name, query_params, path_qualifier)
            if resource is None:
                missing: Response = original(func_name, query_params, path_qualifier)
                return missing
            statements = list(self._statements(func_name, resource).values())
            if not statements:
                return self._ministack.error(
                    "ResourceNotFoundException", "The resource you requested does not exist.", _NOT_FOUND
                )
            func = self._ministack.lambdas._functions[func_name]
            policy = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
            return self._ministack.json({"Policy": json.dumps(policy), "RevisionId": func["config"]["RevisionId"]})

        return get

    def _resource(self, name: str, query_params: dict[str, Any] | None, path_qualifier: str | None) -> str | None:
        """The ARN that the policy is attached to; None when there is no such function or qualifier."""
        lambdas = self._ministack.lambdas
        func = lambdas._functions.get(name)
        qualifier = lambdas._qualifier_from_path_or_query(path_qualifier, query_params)
        if func is None or not lambdas._function_qualifier_exists(func, qualifier):
            return None
        resource: str = lambdas._policy_resource_arn(name, qualifier)
        return resource

    def _statements(self, name: str, resource: str) -> dict[str, dict[str, Any]]:
        policy = self._ministack.lambdas._functions[name]["policy"]
        return {s["Sid"]: s for s in policy["Statement"] if s.get("Resource") == resource}


def install_for_api_gateway(ministack: Ministack, serving: Serving) -> None:
    """Let API Gateway invoke a function only where the policy of that very qualifier allows it."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        async def call_lambda_raw(
            function_ref: str, event: Any, *, account_id: str | None = None, region: str | None = None
        ) -> Any:
            source = _source_arns(serving, event)
            if source and not _allowed(ministack, function_ref, source):
                log.warning(
                    "%s may not be invoked by %s: no permission for apigateway.amazonaws.com with this qualifier "
                    "and source ARN",
                    function_ref,
                    source[0],
                )
                return None, "Invalid permissions on Lambda function"
            return await original(function_ref, event, account_id=account_id, region=region)

        return call_lambda_raw

    ministack.wrap(ministack.apigateway, "_call_lambda_raw", "(function_ref, event, *, account_id=, region=)", around)


def _source_arns(serving: Serving, event: Any) -> tuple[str, ...]:
    """The method's ARN as a permission may name it: with the resource's path, and with the path called."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    if not context or not context.get("apiId"):
        return ()
    owner = serving.owner(str(context["apiId"]))
    if owner is None:
        return ()
    account, region = owner
    prefix = f"arn:aws:execute-api:{region}:{account}:{context['apiId']}/{context['stage']}/{context['httpMethod']}"
    called = str(event.get("path") or "/")
    return f"{prefix}{context.get('resourcePath', '/')}", f"{prefix}{called}"


def _allowed(ministack: Ministack, function_ref: str, source: tuple[str, ...]) -> bool:
    parts = function_ref.split(":")
    if len(parts) < 7:  # noqa: PLR2004 - arn:aws:lambda:region:account:function:name[:qualifier]
        return True
    func = ministack.lambdas._functions.get_scoped(parts[4], parts[3], parts[6])
    if func is None:
        return True  # the original says that it does not exist
    account = source[0].split(":")[4]
    return any(
        _grants(ministack, statement, function_ref, source, account) for statement in func["policy"]["Statement"]
    )


def _grants(
    ministack: Ministack, statement: Mapping[str, Any], resource: str, source: tuple[str, ...], account: str
) -> bool:
    matches, matches_exactly = ministack.evaluator.fnmatch_iam, ministack.evaluator.fnmatch_iam_cs
    principal = statement.get("Principal")
    service = principal.get("Service") if isinstance(principal, dict) else principal
    conditions = statement.get("Condition") or {}
    wanted_source = (conditions.get("ArnLike") or {}).get("AWS:SourceArn")
    wanted_account = (conditions.get("StringEquals") or {}).get("AWS:SourceAccount")
    return bool(
        statement.get("Resource") == resource
        and service in {"apigateway.amazonaws.com", "*"}
        and matches("lambda:InvokeFunction", str(statement.get("Action")))
        and (wanted_source is None or any(matches_exactly(arn, wanted_source) for arn in source))
        and wanted_account in {None, account}
    )
