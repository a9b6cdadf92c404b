"""Wheels of a real native package for every Python and processor that Lambda has: the right one, and no other."""

from __future__ import annotations

import itertools
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.native import addon
from build.sites import HANDLER_PY, Site, service, workspace

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


def test_a_library_for_a_newer_system_is_refused_be_it_the_services_own_or_a_locked_packages(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("plain", "app.handler")))
    site.write({"services/plain/app.py": HANDLER_PY, "services/plain/requirements.txt": ""})
    own = tmp_path / "services/plain/lib/z.so"
    own.parent.mkdir()
    own.write_bytes(addon(versions=("GLIBC_2.17",)))
    site.build()
    own.write_bytes(addon(versions=("GLIBC_2.38",)))
    with pytest.raises(
        BuildFailed, match=r"lib/z\.so needs glibc 2\.38 or later, and python3\.11/x86_64 has 2\.26"
    ) as caught:
        site.build()
    assert caught.value.where == "services/plain/lib/z.so"
    own.unlink()
    site.write({"services/plain/requirements.txt": "--find-links ../../links\nnewer==1.0\n"})
    (tmp_path / "links").mkdir()
    with zipfile.ZipFile(tmp_path / "links/newer-1.0-py3-none-linux_x86_64.whl", "w") as wheel:
        wheel.writestr("newer/_c.abi3.so", addon(versions=("GLIBC_2.38",)))
        wheel.writestr("newer-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: newer\nVersion: 1.0\n")
        wheel.writestr("newer-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-linux_x86_64\n")
        wheel.writestr("newer-1.0.dist-info/RECORD", "")
    with pytest.raises(BuildFailed, match=r"newer/_c\.abi3\.so needs glibc 2\.38"):
        site.build()
