"""Artifacts + workspace -> Release: what would run, by digest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock.infra.digest import config_digest
from penstock.infra.grants import grants
from penstock.infra.openapi import api_digest, route_digests
from penstock.model.errors import Refused, UsageError
from penstock.model.release import CHANGES, FunctionRelease, Release
from penstock.operations.steps import timestamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from penstock.model.artifact import Artifact
    from penstock.model.workspace import Workspace
    from penstock.operations.world import World


def assemble(world: World, artifacts: Iterable[Artifact]) -> Release:
    """The release that these artifacts and the workspace's configuration make.

    Its author is left open: asking AWS who we are costs a call that a deploy with nothing to do can spare.
    """
    by_function = {key: artifact for artifact in artifacts for key in artifact.functions}
    workspace = world.workspace
    return Release(
        environment=workspace.environment.name,
        functions={
            function.key: FunctionRelease(
                physical=function.physical,
                service=function.service,
                artifact=by_function[function.key].digest,
                config=config_digest(workspace, function),
                architecture=by_function[function.key].target.architecture,
                runtime=function.runtime,
                timeout=function.timeout,
                target=str(by_function[function.key].target),
            )
            for function in workspace.functions
        },
        api=api_digest(workspace),
        grants=grants_of(workspace),
        commit=world.origin.commit + (CHANGES if world.origin.dirty else ""),
        author="",
        created=timestamp(world),
        routes=route_digests(workspace),
    )


def only_services(wanted: Release, live: Release | None, services: Collection[str]) -> Release:
    """The live release with only these services' functions taken from the wanted one.

    Raises UsageError when there is no live release to take the rest from.
    """
    if live is None:
        raise UsageError("nothing is deployed yet, so a single service cannot be", hint="deploy once without --service")
    functions = {
        key: function if function.service in services else live.functions.get(key, function)
        for key, function in wanted.functions.items()
    }
    return replace(wanted, functions=functions, grants=_mixed_grants(functions, wanted, live))


def services_from(target: Release, live: Release, services: Collection[str]) -> Release:
    """The live release with only these services' functions as they are in the target; routes stay the live ones."""
    back = {key: function for key, function in target.functions.items() if function.service in services}
    functions = {key: back.get(key, function) for key, function in live.functions.items()}
    return replace(live, functions=functions, grants=_mixed_grants(functions, target, live))


def promoted_from(source: Release, wanted_shape: Mapping[str, FunctionRelease], base: Release) -> Release:
    """`base` with the artifacts of another environment's release: the same bytes, this environment's configuration.

    `wanted_shape` is this environment's view of each function with the target its runtime needs here. Raises
    Refused when functions are missing or the bytes were built for another target.
    """
    missing = sorted(set(wanted_shape) - set(source.functions))
    if missing:
        raise Refused(
            f"release {source.id} of {source.environment} has no {', '.join(missing)}",
            hint=f"deploy to {source.environment} from this commit first",
        )
    functions: dict[str, FunctionRelease] = {}
    for key, shape in wanted_shape.items():
        origin = source.functions[key]
        if origin.target != shape.target:
            raise Refused(
                f"{key} was built for {origin.target} in {source.environment}; "
                f"{base.environment} runs {shape.target}, so the same bytes cannot be promoted",
                hint="give both environments the same runtime and architecture, "
                f"or build here: penstock deploy -e {base.environment}",
            )
        functions[key] = FunctionRelease(
            physical=shape.physical,
            service=shape.service,
            artifact=origin.artifact,
            config=shape.config,
            architecture=shape.architecture,
            runtime=shape.runtime,
            timeout=shape.timeout,
            target=shape.target,
        )
    return replace(base, functions=functions)


def _mixed_grants(
    functions: Mapping[str, FunctionRelease], one: Release, other: Release
) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """What each service needs: the grants of every release that one of its functions comes from."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for key, function in functions.items():
        for release in (one, other):
            if release.functions.get(key) == function:
                for statement in release.grants.get(function.service, ()):
                    found.setdefault(function.service, {})[json.dumps(statement, sort_keys=True)] = statement
                found.setdefault(function.service, {})
    return {service: tuple(statements.values()) for service, statements in sorted(found.items())}


def grants_of(workspace: Workspace) -> dict[str, tuple[Mapping[str, object], ...]]:
    """IAM statements of every service, by name."""
    return {service.name: grants(workspace, service) for service in workspace.services}
