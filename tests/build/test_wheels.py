"""Wheels of a real native package for every Python and processor that Lambda has: the right one, and no other."""

from __future__ import annotations

import itertools
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.sites import Site, service, workspace

from penstock.build import archive, proof
from penstock.model.artifact import Target
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from penstock.build.archive import Member

MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
TARGETS = [
    Target(language="python", version=version, architecture=architecture)  # type: ignore[arg-type] # one of its words
    for version, architecture in itertools.product(("3.11", "3.12", "3.13", "3.14"), MACHINES)
]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[Target, str]:
    """The paths of one service's artifacts for all targets, of one cache."""
    site = Site(tmp_path_factory.mktemp("wheels"), workspace(service("plain", "app.handler")))
    site.write(
        {
            "services/plain/app.py": "import markupsafe\ndef handler(e, c): ...\n",
            "services/plain/requirements.txt": "markupsafe==3.0.3\n",
        }
    )
    builder = site.builder()
    return {target: builder.build(site.workspace, None, {"plain": target})[0].path for target in TARGETS}


def members(path: str) -> tuple[Member, ...]:
    return archive.read(Path(path).read_bytes())


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_the_wheel_is_the_one_for_the_target(artifacts: dict[Target, str], target: Target) -> None:
    abi, machine = target.version.replace(".", ""), MACHINES[target.architecture]
    with zipfile.ZipFile(artifacts[target]) as made:
        libraries = [name for name in made.namelist() if name.endswith(".so")]
        tags = re.findall(r"^Tag: (.+)$", made.read("markupsafe-3.0.3.dist-info/WHEEL").decode(), re.MULTILINE)
    assert libraries == [f"markupsafe/_speedups.cpython-{abi}-{machine}-linux-gnu.so"]
    assert tags
    assert all(tag.startswith(f"cp{abi}-cp{abi}-manylinux") and tag.endswith(machine) for tag in tags), tags
    proof.check_native(members(artifacts[target]), target, where="")


@pytest.mark.parametrize("made", TARGETS, ids=str)
def test_the_proof_refuses_it_for_every_other_target(artifacts: dict[Target, str], made: Target) -> None:
    for other in TARGETS:
        if other != made:
            right = made.version if made.architecture == other.architecture else made.architecture
            with pytest.raises(
                BuildFailed, match=f"is made for (Python )?{re.escape(right)}, and the target is {other}"
            ):
                proof.check_native(members(artifacts[made]), other, where="")
