"""Hashes in requirements files: with one, every package has to have one.

That is pip's rule: https://pip.pypa.io/en/stable/topics/secure-installs/#hash-checking-mode.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.build.markers import marker_of
from penstock.build.requirements import compiled
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from penstock.build.requirements import Requirements

_TOLD_MAX = 5
_AS_GOOD = re.compile(r"@\s*git\+|#(?:.*&)?(md5|sha\d+)=")
"""A commit, or a hash that stands in a URL."""


def check_hashes(path: str, found: Requirements) -> None:
    """Raise BuildFailed for a requirements file in which some lines have hashes, and others have none.

    Lines with a marker may be for another machine, and are not asked for one; nor are folders and archives, which lie
    in the workspace. Hashes in constraints count for their packages, and ask no others for one.
    """
    if not any(line.hashed for line in found.lines):
        return
    hashed = {line.name for line in (*found.lines, *found.pins) if line.hashed}
    bare = [line for line in found.lines if line.name not in hashed and not marker_of(line.text)]
    bare = [line for line in bare if not _AS_GOOD.search(line.text)]
    if not bare:
        return
    told = ", ".join(f"{line.name} ({line.where})" for line in bare[:_TOLD_MAX])
    more = f" and {len(bare) - _TOLD_MAX} more" if len(bare) > _TOLD_MAX else ""
    raise BuildFailed(
        f"other lines have hashes, and none of these has one, so that pip would not install them: {told}{more}",
        where=bare[0].where,
        hint=compiled(path, "--generate-hashes "),
    )
