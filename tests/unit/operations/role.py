"""What the controller's role grants, and ports that do no more than that.

Terraform itself says what `terraform/controller/main.tf` grants, with the arguments of the last apply. What is not
granted is no fault of AWS's that a rollout has patience with: it fails the test, and names the call.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import penstock
from penstock.adapters.terraform_program import find_program
from penstock.testing.faults import PORTS

if TYPE_CHECKING:
    from unit.operations.harness import Verbs

    from penstock.operations.world import World

MODULE = Path(penstock.__file__).parent / "terraform" / "controller"
HOME = "eu-west-1:111111111111"
BUCKET = "arn:aws:s3:::"
GATEWAY = "arn:aws:apigateway:eu-west-1::/restapis"
LAMBDA = f"arn:aws:lambda:{HOME}:function:"
FREE = frozenset({"clock", "events", "files", "identity", "process_alive", "traffic_clock", "webhooks"})
"""Needs no grant: not AWS's, or the caller's own name, which IAM forbids nobody to ask for."""

Grant = tuple[str, str]
"""An action and the ARN of what it is done to."""
Needs = Callable[["Role", tuple[Any, ...], dict[str, Any]], Iterable[Grant]]


class NotGranted(AssertionError):
    """The role does not allow what was about to be done."""


class Role:
    """The role of an environment's controller, as the last apply has left it."""

    def __init__(self, verbs: Verbs) -> None:
        self.module = verbs.applied["module"]["controller"]
        self.workspace, self.preview = verbs.workspace, verbs.shop.preview
        apis = {"live": verbs.shop.api, "preview": verbs.shop.preview} if "apis" in self.module else None
        arguments = {key: value for key, value in self.module.items() if key != "source"}
        self._grants = granted(json.dumps(arguments | {"apis": apis}, sort_keys=True))

    def allows(self, action: str, resource: str) -> bool:
        return any(one == action and fnmatchcase(resource, pattern) for one, pattern in self._grants)

    def within(self, world: World) -> World:
        """The same ports, of which each call is one that the role allows."""
        names = PORTS.keys() - FREE
        return replace(world, **{name: _Bounded(self, name, getattr(world, name)) for name in names})  # type: ignore[arg-type]


class _Bounded:
    """A port whose calls are those that the role allows."""

    def __init__(self, role: Role, name: str, port: object) -> None:
        self._role, self._name, self._port = role, name, port

    def __getattr__(self, method: str) -> Any:
        found, call = getattr(self._port, method), f"{self._name}.{method}"

        def bounded(*args: Any, **kwargs: Any) -> Any:
            if call not in NEEDS:
                raise NotGranted(f"the controller has no business with {call}{args}")
            for action, resource in NEEDS[call](self._role, args, kwargs):
                if not self._role.allows(action, resource):
                    raise NotGranted(f"the controller's role does not grant {action} on {resource}, for {call}{args}")
            return found(*args, **kwargs)

        return bounded


def _object(*actions: str) -> Needs:
    return lambda role, args, _: [(action, f"{BUCKET}{role.workspace.store_bucket}/{args[0]}") for action in actions]


def _bucket(role: Role, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Iterable[Grant]:
    yield "s3:ListBucket", f"{BUCKET}{role.workspace.store_bucket}"


def _parameter(action: str) -> Needs:
    return lambda _role, args, _: [(action, f"arn:aws:ssm:{HOME}:parameter{args[0]}")]


def _function(action: str) -> Needs:
    return lambda _role, args, _: [(action, f"{LAMBDA}{args[0]}")]


def _alias(action: str) -> Needs:
    return lambda _role, args, _: [(action, f"{LAMBDA}{args[0]}:{args[1]}")]


def _stage(*actions: str) -> Needs:
    return lambda _role, args, _: [(action, f"{GATEWAY}/{args[0]}/stages/{args[1]}") for action in actions]


def _asked(role: Role, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Iterable[Grant]:
    """Anybody may call the live stage's routes; the preview asks who it is."""
    if args[0] == role.preview:
        yield "execute-api:Invoke", f"arn:aws:execute-api:{HOME}:{args[0]}/{args[1]}/{args[2]}{args[3]}"


def _everywhere(*actions: str) -> Needs:
    return lambda _role, _args, _kwargs: [(action, "*") for action in actions]


def _queried(_role: Role, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Iterable[Grant]:
    yield "logs:StartQuery", f"arn:aws:logs:{HOME}:log-group:{args[0]}:*"
    yield "logs:GetQueryResults", "*"


NEEDS: dict[str, Needs] = {
    "alarms.states": _everywhere("cloudwatch:DescribeAlarms"),
    "functions.aliases": _function("lambda:ListAliases"),
    "functions.get": _function("lambda:GetFunction"),
    "functions.invoke": _alias("lambda:InvokeFunction"),
    "functions.provision": _alias("lambda:PutProvisionedConcurrencyConfig"),
    "functions.provisioned": _alias("lambda:GetProvisionedConcurrencyConfig"),
    "functions.set_alias": _alias("lambda:UpdateAlias"),
    "functions.unprovision": _alias("lambda:DeleteProvisionedConcurrencyConfig"),
    "functions.versions": _function("lambda:ListVersionsByFunction"),
    "gateway.call": _asked,
    "gateway.clear_canary": _stage("apigateway:GET", "apigateway:PATCH"),
    "gateway.deploy": lambda _role, args, _: [("apigateway:POST", f"{GATEWAY}/{args[0]}/deployments")],
    "gateway.deployments": lambda _role, args, _: [("apigateway:GET", f"{GATEWAY}/{args[0]}/deployments")],
    "gateway.find": lambda _role, _args, _kwargs: [("apigateway:GET", GATEWAY)],
    "gateway.set_canary": _stage("apigateway:GET", "apigateway:PATCH"),
    "gateway.set_stage": _stage("apigateway:GET", "apigateway:PATCH"),
    "gateway.stage": _stage("apigateway:GET"),
    "gateway.url": lambda _role, _args, _kwargs: [],
    "metrics.answered": _queried,
    "metrics.minutes": _everywhere("cloudwatch:GetMetricData"),
    "metrics.points": _everywhere("cloudwatch:GetMetricData"),
    "notices.publish": lambda _role, args, _: [("sns:Publish", f"arn:aws:sns:{HOME}:{args[0]}")],
    "objects.delete": _object("s3:DeleteObject"),
    "objects.exists": _bucket,
    "objects.get": _object("s3:GetObject"),
    "objects.has": _object("s3:GetObject"),
    "objects.list": _bucket,
    "objects.put": _object("s3:PutObject"),
    "objects.put_if_absent": _object("s3:PutObject"),
    "objects.put_if_match": _object("s3:PutObject"),
    "parameters.delete": _parameter("ssm:DeleteParameter"),
    "parameters.get": _parameter("ssm:GetParameter"),
    "parameters.put": _parameter("ssm:PutParameter"),
    "schedules.stop": lambda _role, args, kwargs: [
        ("scheduler:DeleteSchedule", f"arn:aws:scheduler:{HOME}:schedule/{kwargs['group']}/{args[0]}")
    ],
    "secrets.value": lambda _role, args, _: [
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HOME}:secret:{args[0]}-AbCdEf")
    ],
}
"""What AWS asks for before it does what a port promises; a call that is not here is nobody's in the account."""


@lru_cache
def granted(arguments: str) -> tuple[Grant, ...]:
    """The actions and patterns of ARNs that the module grants for these arguments, JSON: Terraform evaluates them."""
    source = re.search(r"^locals \{\n.*?^\}\n", (MODULE / "main.tf").read_text(), re.DOTALL | re.MULTILINE)
    assert source is not None
    with TemporaryDirectory() as folder:
        root = Path(folder)
        # Nothing but expressions: a resource would need the provider.
        (root / "main.tf").write_text(source[0].replace("aws_cloudwatch_log_group.this.arn", '"its-own-log"'))
        shutil.copy(MODULE / "variables.tf", root)
        (root / "terraform.tfvars.json").write_text(arguments)
        program = find_program(os.environ, root / "version.json")
        told = subprocess.run(
            [program.path, "console"],
            input="jsonencode(local.statements)",
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    statements = json.loads(json.loads(told.stdout))
    return tuple((action, arn) for one in statements for action in one["Action"] for arn in one["Resource"])
