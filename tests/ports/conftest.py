"""Every port twice: the shipped fake, and the real adapter against the embedded AWS."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest
from ports.places import ACCOUNT, NAMES, REGION, EmbeddedPlace, Endpoint, FakePlace, Keys, Place

from penstock.adapters.aws.session import AwsSession

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """An embedded AWS of its own, on a port that was free a moment ago."""
    folder: Path = tmp_path_factory.mktemp("aws")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "penstock.localaws", "--port", str(port), "--state", str(folder / "state")]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, folder / "log")
            yield Endpoint(url)
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def embedded(endpoint: Endpoint) -> EmbeddedPlace:
    return EmbeddedPlace(AwsSession(account=ACCOUNT, region=REGION, endpoint=endpoint.url))


@pytest.fixture(params=["fake", "embedded"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "fake":
        return FakePlace()
    found: EmbeddedPlace = request.getfixturevalue("embedded")
    return found


@pytest.fixture(params=["fake", "embedded", "file"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Keys:
    """A fake, the embedded AWS's KMS, and local keys."""
    if request.param == "file":
        return Keys(None, tmp_path)
    return Keys(request.getfixturevalue("embedded") if request.param == "embedded" else FakePlace(), tmp_path)


@pytest.fixture
def name() -> str:
    """A name that no other test of this run uses."""
    return f"ports-{next(NAMES)}"


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the embedded AWS ended: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{url}/_penstock/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the embedded AWS does not answer: {log.read_text()[-2000:]}")
