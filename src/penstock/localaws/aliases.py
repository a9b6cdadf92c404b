"""Aliases as Lambda means them: weights on every invocation path, the alias in the invoked ARN, checked updates.

A function record is resolved by qualifier in one place of ministack (`_effective_func_record_for_qualifier`): API
Gateway, event sources, SNS, S3, EventBridge and Step Functions all pass there. Invoke resolves by itself, so it is
wrapped too. Reference: https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
"""

from __future__ import annotations

import contextvars
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

LATEST = "$LATEST"
_NOT_FOUND = 404
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoked:
    """How the invocation under way was addressed."""

    function: str
    qualifier: str


def install(ministack: Ministack, _settings: Settings) -> None:
    """Draw a version for each invocation of an alias; refuse aliases that AWS refuses."""
    aliases = Aliases(ministack)
    lambdas = ministack.lambdas
    ministack.wrap(lambdas, "_effective_func_record_for_qualifier", "(func, qualifier)", aliases.around_resolve)
    ministack.wrap(lambdas, "_invoke", "(name, event, headers, path_qualifier=, query_params=)", aliases.around_invoke)
    ministack.wrap(lambdas, "_execute_function_with_config_scope", "(func, event)", aliases.around_executed)
    ministack.wrap(lambdas, "invoke_async_with_retry", "(func, event)", aliases.around_executed)
    ministack.wrap(lambdas, "_create_alias", "(func_name, data)", aliases.around_create)
    ministack.wrap(lambdas, "_update_alias", "(func_name, alias_name, data)", aliases.around_update)
    ministack.wrap(
        lambdas, "_put_provisioned_concurrency", "(func_name, qualifier, data)", aliases.around_put_provisioned
    )


def draw(alias: Mapping[str, Any]) -> str:
    """The version that one invocation of an alias runs on, by the alias' weights."""
    mark = random.random()  # noqa: S311 - traffic is shared out, nothing is guarded
    for version, weight in ((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}).items():
        mark -= float(weight)
        if mark < 0:
            return str(version)
    return str(alias.get("FunctionVersion", LATEST))


class Aliases:
    """The wrappers, sharing the note of how the invocation under way was addressed."""

    def __init__(self, ministack: Ministack) -> None:
        self._ministack = ministack
        self._invoked: contextvars.ContextVar[Invoked | None] = contextvars.ContextVar("invoked", default=None)

    def around_resolve(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A record with the code of the version drawn, the ARN of the alias, the limits of the function."""

        def effective(func: dict[str, Any] | None, qualifier: str | None) -> tuple[Any, Any]:
            if func is None or qualifier is None or qualifier == LATEST:
                plain: tuple[Any, Any] = original(func, qualifier)
                return plain
            alias = (func.get("aliases") or {}).get(qualifier)
            record, config = original(func, draw(alias) if alias else qualifier)
            if record is None or config is None:
                return None, None
            name = config["FunctionName"]
            config = {**config, "FunctionArn": f"{self._ministack.lambdas._func_arn(name)}:{qualifier}"}
            limits = {
                "concurrency": func.get("concurrency"),
                "event_invoke_config": (func.get("event_invoke_configs") or {}).get(qualifier),
            }
            return {**record, **limits, "config": config}, config

        return effective

    def around_invoke(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Draw before ministack's Invoke, which then runs (and reports) that very version."""

        async def invoke(
            name: str,
            event: Any,
            headers: dict[str, str],
            path_qualifier: str | None = None,
            query_params: dict[str, Any] | None = None,
        ) -> Response:
            lambdas = self._ministack.lambdas
            qualifier = path_qualifier or lambdas._qp_first(query_params or {}, "Qualifier") or None
            func = lambdas._functions.get(name)
            alias = ((func or {}).get("aliases") or {}).get(qualifier) if qualifier else None
            if func is None or alias is None:
                plain: Response = await original(name, event, headers, path_qualifier, query_params)
                return plain
            token = self._invoked.set(Invoked(function=name, qualifier=str(qualifier)))
            try:
                answer: Response = await original(name, event, headers, draw(alias), {})
            finally:
                self._invoked.reset(token)
            return answer

        return invoke

    def around_executed(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Put the alias into the ARN that the function sees, and the function's limits beside its version."""

        def executed(func: dict[str, Any], event: Any) -> Any:
            invoked = self._invoked.get()
            config = func.get("config") or {}
            if invoked is not None and config.get("FunctionName") == invoked.function:
                lambdas = self._ministack.lambdas
                base = lambdas._functions.get(invoked.function) or {}
                func = {
                    **func,
                    "concurrency": base.get("concurrency"),
                    "event_invoke_config": (base.get("event_invoke_configs") or {}).get(invoked.qualifier),
                    "config": {
                        **config,
                        "FunctionArn": f"{lambdas._func_arn(invoked.function)}:{invoked.qualifier}",
                    },
                }
            return original(func, event)

        return executed

    def around_create(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Refuse an alias to a version that is not there."""

        def create(func_name: str, data: dict[str, Any]) -> Response:
            answer: Response = self._refusal(func_name, data, {}) or original(func_name, data)
            return answer

        return create

    def around_update(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Refuse weights or versions that AWS refuses, before anything is changed."""

        def update(func_name: str, alias_name: str, data: dict[str, Any]) -> Response:
            func = self._ministack.lambdas._functions.get(func_name) or {}
            alias = (func.get("aliases") or {}).get(alias_name) or {}
            answer: Response = self._refusal(func_name, data, alias) or original(func_name, alias_name, data)
            return answer

        return update

    def around_put_provisioned(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Refuse provisioned concurrency of an alias with weights, and of what is not published."""

        def put(func_name: str, qualifier: str, data: dict[str, Any]) -> Response:
            func = self._ministack.lambdas._functions.get(func_name) or {}
            alias = (func.get("aliases") or {}).get(qualifier) or {}
            problem = None
            if (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights"):
                problem = "Alias with weights can not be used with Provisioned Concurrency"
            elif LATEST in {qualifier or LATEST, alias.get("FunctionVersion")}:
                problem = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            if func and problem:
                return self._ministack.error("InvalidParameterValueException", problem, _BAD_REQUEST)
            answer: Response = original(func_name, qualifier, data)
            return answer

        return put

    def _refusal(self, name: str, data: Mapping[str, Any], alias: Mapping[str, Any]) -> Response | None:
        lambdas = self._ministack.lambdas
        func = lambdas._functions.get(name)
        if func is None:
            return None
        main = str(data.get("FunctionVersion") or alias.get("FunctionVersion") or LATEST)
        routing = data["RoutingConfig"] if "RoutingConfig" in data else alias.get("RoutingConfig")
        weights = (routing or {}).get("AdditionalVersionWeights") or {}
        for version in (main, *weights):
            if version != LATEST and version not in func["versions"]:
                return self._ministack.error(
                    "ResourceNotFoundException", f"Function not found: {lambdas._func_arn(name)}:{version}", _NOT_FOUND
                )
        problem = _weights_problem(main, weights) or _pair_problem(func, alias.get("Name"), main, weights)
        if problem:
            return self._ministack.error("InvalidParameterValueException", problem, _BAD_REQUEST)
        return None


def _weights_problem(main: str, weights: Mapping[str, Any]) -> str | None:
    if not weights:
        return None
    if main == LATEST or LATEST in weights:
        return "$LATEST is not supported for an alias pointing to more than 1 version"
    if main in weights or len(weights) > 1:
        return "Invalid function version in AdditionalVersionWeights. Only one additional, other version is allowed"
    if not all(0.0 <= float(weight) <= 1.0 for weight in weights.values()):
        return "Weights must be between 0.0 and 1.0"
    return None


def _pair_problem(func: Mapping[str, Any], alias: str | None, main: str, weights: Mapping[str, Any]) -> str | None:
    """Two versions behind an alias share role and dead-letter queue, and the alias has no provisioned concurrency."""
    if not weights:
        return None
    if alias in (func.get("provisioned_concurrency") or {}):
        return "Alias with weights can not be used with Provisioned Concurrency"
    configs = [func["versions"][version]["config"] for version in (main, *weights)]
    if len({config.get("Role") for config in configs}) > 1:
        return "Function versions behind an alias with weights must have the same execution role"
    if len({(config.get("DeadLetterConfig") or {}).get("TargetArn") for config in configs}) > 1:
        return "Function versions behind an alias with weights must have the same dead-letter queue configuration"
    return None
