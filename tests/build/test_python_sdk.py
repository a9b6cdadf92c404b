"""The SDK stays out because the runtime has one: unless what is locked asks for versions that this one may not be."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from build.sites import HANDLER_PY, Site, service, workspace

from penstock.build import python
from penstock.model.errors import BuildFailed
from penstock.model.workspace import BuildOptions

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "1.0.999"  # of a botocore that no index has


def wheel(folder: Path, name: str, version: str, *needs: str) -> None:
    """A wheel of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    notes = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {one}\n" for one in needs),
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", "A = 1\n")
        for note, text in notes.items():
            archive.writestr(f"{name}-{version}.dist-info/{note}", text)


def holding(tmp_path: Path, needs: str, **options: object) -> Site:
    """A service with a locked package that needs that."""
    build = BuildOptions(**options)  # type: ignore[arg-type]
    site = Site(tmp_path, workspace(service("plain", "app.handler", build=build)))
    listed = f"--find-links ../../links\nasks==1.0\nbotocore=={VERSION}\n"
    site.write({"services/plain/app.py": f"import asks\n{HANDLER_PY}", "services/plain/requirements.txt": listed})
    wheel(tmp_path / "links", "asks", "1.0", needs)
    wheel(tmp_path / "links", "botocore", VERSION)
    return site


def names(site: Site) -> set[str]:
    with zipfile.ZipFile(site.build()["plain"].path) as archive:
        return {name for name in archive.namelist() if "/" not in name}


def test_a_locked_package_that_holds_the_sdk_to_versions_is_refused_until_these_ship(tmp_path: Path) -> None:
    site = holding(tmp_path, "botocore (<1.0.1000,>=1.0.1)")
    with pytest.raises(BuildFailed, match=r"asks, which is locked, needs botocore .* of its own") as caught:
        site.build()
    assert "bundle_sdk = true" in caught.value.hint
    site.workspace = workspace(service("plain", "app.handler", build=BuildOptions(bundle_sdk=True)))
    assert names(site) == {"app.py", "asks.py", "botocore.py"}
    site.workspace = workspace(service("plain", "app.handler", build=BuildOptions(provided=("botocore",))))
    assert names(site) == {"app.py", "asks.py"}
    site.workspace = workspace(service("plain", "app.handler"))
    with pytest.raises(BuildFailed, match="needs botocore"):
        site.build()


@pytest.mark.parametrize(
    "needs", ["botocore<2,>=1.0", "botocore<1.0.1000; extra == 'x'", "botocore<1.0.1000; os_name == 'nt'"]
)
def test_what_later_versions_meet_or_the_target_does_not_need_holds_nothing(tmp_path: Path, needs: str) -> None:
    assert names(holding(tmp_path, needs)) == {"app.py", "asks.py"}


@pytest.mark.parametrize(
    ("needs", "holds"),
    [
        ("botocore<1.40.19,>=1.40.15", True),
        ("boto3 (==1.40.0)", True),
        ("boto3~=1.40.0", True),
        ("s3transfer<0.14.0,>=0.13.0", True),
        ("boto3~=1.40", False),
        ("boto3<2.0", False),
        ("s3transfer<1", False),
        ("boto3[crt]", False),
        ("boto3-stubs==1.40.0", False),
        ("boto3 @ https://example.com/boto3.whl", False),
        ("not a requirement", False),
    ],
)
def test_versions_that_a_runtime_will_leave_behind(needs: str, *, holds: bool) -> None:
    assert python.holds_sdk(needs) is holds
