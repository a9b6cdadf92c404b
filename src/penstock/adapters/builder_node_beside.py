"""What may ship, and be bundled, of folders that are not a service's own: only what its recipe speaks of."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.adapters.builder_proof import check_made
from penstock.build import package_json
from penstock.build.ignore import skips_file

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from penstock.adapters.builder_node_parts import NodePart
    from penstock.model.workspace import BuildOptions


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """Files of a package of the workspace, or of a folder `inner` in it, that may lie beside a bundle."""

    part: NodePart
    inner: str
    options: BuildOptions

    def takes(self, path: str) -> bool:
        """Whether a file of that folder ships: a source, or a result of the package's build script."""
        place = posixpath.normpath(posixpath.join(self.inner, path))
        if place in self.part.files:
            return True
        results = self.part.results
        made = any(place.startswith(one) if one.endswith("/") else place == one for one in results)
        return made and not skips_file(place)

    def check(self, path: str, content: bytes) -> None:
        """Raise BuildFailed for what looks as if it held a secret, unless a person has looked at it."""
        check_made(self.part.folder, posixpath.normpath(posixpath.join(self.inner, path)), content, self.options)


def beside(packages: Sequence[NodePart], unbundled: Collection[str]) -> frozenset[str]:
    """Names of those packages of the workspace that lie beside the bundle, with what they need of the others."""
    manifests = {part.name: part.manifest for part in packages}
    named = manifests.keys() & set(unbundled)
    return frozenset(named.union(*(package_json.reached(manifests[name], manifests) for name in named)))
