"""Builds that are killed, interrupted, starved or crowded: nothing wrong or torn comes of it, and on it goes."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from build.mixed import Mixed
from build.sites import eventually
from disks import fill, make_room, read_only, small_disk

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

NO_NETWORK = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"), "http://127.0.0.1:9"),
    "UV_HTTP_RETRIES": "0",
    "npm_config_fetch_retries": "0",
}
"""An index that is down, without the patience of uv and npm."""


@pytest.fixture(scope="session")
def after(mixed_template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a clean build makes of the workspace once it was edited."""
    root = shutil.copytree(mixed_template, tmp_path_factory.mktemp("after") / "w", symlinks=True)
    edited = Mixed(root=root)
    edited.edit("after")
    return edited.built("--clean")


def test_a_build_that_is_killed_leaves_nothing_torn_and_the_next_one_is_as_a_clean_one(
    mixed: Mixed, after: dict[str, str]
) -> None:
    mixed.edit("after")
    began = time.monotonic()
    assert mixed.built("--clean") == after
    whole = time.monotonic() - began
    for share in (0.3, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95):
        process = mixed.start("--clean")
        time.sleep(whole * share)
        process.kill()
        process.communicate()
        assert mixed.torn() == []
        if share in {0.55, 0.75, 0.95}:
            assert mixed.built() == after
    assert mixed.built() == after
    assert mixed.torn() == []


@pytest.mark.parametrize("step", ["build package common", "npm run build", "build users", "build catalog"])
def test_ctrl_c_ends_a_build_with_130_and_the_next_one_goes_on(mixed: Mixed, after: dict[str, str], step: str) -> None:
    mixed.edit("after")
    shutil.rmtree(mixed.cache / "v1/index/package")  # so that it has scripts to run
    process = mixed.start()
    assert read_up_to(process, step)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert said.startswith("error: interrupted")
    assert "Traceback" not in said
    assert mixed.torn() == []
    assert mixed.built() == after


def test_what_a_killed_build_left_running_is_waited_for(mixed: Mixed, after: dict[str, str]) -> None:
    mixed.edit("after")
    script = mixed.root / "packages/made/package.json"
    slowly = "mkdir ../../busy || touch ../../both; while [ -e ../../hold ]; do sleep 0.02; done; mkdir -p dist"
    text = script.read_text().replace("mkdir -p dist", slowly).replace("../../built", "../../built; rmdir ../../busy")
    script.write_text(text)
    (mixed.root / "hold").touch()
    process = mixed.start()
    assert eventually((mixed.root / "busy").exists)
    process.kill()
    process.communicate()
    waiting = mixed.start()
    assert read_up_to(waiting, "wait"), "nobody could tell the script that its build is dead"
    (mixed.root / "hold").unlink()
    said = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, said
    assert not (mixed.root / "both").exists(), "two wrote into one folder"
    assert mixed.built() == after


def test_a_disk_without_room_is_told_and_nothing_on_it_is_torn(mixed: Mixed, after: dict[str, str]) -> None:
    mixed.edit("after")
    with small_disk(mixed.root, 8 << 20) as disk:
        for left in (0, 4096, 16384, 65536, 131072):
            fill(disk, left)
            ended = mixed.build()
            assert ended.status in {0, 1}, ended
            if ended.status == 1:
                assert "No space left on device" in ended.stderr, ended
                assert "make room" in ended.stderr, ended
                assert "Traceback" not in ended.stderr
            else:
                assert ended.digests == after
            assert mixed.torn() == []
            make_room(disk)
        assert mixed.built() == after


def test_builds_at_once_in_one_workspace_make_the_same(mixed: Mixed, after: dict[str, str]) -> None:
    mixed.edit("after")
    for kind in ("artifact", "wheel", "installation", "export", "package"):
        shutil.rmtree(mixed.cache / "v1/index" / kind)
    shutil.rmtree(mixed.cache / "v1/zips")
    shutil.rmtree(mixed.root / "node_modules")
    at_once = [mixed.start() for _ in range(3)]
    said = [process.communicate(timeout=120) for process in at_once]
    assert [process.returncode for process in at_once] == [0, 0, 0], [err for _, err in said]
    assert "".join(out for out, _ in said).count('"event": "step-finished", "step": "npm install"') == 1
    assert mixed.torn() == []
    again = mixed.build()
    assert again.digests == after
    assert {event["from"] for event in again.events if event["event"] == "artifact"} == {"cache"}


def test_a_clean_build_beside_another_one_disturbs_it_not(mixed: Mixed, after: dict[str, str]) -> None:
    mixed.edit("after")
    for _ in range(3):
        at_once = [mixed.start(), mixed.start("--clean"), mixed.start("--clean")]
        said = [process.communicate(timeout=120) for process in at_once]
        assert [process.returncode for process in at_once] == [0, 0, 0], [err for _, err in said]
        assert mixed.torn() == []
    assert mixed.built() == after


def test_a_cache_that_cannot_be_written_gives_what_it_has_and_says_why_it_takes_no_more(
    mixed: Mixed, after: dict[str, str]
) -> None:
    before = mixed.built()
    with read_only(mixed.root / ".penstock"):
        assert mixed.built() == before
        mixed.edit("after")
        refused = mixed.build()
        assert refused.status == 1
        assert "cannot write to the build cache" in refused.stderr
        assert "make the folder writable" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert refused.digests == {}
    assert mixed.built() == after


def test_an_index_that_is_down_is_not_missed_when_everything_was_downloaded_before(
    mixed: Mixed, after: dict[str, str]
) -> None:
    mixed.edit("after")
    mixed.environ |= NO_NETWORK
    assert mixed.built("--clean") == after


def test_an_index_that_is_down_is_named_when_something_is_missing(mixed: Mixed, tmp_path: Path) -> None:
    mixed.environ |= NO_NETWORK
    mixed.environ["UV_CACHE_DIR"] = str(tmp_path / "uv")
    shutil.rmtree(mixed.root / ".penstock")
    refused = mixed.build("services")
    assert refused.status == 1
    assert "Traceback" not in refused.stderr
    assert "uv could not install the locked packages for python3.11/x86_64" in refused.stderr
    assert "Failed to fetch: https://pypi.org/simple/idna/" in refused.stderr
    assert "→ what is missing was not downloaded before, and its index is not in reach" in refused.stderr
    assert mixed.torn() == []


def test_a_registry_that_is_down_is_named_when_packages_must_be_installed(mixed: Mixed, tmp_path: Path) -> None:
    mixed.environ |= NO_NETWORK
    mixed.environ["npm_config_cache"] = str(tmp_path / "npm")
    mixed.edit("after")
    shutil.rmtree(mixed.root / "node_modules")
    refused = mixed.build("catalog")
    assert refused.status == 1
    assert "npm could not install the locked packages" in refused.stderr
    assert "its index is not in reach" in refused.stderr
    assert "    at " not in refused.stderr, "places in npm's own code"
    assert "Traceback" not in refused.stderr


# ------------------------------------------------------------------------------------------ helpers


def read_up_to(process: subprocess.Popen[str], step: str) -> bool:
    """Read what the build tells until it begins that step; whether it did."""
    assert process.stdout is not None
    return any(f'"step": "{step}"' in line for line in iter(process.stdout.readline, ""))


def test_a_build_goes_on_whoever_sits_at_the_port_of_the_embedded_aws(mixed: Mixed) -> None:
    """Another workspace's embedded AWS, say: ours does not run, so there is nobody who could have built it."""
    settings = mixed.root / "penstock.toml"
    settings.write_text(settings.read_text().replace("build_cache = false", 'endpoint = "local"'))
    mixed.edit("after")
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        mixed.environ["PENSTOCK_LOCAL_PORT"] = str(stranger.server_port)
        ended = mixed.build("orders")
        stranger.shutdown()
    assert ended.status == 0, ended
    assert set(ended.digests) == {"orders"}
