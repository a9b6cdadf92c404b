"""The verbs over the fakes: a shop whose code is a number a function, with a Terraform that does what it says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from unit.release.shop import NAMES, Shop, a_workspace

from penstock.infra.openapi import api_digest
from penstock.model.artifact import Artifact, Recipe, Target
from penstock.model.workspace import Route
from penstock.operations.deploy import deploy
from penstock.operations.rollout_store import KEY as ROLLOUT
from penstock.operations.terraform import ROOT_FILE
from penstock.operations.wanted import Deployed, DeployRequest
from penstock.testing import FakeTerraform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from penstock.model.plan import Objection, Plan
    from penstock.model.workspace import Workspace
    from penstock.operations.world import World
    from penstock.ports import HttpAnswer
    from penstock.rollout.state import Rollout

TARGET = Target(language="python", version="3.13", architecture="arm64")
TARGETS = dict.fromkeys(NAMES, TARGET)
CREATES = {"resource_changes": [{"address": "x.y", "type": "x", "change": {"actions": ["create"]}}]}


def yes(plan: Plan, objections: Sequence[Objection]) -> bool:  # noqa: ARG001 - the Confirm protocol
    return True


def no(plan: Plan, objections: Sequence[Objection]) -> bool:  # noqa: ARG001 - the Confirm protocol
    return False


@dataclass
class Verbs:
    """One environment that is deployed to again and again."""

    root: Path
    shop: Shop = field(default_factory=Shop)
    code: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 1))
    workspace: Workspace = field(default_factory=lambda: with_health(a_workspace()))
    applies: int = 0
    applied: Mapping[str, Any] = field(default_factory=dict)
    """The root that Terraform applied last."""
    last_world: World | None = None

    def world(self) -> World:
        """A fresh run of the command."""
        ports = self.shop.world()
        terraform = FakeTerraform(applied=lambda root, _: self._applied(ports.files.read(root / ROOT_FILE)))
        terraform.document = CREATES
        world = replace(
            ports,
            root=self.root,
            workspace=self.workspace,
            terraform=terraform,
            builds=lambda: Builds(self),
        )
        self.last_world = world
        return world

    def deploy(self, *, confirm: Callable[..., bool] = no, **request: Any) -> Deployed:
        """`penstock deploy`."""
        return deploy(self.world(), DeployRequest(**request), TARGETS, confirm)

    def recipe_of(self, name: str) -> Recipe:
        """What a function is made from now."""
        return Recipe(unit=name, target=TARGET, inputs={"code": str(self.code[name])})

    def recipe(self, name: str) -> str:
        """The digest of `recipe_of`."""
        return self.recipe_of(name).digest

    def live_code(self) -> dict[str, int]:
        """The number of every function's code that HTTP callers reach."""
        found = {}
        for name in NAMES:
            state = self.shop.functions.get(f"shop-dev-{name}", self.live_slot())
            assert state is not None
            found[name] = next(n for n in range(100) if digest(name, n) == state.code_sha256)
        return found

    def answers(self, answer: Callable[[str, str], HttpAnswer]) -> None:
        """Let the stages answer by their name and the slot that they serve."""
        self.shop.gateway.behaviour = lambda request: answer(request.stage.stage, request.stage.variables["slot"])

    def live_slot(self) -> str:
        """The slot that HTTP callers reach."""
        stage = self.shop.gateway.stage(self.shop.api, "live")
        assert stage is not None
        return stage.variables["slot"]

    def _applied(self, root: bytes | None) -> None:
        self.applies += 1
        self.applied = json.loads(root or b"{}")
        for function in self.workspace.functions:
            self.shop.functions.configure(function.physical, memory=function.memory, timeout=function.timeout)
        if self.workspace.environment.rollout.has_controller:
            self.shop.functions.configure(self.workspace.controller_name)
            self.shop.schedules.configure(self.workspace.controller_name)
        for name, stage in (("shop-dev", "live"), ("shop-dev-preview", "preview")):
            self.shop.gateway.configure(name, api_digest(self.workspace), stage=stage)


def write_rollout(verbs: Verbs, rollout: Rollout) -> None:
    """Write it as somebody else does who drives it."""
    verbs.shop.objects.put(ROLLOUT, json.dumps(rollout.to_json()).encode())


class Builds:
    """Writes a ZIP a function whose bytes are its code's number."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def recipes(self, _workspace: Workspace, targets: Mapping[str, Target]) -> Mapping[str, Recipe]:
        return {name: Recipe(unit=name, target=target, inputs={}) for name, target in targets.items()}

    def build(
        self, _workspace: Workspace, _units: Sequence[str] | None, targets: Mapping[str, Target]
    ) -> tuple[Artifact, ...]:
        made = []
        for name, number in self._verbs.code.items():
            path = self._verbs.root / f"{name}-{number}.zip"
            path.write_bytes(text(name, number))
            sbom = path.with_suffix(".cdx.json")
            sbom.write_text(json.dumps({"bomFormat": "CycloneDX", "of": name}))
            made.append(
                Artifact(
                    unit=name,
                    digest=digest(name, number),
                    recipe=self._verbs.recipe(name),
                    target=targets[name],
                    size=len(text(name, number)),
                    unzipped=1,
                    path=str(path),
                    sbom=str(sbom),
                    functions=(name,),
                )
            )
        return tuple(made)


def text(name: str, number: int) -> bytes:
    return f"{name} {number}".encode()


def digest(name: str, number: int) -> str:
    return hashlib.sha256(text(name, number)).hexdigest()


def with_health(workspace: Workspace) -> Workspace:
    """Every function gets a health route."""
    services = tuple(
        replace(
            service,
            functions=tuple(
                replace(function, health=route, routes=(route,))
                for function in service.functions
                for route in [Route("GET", f"/{function.name}/health")]
            ),
        )
        for service in workspace.services
    )
    return replace(workspace, services=services)
