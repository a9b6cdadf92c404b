"""Hostile names and archives: refused in words, or neutralised; nothing is ever written outside, nothing hangs."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pathlib
import socket
import subprocess
import tarfile
import tempfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from build.native import ARM64, X86_64, Registry, addon
from build.sites import Site, service, workspace
from build.test_node_inputs import lock

from penstock.adapters.builder_node_foreign import unpack
from penstock.build.node_locked import Locked
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def plain(root: Path, requirements: str = "") -> Site:
    """A service of one module."""
    site = Site(root, workspace(service("plain", "app.handler")))
    site.write({"services/plain/app.py": "def handler(e, c): ...\n", "services/plain/requirements.txt": requirements})
    return site


def refused(site: Site) -> str:
    """What is said of a build that must not end well."""
    with pytest.raises(BuildFailed) as caught:
        site.build()
    assert not list((site.cache / "v1/index/artifact").glob("*"))
    return str(caught.value)


# ------------------------------------------------------------------------------------------ sources


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o20000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))  # such paths are short


@pytest.mark.parametrize("make", [pipe, device, listener])
def test_what_is_neither_file_nor_folder_is_refused_and_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = plain(tmp_path)
    monkeypatch.chdir(tmp_path / "services/plain")
    make(tmp_path / "services/plain/odd")
    said = refused(site)
    assert "neither a file nor a folder" in said
    assert "services/plain/odd" in said


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/etc/passwd", "a symbolic link out of the workspace, to /etc/passwd"),
        ("../../../..", "a symbolic link out of the workspace"),
        ("..", "a symbolic link that leads to a folder above itself"),
        ("nothing", "a symbolic link to nothing"),
        ("odd", "Too many levels of symbolic links"),
        ("../../.env", "a symbolic link to .env, a file for one machine or person"),
    ],
)
def test_links_that_lead_astray_are_refused(tmp_path: Path, target: str, said: str) -> None:
    site = plain(tmp_path / "w")
    site.write({".env": "TOKEN=1\n"})
    (tmp_path / "w/services/plain/odd").symlink_to(target)
    assert said in refused(site)


@pytest.mark.parametrize("name", ["two\nlines.py", "back\\slash.py", "bell\a.py", "right\u202eyp.exe", b"\xff.py"])
def test_names_that_would_mean_something_else_elsewhere_are_refused(tmp_path: Path, name: str | bytes) -> None:
    site = plain(tmp_path)
    with open(os.fsencode(tmp_path / "services/plain") + b"/" + os.fsencode(name), "w"):  # noqa: PTH123 - bytes
        pass
    said = refused(site)
    assert "a file may not be named" in said
    said.encode()  # can be shown


COLLISIONS = [("Words.txt", "words.txt"), ("stra\u00dfe.txt", "strasse.txt"), ("\u00e9.txt", "e\u0301.txt")]


@pytest.mark.parametrize(("one", "other"), COLLISIONS, ids=["case", "sharp s", "accent"])
def test_names_that_are_one_on_another_system_are_refused(tmp_path: Path, one: str, other: str) -> None:
    site = plain(tmp_path)
    site.write({f"services/plain/{one}": "1", f"services/plain/{other}": "2"})
    said = refused(site)
    assert "would be one file where case or accents do not count" in said
    assert one in said
    assert other in said


def test_a_hundred_thousand_files_are_refused() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:  # noqa: PTH112
        root = pathlib.Path(folder)
        site = plain(root)
        many = root / "services/plain/many"
        many.mkdir()
        for number in range(100_000):
            os.close(os.open(many / str(number), os.O_CREAT | os.O_WRONLY))
        said = refused(site)
        assert "100,001 files are more than a ZIP holds (65,535)" in said
        assert "many 100,000" in said


# ------------------------------------------------------------------------------------------ archives


def wheel(path: Path, members: Mapping[str, tuple[int, str]]) -> None:
    """A wheel of `evil` with further members: mode and content by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = "".join(f"{name},,\n" for name in ("evil.py", "evil-1.0.dist-info/METADATA", "evil-1.0.dist-info/WHEEL"))
    files = {
        "evil.py": (0o100644, "A = 1\n"),
        "evil-1.0.dist-info/METADATA": (0o100644, "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n"),
        "evil-1.0.dist-info/WHEEL": (0o100644, "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        **members,
        "evil-1.0.dist-info/RECORD": (0o100644, record + "".join(f"{name},,\n" for name in members)),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, (mode, content) in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)


@pytest.mark.parametrize(
    ("name", "mode", "content"),
    [
        ("../../../../escaped.py", 0o100644, "A = 1\n"),
        ("evil/../../../escaped.py", 0o100644, "A = 1\n"),
        ("/tmp/escaped-by-an-absolute-path.py", 0o100644, "A = 1\n"),
        ("evil_link", 0o120777, "/etc/passwd"),
        ("evil_link", 0o120777, "../../../../../../../../etc/passwd"),
        ("evil_device", 0o020666, ""),
        ("evil_pipe", 0o010666, ""),
        ("evil/..\\..\\escaped.py", 0o100644, "A = 1\n"),
        ("C:\\escaped.py", 0o100644, "A = 1\n"),
        ("evil/bell\a.py", 0o100644, "A = 1\n"),
        ("evil-1.0.data/data/../../../../escaped.py", 0o100644, "A = 1\n"),
        ("evil-1.0.data/scripts/../../escaped.py", 0o100644, "A = 1\n"),
    ],
)
def test_a_hostile_wheel_gets_nowhere(tmp_path: Path, name: str, mode: int, content: str) -> None:
    site = plain(tmp_path / "w", "./evil-1.0-py3-none-any.whl\n")
    wheel(tmp_path / "w/services/plain/evil-1.0-py3-none-any.whl", {name: (mode, content)})
    try:
        path = site.build()["plain"].path
    except BuildFailed:
        path = ""
    assert_nothing_escaped(tmp_path, path)


@pytest.mark.parametrize(("one", "other"), COLLISIONS, ids=["case", "sharp s", "accent"])
@pytest.mark.parametrize("form", ["wheel", "sources"])
def test_names_that_are_one_on_another_system_are_refused_in_archives(
    tmp_path: Path, form: str, one: str, other: str
) -> None:
    if form == "wheel":
        site = plain(tmp_path, "./evil-1.0-py3-none-any.whl\n")
        members = {f"evil/{name}": (0o100644, name) for name in (one, other)}
        wheel(tmp_path / "services/plain/evil-1.0-py3-none-any.whl", members)
    else:
        site = plain(tmp_path, "./evil-1.0.tar.gz\n")
        setup = "setup(name='evil', version='1.0', packages=['evil'], package_data={'evil': ['*.txt']})\n"
        files = {
            "evil-1.0/setup.py": f"from setuptools import setup\n{setup}",
            "evil-1.0/evil/__init__.py": "",
            f"evil-1.0/evil/{one}": "1",
            "evil-1.0/PKG-INFO": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
        }
        tarball(tmp_path / "services/plain/evil-1.0.tar.gz", files, entry(f"evil-1.0/evil/{other}"))
    said = refused(site)
    assert "would be one file where case or accents do not count" in said
    assert f"evil/{one}" in said
    assert f"evil/{other}" in said


def test_a_wheel_of_a_hundred_thousand_files_is_refused() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:  # noqa: PTH112
        site = plain(pathlib.Path(folder), "./evil-1.0-py3-none-any.whl\n")
        members = {f"evil/many/{number}.txt": (0o100644, "") for number in range(100_000)}
        wheel(pathlib.Path(folder) / "services/plain/evil-1.0-py3-none-any.whl", members)
        said = refused(site)
        assert "are more than a ZIP holds (65,535)" in said
        assert "evil 100,000" in said


def tarball(path: Path, files: Mapping[str, str], odd: tarfile.TarInfo) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
        archive.addfile(odd, io.BytesIO(b"A = 1\n") if odd.isreg() else None)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, 6 if kind == tarfile.REGTYPE else 0
    return info


ODD = {
    "nothing odd": entry("{top}/more.py"),
    "slip": entry("{top}/../../../../escaped.py"),
    "absolute": entry("/tmp/escaped-by-an-absolute-path.py"),
    "link": entry("{top}/evil_link.py", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": entry("{top}/evil_link.py", tarfile.LNKTYPE, "/etc/passwd"),
    "device": entry("{top}/evil_device.py", tarfile.CHRTYPE),
    "pipe": entry("{top}/evil_pipe.py", tarfile.FIFOTYPE),
}


def odd(kind: str, top: str) -> tarfile.TarInfo:
    return ODD[kind].replace(name=ODD[kind].name.format(top=top))


def assert_nothing_escaped(root: Path, zipped: str) -> None:
    assert not list(root.rglob("escaped*"))
    assert not pathlib.Path("/tmp/escaped-by-an-absolute-path.py").exists()
    if zipped:
        with zipfile.ZipFile(zipped) as archive:
            assert all(".." not in one and not one.startswith("/") for one in archive.namelist())
            assert not any(b"root:" in archive.read(one) for one in archive.namelist())


@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_hostile_source_archive_gets_nowhere(tmp_path: Path, kind: str) -> None:
    site = plain(tmp_path / "w", "./evil-1.0.tar.gz\n")
    files = {
        "evil-1.0/setup.py": "from setuptools import setup\nsetup(name='evil', version='1.0', py_modules=['evil'])\n",
        "evil-1.0/evil.py": "A = 1\n",
        "evil-1.0/PKG-INFO": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
    }
    tarball(tmp_path / "w/services/plain/evil-1.0.tar.gz", files, odd(kind, "evil-1.0"))
    try:
        zipped = site.build()["plain"].path
    except BuildFailed:
        zipped = ""
    assert_nothing_escaped(tmp_path, zipped)
    assert zipped or kind != "nothing odd"


@pytest.mark.parametrize("kind", ["slip", "link"])
def test_a_hostile_package_of_npm_gets_nowhere(tmp_path: Path, kind: str) -> None:
    site = Site(tmp_path / "w", workspace(service("web", "app.handler", "node")))
    site.write(
        {
            "services/web/app.js": "exports.handler = async () => require('evil');\n",
            "services/web/package.json": json.dumps({"name": "web", "dependencies": {"evil": "file:evil-1.0.0.tgz"}}),
        }
    )
    files = {
        "package/package.json": '{"name": "evil", "version": "1.0.0"}',
        "package/index.js": "module.exports = 1;\n",
    }
    tarball(tmp_path / "w/services/web/evil-1.0.0.tgz", files, odd(kind, "package"))
    locked = subprocess.run(
        ["npm", "install", "--package-lock-only", "--ignore-scripts"], cwd=tmp_path / "w/services/web", check=False
    )
    assert locked.returncode == 0
    try:
        zipped = site.build()["web"].path
    except BuildFailed:
        zipped = ""
    assert_nothing_escaped(tmp_path, zipped)


# ------------------------------------------------------------------------------------------ packages of other platforms

LOCKED = Locked(name="evil", version="1.0.0")


def packed(*entries: tarfile.TarInfo) -> bytes:
    """An archive of npm's with these entries after its package.json."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as archive:
        for one in (entry("package/package.json"), *entries):
            archive.addfile(one, io.BytesIO(b"A = 1\n") if one.isreg() else None)
    return content.getvalue()


@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_hostile_archive_for_another_platform_gets_nowhere(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "a/b/c/d/e"
    refused = pytest.raises(BuildFailed, match=r"the archive of evil 1\.0\.0 cannot be unpacked")
    with refused if kind == "slip" else contextlib.nullcontext():
        unpack(packed(odd(kind, "package")), place, LOCKED)
    found = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file() or path.is_symlink()}
    kept = {"nothing odd": "more.py", "absolute": "tmp/escaped-by-an-absolute-path.py"}
    assert found <= {"package.json", kept.get(kind, "package.json")}
    assert "more.py" in found or kind != "nothing odd"
    assert not pathlib.Path("/tmp/escaped-by-an-absolute-path.py").exists()
    assert not [path for path in tmp_path.rglob("escaped*") if not path.is_relative_to(place)]


def test_an_archive_of_far_too_many_files_is_refused_before_one_is_written(tmp_path: Path) -> None:
    many = packed(*(entry(f"package/{number}", tarfile.DIRTYPE) for number in range(70_000)))
    with pytest.raises(BuildFailed, match="holds more than 65,535 files or 1 GiB"):
        unpack(many, tmp_path / "place", LOCKED)
    assert not (tmp_path / "place").exists()


def test_an_archive_that_says_that_it_is_enormous_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    enormous = tarfile.TarInfo("package/zeros")
    enormous.size = 1 << 40
    content = io.BytesIO()
    with gzip.open(content, "wb") as file:
        file.write(enormous.tobuf())
    with pytest.raises(BuildFailed, match="holds more than 65,535 files or 1 GiB"):
        unpack(content.getvalue(), tmp_path / "place", LOCKED)
    assert not (tmp_path / "place").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(bytes(100)), packed()[:50]],
    ids=["nothing", "words", "zeros", "cut short"],  # what gzip writes has the time in it, and would be a name
)
def test_what_is_no_archive_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BuildFailed, match=r"the archive of evil 1\.0\.0 cannot be unpacked"):
        unpack(content, tmp_path / "place", LOCKED)


def test_a_hostile_package_for_another_platform_stops_its_build_and_nothing_else(tmp_path: Path) -> None:
    registry = Registry()
    slip = ODD["slip"].replace(name="package/../../../../escaped.py")
    for cpu, machine, evil in (("x64", X86_64, None), ("arm64", ARM64, slip)):
        files, limits = {"a.node": addon(machine)}, {"os": ["linux"], "cpu": [cpu]}
        registry.publish(f"@t/split-linux-{cpu}", "1.0.0", files, evil, main="a.node", **limits)
    both = {f"@t/split-linux-{cpu}": "1.0.0" for cpu in ("x64", "arm64")}
    registry.publish("@t/split", "1.0.0", {"index.js": ""}, main="index.js", optionalDependencies=both)
    site = Site(tmp_path / "w", workspace(service("split", "app.handler", "node")))
    code = "const it = require('@t/split');\nexports.handler = async () => typeof it;\n"
    site.write(
        {
            ".npmrc": f"@t:registry={registry.url}\ncache={tmp_path / 'npm'}\n",
            "package.json": '{"workspaces": ["services/*"]}',
            "services/split/package.json": '{"name": "s", "dependencies": {"@t/split": "1.0.0"}}',
            "services/split/app.js": code,
        }
    )
    lock(site, "npm", "install", "--package-lock-only", "--no-audit")
    targets = {"split": replace(site.targets["split"], architecture="arm64")}
    with pytest.raises(BuildFailed, match=r"the archive of @t/split-linux-arm64 1\.0\.0 cannot be unpacked"):
        site.builder().build(site.workspace, None, targets)
    registry.close()
    assert_nothing_escaped(tmp_path, "")
