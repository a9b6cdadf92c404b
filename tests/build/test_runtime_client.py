"""Artifacts as Lambda loads them: under the real runtime interface client where this machine can run them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from build.runtime_client import ARN, answer_of
from build.sites import Site, service, workspace

from penstock.ports import Command

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.adapters.commands import RealCommands

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
APP = """\
import boto3
import idna
from markupsafe import _speedups
from common import greet

def handler(event, context):
    return [greet(), idna.__version__, _speedups.__file__.rpartition('/')[2], event['x'], context.invoked_function_arn]

def wrong(event, context):
    raise KeyError('x')
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with what Lambda's runtime has: the interface client and the SDK."""
    from penstock.adapters.commands import RealCommands  # noqa: PLC0415 - the fixture's own need

    place = tmp_path_factory.mktemp("runtime") / "venv"
    commands = RealCommands()
    uv = str(commands.find("uv"))
    _run(commands, uv, "venv", "--quiet", "--python", sys.executable, str(place))
    _run(commands, uv, "pip", "install", "--quiet", "--python", str(place), "awslambdaric", "boto3")
    return place / "bin/python"


def _run(commands: RealCommands, *argv: str) -> None:
    result = commands.run(Command(argv=argv, timeout=300))
    if result.status != 0:
        pytest.skip(f"the runtime interface client cannot be installed here: {result.stderr}")


@pytest.fixture
def built(tmp_path: Path) -> str:
    site = Site(tmp_path / "w", workspace(service("plain", "src/app.handler")))
    site.versions["python"] = VERSION
    site.write(
        {
            "services/plain/src/app.py": APP,
            "services/plain/requirements.txt": (
                "idna==3.10\nmarkupsafe==3.0.2\nboto3==1.40.0\n-e ../../packages/common\n"
            ),
            "packages/common/setup.py": "from setuptools import setup\nsetup(name='common', py_modules=['common'])\n",
            "packages/common/common.py": "def greet():\n    return 'hello'\n",
        }
    )
    return site.build()["plain"].path


def test_an_artifact_runs_under_lambdas_runtime_interface_client(runtime: Path, built: str, tmp_path: Path) -> None:
    answer = answer_of(runtime, built, "src/app.handler", {"x": 1}, tmp_path / "task")
    tag = f"cpython-{VERSION.replace('.', '')}"
    hello, version, library, x, arn = answer["response"]
    assert (hello, version, x, arn) == ("hello", "3.10", 1, ARN)
    assert tag in library


def test_a_fault_of_a_function_comes_back_as_one(runtime: Path, built: str, tmp_path: Path) -> None:
    assert answer_of(runtime, built, "src/app.wrong", {}, tmp_path / "task")["error"]["errorType"] == "KeyError"
