"""The process that deploys within a rehearsal: `python -m penstock.cli.rehearsed SIDE ENVIRONMENT [STRATEGY]`.

A process of its own, so that it can be killed as any driver can. It works in a copy of the workspace, against an
embedded AWS that nobody else uses, and prints its events as `--json` does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import zipfile
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.api import Penstock
from penstock.api.wiring import OWN_FOLDER
from penstock.cli.errors import as_penstock_error
from penstock.cli.render.ndjson import NdjsonSink
from penstock.model.workspace import ApprovalPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.model.artifact import Artifact, Recipe, Target
    from penstock.model.workspace import Workspace
    from penstock.operations.world import Builds, World

MARK = "PENSTOCK_REHEARSAL"
"""A file in every ZIP of the candidate, by which the embedded AWS knows it."""
_FIXED = (1980, 1, 1, 0, 0, 0)


class Rehearsed(Penstock):
    """An environment in the embedded AWS of this folder, wherever it lives otherwise, and without its gates.

    Everything that decides how a release is made, moved and judged is the environment's own.
    """

    @cached_property
    def workspace(self) -> Workspace:
        """The environment's, at home here: nobody has to approve, and secrets without a value get one."""
        found = super().workspace
        environment = found.environment
        # People are not there to say yes.
        policy = environment.rollout
        policy = replace(policy, steps=tuple(step for step in policy.steps if step.kind not in {"pause", "approve"}))
        policy = replace(policy, webhooks=())  # nobody outside is to hear of a release that is none
        if not policy.is_judged:  # what a canary is measured by is there, as where it is the environment's strategy
            policy = replace(policy, strategy="canary", controller=False)
        return replace(
            found,
            environment=replace(
                environment,
                endpoint="local",
                approvals=ApprovalPolicy(),
                branches=(),
                after=replace(environment.after, notify=()),
                rollout=policy,
                build_cache=False,
            ),
            secrets=tuple(replace(secret, generate="dev-only") for secret in found.secrets),
        )


class Candidate(Rehearsed):
    """The same, but for a mark in every ZIP: a release of its own, also where no code has changed."""

    @cached_property
    def world(self) -> World:
        """As ever, with builds that are marked."""
        return replace(super().world, builds=lambda: _Marked(self.builder, self.root / OWN_FOLDER / "marked"))


class _Marked:
    """Builds whose every ZIP holds one more file."""

    def __init__(self, builds: Builds, folder: Path) -> None:
        self._builds = builds
        self._folder = folder

    def recipes(self, workspace: Workspace, targets: Mapping[str, Target]) -> Mapping[str, Recipe]:
        """Those of the files as they are."""
        return self._builds.recipes(workspace, targets)

    def build(
        self, workspace: Workspace, units: Sequence[str] | None, targets: Mapping[str, Target]
    ) -> tuple[Artifact, ...]:
        """Each artifact's marked copy."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return tuple(self._marked(artifact) for artifact in self._builds.build(workspace, units, targets))

    def _marked(self, artifact: Artifact) -> Artifact:
        path = self._folder / f"{artifact.digest}.zip"
        shutil.copyfile(artifact.path, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(MARK, date_time=_FIXED), "")
        content = path.read_bytes()
        return replace(
            artifact, digest=hashlib.sha256(content).hexdigest(), size=len(content), path=str(path), cached=False
        )


def main(arguments: Sequence[str]) -> int:
    """Deploy one side; the exit code of `penstock deploy`."""
    side, environment, *strategy = arguments
    events = NdjsonSink(sys.stdout)
    engine = (Candidate if side == "candidate" else Rehearsed)(
        Path.cwd(), environment, events=events, environ=dict(os.environ)
    )
    try:
        reached = engine.deploy(auto_approve=True, strategy=strategy[0] if strategy else None)
        events.put({"event": "result", "url": reached.url, "live": reached.live})
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the top of a process
        told = as_penstock_error(error)
        events.fail(told)
        return told.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
