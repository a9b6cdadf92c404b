"""The same sources give the same SHA-256, Python and TypeScript alike, whatever differs about the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from build.mixed import Mixed

NOBODY = 65534


@pytest.fixture(scope="session")
def here(mixed_template: Path) -> dict[str, str]:
    """The digests that everything is compared with."""
    return Mixed(root=mixed_template).built()


def fresh_copy(template: Path, root: Path, *, backwards: bool = False) -> Mixed:
    """The sources and node_modules, file by file in one order or the other, without anything that was built."""
    left_out = shutil.ignore_patterns(".penstock", "dist", "built", "node_modules")
    sources = Path(shutil.copytree(template, root.with_name(f"{root.name}-sources"), symlinks=True, ignore=left_out))
    root.mkdir(parents=True, exist_ok=True)
    for path in sorted(sources.rglob("*"), reverse=backwards):
        if path.is_file():
            place = root / path.relative_to(sources)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    shutil.rmtree(sources)
    shutil.copytree(template / "node_modules", root / "node_modules", symlinks=True)
    return Mixed(root=root)


def test_another_place_with_a_long_name_of_the_worlds_letters(
    mixed_template: Path, here: dict[str, str], tmp_path: Path
) -> None:
    root = tmp_path / "my shöp 店 'one' $HOME" / ("deep/" * 10) / "w"
    root.parent.mkdir(parents=True)
    assert fresh_copy(mixed_template, root).built() == here


@pytest.mark.parametrize(
    "environ",
    [
        {"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"},
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "America/St_Johns", "PYTHONHASHSEED": "7"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "SOURCE_DATE_EPOCH": "1", "NODE_ENV": "production"},
    ],
    ids=["turkish", "c", "posix"],
)
def test_another_locale_time_zone_and_environment(mixed: Mixed, here: dict[str, str], environ: dict[str, str]) -> None:
    mixed.environ |= environ
    assert mixed.built("--clean") == here


def test_another_order_of_files_another_file_system_and_other_times(mixed_template: Path, here: dict[str, str]) -> None:
    """A tmpfs lists files in the order, turned round, in which they were made."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("there is no file system in memory here")
    for backwards in (False, True):
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            mixed = fresh_copy(mixed_template, Path(folder) / "w", backwards=backwards)
            for number, path in enumerate(sorted((mixed.root / "services").rglob("*"))):
                os.utime(path, (number * 1e8, number * 1e8))
            assert mixed.built() == here


@pytest.mark.parametrize("cpus", [1, 2])
def test_another_number_of_processors(mixed: Mixed, here: dict[str, str], cpus: int) -> None:
    taskset = shutil.which("taskset")
    if taskset is None or (os.cpu_count() or 1) < cpus:
        pytest.skip("there is no taskset here, or there are not so many processors")
    listed = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cpus]))
    assert mixed.built("--clean", before=(taskset, "-c", listed)) == here


def test_another_user_umask_home_and_empty_caches(mixed_template: Path, here: dict[str, str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        mixed = fresh_copy(mixed_template, Path(folder) / "w")
        home = Path(folder) / "home"
        home.mkdir()
        mixed.environ |= {"HOME": str(home), "UV_CACHE_DIR": str(home / "uv"), "npm_config_cache": str(home / "npm")}
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", folder], check=True)
        assert mixed.built(before=as_nobody(), umask=0o077) == here
        artifact = next((mixed.cache / "v1/zips").glob("*.zip"))
        assert artifact.stat().st_uid == NOBODY


def test_a_warm_cache_of_parts_gives_what_a_cold_one_gives(mixed: Mixed, here: dict[str, str]) -> None:
    mixed.edit("between")
    assert mixed.built() != here
    shutil.rmtree(mixed.cache / "v1/index/artifact")
    warm = mixed.built()
    assert mixed.built("--clean") == warm


def as_nobody() -> tuple[str, ...]:
    """Words in front of a command that make it somebody else, who may still read where root's Python lies."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("there is no setpriv here")
    words = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--clear-groups"]
    found = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", *words)
    if subprocess.run([*found, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("root may not become somebody else here")
    return found
