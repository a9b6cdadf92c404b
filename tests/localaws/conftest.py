from __future__ import annotations

import secrets
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from localaws.harness import Account, Server
from localaws.terraform_run import run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from localaws.terraform_run import Step


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One embedded AWS for all tests that do not stop it; each of them has an account of its own."""
    running = Server(tmp_path_factory.mktemp("localaws") / "state")
    running.start()
    yield running
    running.end(signal.SIGTERM)


@pytest.fixture
def account(server: Server) -> Account:
    return Account(server, f"{secrets.randbelow(9 * 10**11) + 10**11}")


@pytest.fixture
def other_account(server: Server) -> Account:
    return Account(server, f"{secrets.randbelow(9 * 10**11) + 10**11}")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """An embedded AWS that the test may kill."""
    running = Server(tmp_path / "state")
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.end(signal.SIGKILL)


@pytest.fixture
def program() -> Callable[[str], str]:
    """A program that must be on the machine; skips, with the reason, when it is not."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not on this machine")
        return found

    return find


@pytest.fixture(scope="session", autouse=True)
def terraform_run(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[list[Step]] | None]:
    """Terraform's steps, begun before the first test: the provider mostly waits, and the other tests run meanwhile."""
    if not any(item.get_closest_marker("terraform") for item in request.session.items):
        yield None
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(run_all, server, tmp_path_factory.mktemp("terraform"))
