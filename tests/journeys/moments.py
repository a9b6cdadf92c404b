"""A shop that one worker deploys and all others take over: its files, and what the embedded AWS kept at that moment."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from journeys.shop import Ended, Shop, keep, link_packages, well

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SNAPSHOTS = ".penstock/local/snapshots"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """How the shop was when something had just been deployed; its folder belongs to all workers.

    Every address in it is that of the worker who was there; nothing that is deployed names one.
    """

    folder: Path

    @property
    def name(self) -> str:
        """What the snapshot is called."""
        return self.folder.name

    @property
    def files(self) -> Path:
        """The workspace's files."""
        return self.folder / "files"

    @property
    def ended(self) -> Ended:
        """How the deploy ended."""
        return Ended(**json.loads((self.folder / "ended.json").read_text()))

    def give(self, shop: Shop) -> None:
        """Make it known to the embedded AWS of this workspace, which `Shop.restore` brings to it."""
        known = shop.root / SNAPSHOTS / self.name
        if not known.exists():
            shutil.copytree(self.folder / "snapshot", known, copy_function=os.link)
            link_packages(self.folder / "packages", shop.root)


def moment(shop: Shop, folder: Path, deploy: Callable[[], Ended]) -> Moment:
    """The shop after `deploy`: the first worker to ask for it deploys, the others wait and take over what came of it.

    Args:
        shop: this worker's own.
        folder: where it is kept; its name is the snapshot's.
        deploy: brings the shop there, and fails where it cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = Moment(folder=folder)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ended.json").exists():
            ended = deploy()
            well(shop.run("local", "snapshot", found.name))
            keep(shop.root, found.files)
            link_packages(shop.root, folder / "packages")
            shutil.copytree(shop.root / SNAPSHOTS / found.name, folder / "snapshot", copy_function=os.link)
            (folder / "ended.json").write_text(json.dumps(asdict(ended)))
    found.give(shop)
    return found
