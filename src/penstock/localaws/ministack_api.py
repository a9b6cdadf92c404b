"""The one door to ministack, which is untyped: its modules as handles, and the way to wrap its functions.

Everything that reaches into ministack goes through a `Ministack`; no other module imports it. A wrapped function
states the signature it expects, so an upgrade that changes one stops the server at start, naming the function.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.localaws.metric_index import MetricIndex
from penstock.localaws.settings import ROOT_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.localaws.settings import Settings

PINNED = "1.5.33"

Response = tuple[int, dict[str, Any], Any]
"""What ministack's handlers return: status, headers, body."""


class MinistackChangedError(RuntimeError):
    """A function of ministack that we wrap is gone or takes other parameters: the pin and the code disagree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """One function of ministack that an extension stands around."""

    module: str
    name: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ministack:
    """Handles on ministack's modules (untyped on purpose) and the record of what was wrapped."""

    app: Any
    apigateway: Any
    cloudwatch: Any
    series: MetricIndex
    dynamodb: Any
    eventbridge: Any
    evaluator: Any
    iam: Any
    iam_actions: Any
    lambda_runtime: Any
    lambdas: Any
    logs: Any
    persistence: Any
    responses: Any
    router: Any
    s3: Any
    scheduler: Any
    secretsmanager: Any
    sqs: Any
    sts: Any
    wrapped: list[Wrapped] = field(default_factory=list)
    state_modules: list[Any] = field(default_factory=list)

    def responses_scope(self) -> tuple[str, str]:
        """Account and region of the request under way."""
        return self.responses.get_account_id(), self.responses.get_region()

    def wrap(
        self, module: Any, name: str, signature: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        """Replace ``module.name`` by ``around(original)``; ``signature`` is the one the wrapper was written for.

        Raises:
            MinistackChangedError: the function is missing or its parameters are others.
        """
        original = getattr(module, name, None)
        where = f"{module.__name__}.{name}"
        if original is None:
            raise MinistackChangedError(f"{where} is gone from ministack; the extension was written for {PINNED}")
        found = parameters(original)
        if found != signature:
            raise MinistackChangedError(
                f"{where}{found} is not the {signature} that the extension was written for ({PINNED})"
            )
        setattr(module, name, functools.wraps(original)(around(original)))
        self.wrapped.append(Wrapped(module=module.__name__, name=name, signature=signature))

    def json(self, data: Any, status: int = 200) -> Response:
        """A JSON answer."""
        answer: Response = self.responses.json_response(data, status, content_type="application/json")
        return answer

    def error(self, code: str, message: str, status: int) -> Response:
        """A JSON error as AWS's REST services send it."""
        answer: Response = self.responses.error_response_json(code, message, status)
        return answer


def parameters(function: Callable[..., Any]) -> str:
    """The names of a function's parameters, as written: ``(name, data, *, region=)``."""
    parts = []
    star = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        stars = (parameter.kind is parameter.VAR_POSITIONAL) + 2 * (parameter.kind is parameter.VAR_KEYWORD)
        star = star or parameter.kind is parameter.VAR_POSITIONAL
        parts.append(f"{'*' * stars}{parameter.name}{'' if parameter.default is parameter.empty else '='}")
    return f"({', '.join(parts)})"


def load(settings: Settings) -> Ministack:
    """Import ministack configured for us; it reads its configuration from the environment while being imported."""
    for name in tuple(os.environ):
        if name not in _KEPT_ENVIRONMENT:
            del os.environ[name]
    os.environ.update(_environment(settings))
    cloudwatch = importlib.import_module("ministack.services.cloudwatch")
    responses = importlib.import_module("ministack.core.responses")
    return Ministack(
        app=importlib.import_module("ministack.app"),
        apigateway=importlib.import_module("ministack.services.apigateway_v1"),
        cloudwatch=cloudwatch,
        series=MetricIndex(cloudwatch, responses),
        dynamodb=importlib.import_module("ministack.services.dynamodb"),
        eventbridge=importlib.import_module("ministack.services.eventbridge"),
        evaluator=importlib.import_module("ministack.core.iam_evaluator"),
        iam=importlib.import_module("ministack.services.iam"),
        iam_actions=importlib.import_module("ministack.core.iam_actions"),
        lambda_runtime=importlib.import_module("ministack.core.lambda_runtime"),
        lambdas=importlib.import_module("ministack.services.lambda_svc"),
        logs=importlib.import_module("ministack.services.cloudwatch_logs"),
        persistence=importlib.import_module("ministack.core.persistence"),
        responses=responses,
        router=importlib.import_module("ministack.core.router"),
        s3=importlib.import_module("ministack.services.s3"),
        scheduler=importlib.import_module("ministack.services.scheduler"),
        secretsmanager=importlib.import_module("ministack.services.secretsmanager"),
        sqs=importlib.import_module("ministack.services.sqs"),
        sts=importlib.import_module("ministack.services.sts"),
    )


# The host's environment never reaches ministack or a function: no profile, no credentials, no proxy.
_KEPT_ENVIRONMENT = frozenset({"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "LD_LIBRARY_PATH"})


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SECRET_ACCESS_KEY": ROOT_SECRET,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "BIND_HOST": "127.0.0.1",
        "DOCKER_HOST": "unix:///nowhere",  # no daemon is asked, no container is ever touched
        "GATEWAY_PORT": str(settings.port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "WARNING",  # INFO would print what functions log, secrets included
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": settings.region,
        "PERSIST_STATE": "0",  # persistence.py saves; ministack's own saving on exit only would lose a crash
        "S3_DATA_DIR": str(settings.objects),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(settings.state),
    }
