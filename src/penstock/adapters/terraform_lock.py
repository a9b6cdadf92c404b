"""`.terraform.lock.hcl`: written so that the committed file works on every platform.

A provider installed from a mirror leaves only the checksum of this machine's package in the lock file, and `init` on a
colleague's other platform then refuses. So a new root starts from a lock with the checksums of all platforms, where
we know them; `init` completes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.adapters.terraform_program import Program

KNOWN_VERSION = "5.100.0"

LINUX_AMD64 = "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0="
"""Of the unpacked package: what a filesystem mirror's folder is checked against."""

ZIPS = (
    "054b8dd49f0549c9a7cc27d159e45327b7b65cf404da5e5a20da154b90b8a644",
    "0b97bf8d5e03d15d83cc40b0530a1f84b459354939ba6f135a0086c20ebbe6b2",
    "1589a2266af699cbd5d80737a0fe02e54ec9cf2ca54e7e00ac51c7359056f274",
    "6330766f1d85f01ae6ea90d1b214b8b74cc8c1badc4696b165b36ddd4cc15f7b",
    "7c8c2e30d8e55291b86fcb64bdf6c25489d538688545eb48fd74ad622e5d3862",
    "99b1003bd9bd32ee323544da897148f46a527f622dc3971af63ea3e251596342",
    "9b12af85486a96aedd8d7984b0ff811a4b42e3d88dad1a3fb4c0b580d04fa425",
    "9f8b909d3ec50ade83c8062290378b1ec553edef6a447c56dadc01a99f4eaa93",
    "aaef921ff9aabaf8b1869a86d692ebd24fbd4e12c21205034bb679b9caf883a2",
    "ac882313207aba00dd5a76dbd572a0ddc818bb9cbf5c9d61b28fe30efaec951e",
    "bb64e8aff37becab373a1a0cc1080990785304141af42ed6aa3dd4913b000421",
    "dfe495f6621df5540d9c92ad40b8067376350b005c637ea6efac5dc15028add4",
    "f0ddf0eaf052766cfe09dea8200a946519f653c384ab4336e2a4a64fdd6310e9",
    "f1b7e684f4c7ae1eed272b6de7d2049bb87a0275cb04dbb7cda6636f600699c9",
    "ff461571e3f233699bf690db319dfe46aec75e58726636a0d97dd9ac6e32fb70",
)
"""SHA-256 of the release's ZIPs for all platforms, as in `terraform-provider-aws_5.100.0_SHA256SUMS`."""


def seed_lock(root: Path, program: Program) -> bool:
    """Write a lock with all known checksums into a root that has none; False when there is one, or none to offer."""
    lock = root / ".terraform.lock.hcl"
    if lock.exists() or program.is_tofu:
        return False
    hashes = "".join(f'    "{value}",\n' for value in (LINUX_AMD64, *(f"zh:{digest}" for digest in ZIPS)))
    lock.write_text(
        '# This file is maintained automatically by "terraform init".\n'
        "# Manual edits may be lost in future updates.\n\n"
        f'provider "{program.registry}/hashicorp/aws" {{\n'
        f'  version = "{KNOWN_VERSION}"\n'
        f"  hashes = [\n{hashes}  ]\n}}\n"
    )
    return True
