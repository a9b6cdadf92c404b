"""Application Auto Scaling: targets and policies are kept and described; nothing scales, tables here have no limits.

Reference: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_Operations.html
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from penstock.localaws.services import ServiceError, register
from penstock.localaws.state import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.localaws.ministack_api import Ministack
    from penstock.localaws.settings import Settings

_DYNAMODB_ROLE = "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
_LAMBDA_ROLE = "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency"


def install(ministack: Ministack, _settings: Settings) -> None:
    """Register the service."""
    scaling = AutoScaling(ministack)
    register(
        ministack,
        name="application-autoscaling",
        target_prefix="AnyScaleFrontendService",
        operations=scaling.operations(),
        stores={
            "targets": scaling.targets,
            "policies": scaling.policies,
            "actions": scaling.actions,
            "tags": scaling.tags,
        },
    )


class AutoScaling:
    """The operations that Terraform and the CLI use."""

    def __init__(self, ministack: Ministack) -> None:
        self._ministack = ministack
        self.targets = Store(ministack)
        self.policies = Store(ministack)
        self.actions = Store(ministack)
        self.tags = Store(ministack)

    def operations(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        """Operation name → function."""
        return {
            "DeleteScalingPolicy": self._delete_policy,
            "DeleteScheduledAction": self._delete_action,
            "DeregisterScalableTarget": self._deregister,
            "DescribeScalableTargets": self._describe_targets,
            "DescribeScalingActivities": lambda _: {"ScalingActivities": []},
            "DescribeScalingPolicies": self._describe_policies,
            "DescribeScheduledActions": self._describe_actions,
            "ListTagsForResource": lambda body: {"Tags": self.tags.get(body["ResourceARN"], {})},
            "PutScalingPolicy": self._put_policy,
            "PutScheduledAction": self._put_action,
            "RegisterScalableTarget": self._register,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def _register(self, body: dict[str, Any]) -> dict[str, Any]:
        account, region = self._ministack.responses_scope()
        key = _key(body)
        role = _LAMBDA_ROLE if body["ServiceNamespace"] == "lambda" else _DYNAMODB_ROLE
        prefix = f"arn:aws:application-autoscaling:{region}:{account}:scalable-target"
        target = self.targets.get(key) or {
            "CreationTime": time.time(),
            "RoleARN": f"arn:aws:iam::{account}:role/aws-service-role/{body['ServiceNamespace']}."
            f"application-autoscaling.amazonaws.com/{role}",
            "ScalableTargetARN": f"{prefix}/{uuid.uuid4().hex[:24]}",
            "SuspendedState": {
                "DynamicScalingInSuspended": False,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
            },
        }
        given = {name: value for name, value in body.items() if name not in {"Tags", "RoleARN"}}
        self.targets[key] = {**target, **given}
        if body.get("Tags"):
            self.tags[target["ScalableTargetARN"]] = body["Tags"]
        return {"ScalableTargetARN": target["ScalableTargetARN"]}

    def _deregister(self, body: dict[str, Any]) -> None:
        target = self.targets.pop(_key(body), None)
        if target is None:
            raise ServiceError("ObjectNotFoundException", f"No scalable target found for {body['ResourceId']}")
        self.tags.pop(target["ScalableTargetARN"], None)
        for store in (self.policies, self.actions):
            for key in [key for key in store if key.startswith(_key(body) + "|")]:
                store.pop(key)

    def _describe_targets(self, body: dict[str, Any]) -> dict[str, Any]:
        wanted = body.get("ResourceIds")
        return {
            "ScalableTargets": [
                target
                for target in self.targets.values()
                if _belongs(target, body) and (not wanted or target["ResourceId"] in wanted)
            ]
        }

    def _put_policy(self, body: dict[str, Any]) -> dict[str, Any]:
        if _key(body) not in self.targets:
            raise ServiceError("ObjectNotFoundException", f"No scalable target found for {body['ResourceId']}")
        account, region = self._ministack.responses_scope()
        key = f"{_key(body)}|{body['PolicyName']}"
        arn = (
            f"arn:aws:autoscaling:{region}:{account}:scalingPolicy:{uuid.uuid4()}:resource/"
            f"{body['ServiceNamespace']}/{body['ResourceId']}:policyName/{body['PolicyName']}"
        )
        policy = self.policies.get(key) or {"Alarms": [], "CreationTime": time.time(), "PolicyARN": arn}
        self.policies[key] = {**policy, **body}
        return {"Alarms": [], "PolicyARN": policy["PolicyARN"]}

    def _describe_policies(self, body: dict[str, Any]) -> dict[str, Any]:
        names = body.get("PolicyNames")
        return {
            "ScalingPolicies": [
                policy
                for policy in self.policies.values()
                if _belongs(policy, body)
                and body.get("ResourceId") in {None, policy["ResourceId"]}
                and (not names or policy["PolicyName"] in names)
            ]
        }

    def _delete_policy(self, body: dict[str, Any]) -> None:
        if self.policies.pop(f"{_key(body)}|{body['PolicyName']}", None) is None:
            raise ServiceError("ObjectNotFoundException", f"No scaling policy found for {body['ResourceId']}")

    def _put_action(self, body: dict[str, Any]) -> None:
        account, region = self._ministack.responses_scope()
        key = f"{_key(body)}|{body['ScheduledActionName']}"
        action = self.actions.get(key) or {
            "CreationTime": time.time(),
            "ScheduledActionARN": f"arn:aws:autoscaling:{region}:{account}:scheduledAction:{uuid.uuid4()}:resource/"
            f"{body['ServiceNamespace']}/{body['ResourceId']}:scheduledActionName/{body['ScheduledActionName']}",
        }
        self.actions[key] = {**action, **body}

    def _describe_actions(self, body: dict[str, Any]) -> dict[str, Any]:
        names = body.get("ScheduledActionNames")
        return {
            "ScheduledActions": [
                action
                for action in self.actions.values()
                if _belongs(action, body) and (not names or action["ScheduledActionName"] in names)
            ]
        }

    def _delete_action(self, body: dict[str, Any]) -> None:
        self.actions.pop(f"{_key(body)}|{body['ScheduledActionName']}", None)

    def _tag(self, body: dict[str, Any]) -> None:
        self.tags[body["ResourceARN"]] = {**self.tags.get(body["ResourceARN"], {}), **body["Tags"]}

    def _untag(self, body: dict[str, Any]) -> None:
        kept = self.tags.get(body["ResourceARN"], {})
        self.tags[body["ResourceARN"]] = {k: v for k, v in kept.items() if k not in body["TagKeys"]}


def _key(body: dict[str, Any]) -> str:
    return "|".join(str(body.get(name, "")) for name in ("ServiceNamespace", "ResourceId", "ScalableDimension"))


def _belongs(item: dict[str, Any], body: dict[str, Any]) -> bool:
    return item["ServiceNamespace"] == body["ServiceNamespace"] and body.get("ScalableDimension") in {
        None,
        item["ScalableDimension"],
    }
