"""Lambda's limits on code.

Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, "Deployment package (.zip file archive)
size": 50 MB zipped "when uploaded through the Lambda API or SDKs", larger ones through S3; 250 MB unzipped with layers,
which are MiB. Artifacts go through S3, always.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


UNZIPPED_MAX = 250 * 1024 * 1024
"""Bytes."""
DIRECT_UPLOAD_MAX = 50 * 1024 * 1024
"""Bytes of a ZIP that goes along with the call; one in S3 may be bigger."""
FILES_MAX = 0xFFFF
"""Files in a ZIP without the extension ZIP64, which Lambda does not promise to read."""
_SHOWN = 5


def check_size(where: str, files: Iterable[tuple[str, int]], *, limit: int = UNZIPPED_MAX) -> int:
    """The unzipped size in bytes; `files` are names in the ZIP with theirs.

    Raises BuildFailed with the biggest packages when Lambda would refuse it.
    """
    listed = list(files)
    if len(listed) > FILES_MAX:
        counts = Counter(name.partition("/")[0] for name, _ in listed)
        most = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(_SHOWN))
        raise BuildFailed(
            f"{len(listed):,} files are more than a ZIP holds ({FILES_MAX:,})",
            where=where,
            hint=f"leave out or pack together what is most: {most}",
        )
    total = sum(size for _, size in listed)
    if total > limit:
        weights = Counter[str]()
        for name, size in listed:
            weights[name.partition("/")[0]] += size
        biggest = ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in weights.most_common(_SHOWN))
        raise BuildFailed(
            f"{total / 2**20:.1f} MiB unzipped are over Lambda's quota "
            f"'Deployment package (.zip file archive) size' of {limit / 2**20:.0f} MiB",
            where=where,
            hint=f"leave out or split what weighs most: {biggest}",
        )
    return total


def direct_upload_note(unit: str, size: int, unzipped: int) -> str:
    """What to tell of a ZIP that only S3 can bring to Lambda; empty for one that is small enough."""
    if size <= DIRECT_UPLOAD_MAX:
        return ""
    return (
        f"{unit}: its ZIP of {size / 2**20:.1f} MiB is over the {DIRECT_UPLOAD_MAX / 2**20:.0f} MiB of a direct upload "
        f"to Lambda. Penstock uploads through S3, where only the {UNZIPPED_MAX / 2**20:.0f} MiB unzipped count: "
        f"it has {unzipped / 2**20:.1f} MiB"
    )


def layers_note(unit: str, unzipped: int, layers: Collection[str], *, fresh: bool) -> str:
    """What to tell of layers, which the quota counts and nobody here can: Lambda tells their size as ZIPs only.

    Empty without layers, and for a ZIP that is not `fresh` and leaves them more than half of the quota.
    """
    if not layers or (not fresh and unzipped <= UNZIPPED_MAX // 2):
        return ""
    room = UNZIPPED_MAX - unzipped
    return (
        f"{unit}: its layers count against the {UNZIPPED_MAX / 2**20:.0f} MiB unzipped as well, and how big they are "
        f"is not known here: beside its own {unzipped / 2**20:.1f} MiB there are {room / 2**20:.1f} MiB "
        f"for {', '.join(sorted(layers))}"
    )
