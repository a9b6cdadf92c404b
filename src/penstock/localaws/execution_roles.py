"""What Lambda does under a function's role, and only with its grants: reading event sources, writing the log.

ministack never asks, so a role that lacks the grant works locally and fails on AWS. Reference:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

_REMEMBERED = 1.0  # seconds for which a decision stands: policies are asked for every poll and every log line
_READS: Mapping[str, tuple[str, ...]] = {
    "dynamodb": (
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
    ),
    "sqs": ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
}
log = logging.getLogger("penstock.localaws")


def install(ministack: Ministack, _settings: Settings) -> None:
    """Refuse mappings whose function may not read the source; stop reading when the grant goes away."""
    roles = Roles(ministack)
    ministack.wrap(ministack.lambdas, "_create_esm", "(data)", roles.around_create)
    ministack.wrap(ministack.lambdas, "_iter_all_esms", "()", roles.around_iterate)


class Roles:
    """Decisions about roles, each remembered for a moment."""

    def __init__(self, ministack: Ministack) -> None:
        self._ministack = ministack
        self._decisions: dict[tuple[str, str, str], tuple[float, bool]] = {}

    def allows(self, role_arn: str, action: str, resource: str) -> bool:
        """Whether policies and boundary of a role allow an action on a resource. What is no role may nothing."""
        if role_arn.count(":") < 5:  # noqa: PLR2004 - an ARN
            return False
        key = (role_arn, action, resource)
        until, decision = self._decisions.get(key, (0.0, False))
        now = time.monotonic()
        if until > now:
            return decision
        decision = self._decide(role_arn, action, resource)
        if len(self._decisions) > 4096:  # noqa: PLR2004 - forgotten roles must not pile up
            self._decisions.clear()
        self._decisions[key] = (now + _REMEMBERED, decision)
        return decision

    def missing(self, role_arn: str, source: str) -> list[str]:
        """The actions that a role lacks to read an event source."""
        actions = _READS.get(source.split(":")[2], ())
        return [action for action in actions if not self.allows(role_arn, action, source)]

    def around_create(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """As on AWS, a mapping is refused when the function's role cannot read the source."""

        def create_esm(data: dict[str, Any]) -> Response:
            lambdas = self._ministack.lambdas
            source = str(data.get("EventSourceArn") or "")
            name, qualifier, _ = lambdas._resolve_existing_esm_function(data.get("FunctionName", ""))
            if name and source.count(":") > 4:  # noqa: PLR2004 - an ARN
                role = self._role(name, qualifier)
                lacking = self.missing(role, source)
                if lacking:
                    actions = ", ".join(action.partition(":")[2] for action in lacking)
                    return self._ministack.error(
                        "InvalidParameterValueException",
                        f"The function execution role does not have permissions to call {actions} on {source}",
                        400,
                    )
            answer: Response = original(data)
            return answer

        return create_esm

    def around_iterate(self, original: Callable[[], Iterator[Any]]) -> Callable[[], Iterator[Any]]:
        """Pollers see only the mappings whose functions may still read."""

        def iter_all_esms() -> Iterator[Any]:
            for account, region, mapping in original():
                with self._ministack.responses.request_scope(account, region):
                    role = self._role(mapping["FunctionName"], mapping.get("Qualifier"))
                    lacking = self.missing(role, str(mapping.get("EventSourceArn") or ":::")) if role else []
                if lacking:
                    mapping["LastProcessingResult"] = f"PROBLEM: the role may not call {', '.join(lacking)}"
                else:
                    yield account, region, mapping

        return iter_all_esms

    def _role(self, name: str, qualifier: str | None) -> str:
        record, config = self._ministack.lambdas._get_func_record_for_qualifier(name, qualifier)
        return str((config or {}).get("Role", "")) if record else ""

    def _decide(self, role_arn: str, action: str, resource: str) -> bool:
        evaluator = self._ministack.evaluator
        account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
        context = evaluator.EvalContext(
            principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/lambda",
            principal_type="AssumedRole",
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=resource.split(":")[3],
        )
        with self._ministack.responses.request_scope(account, context.region or self._ministack.responses_scope()[1]):
            policies = evaluator._gather_role_policies(name, account)
            limits = evaluator._permissions_boundary(self._ministack.iam._roles, name, account)
        return bool(evaluator.evaluate(context, policies, *limits).decision == "Allow")
