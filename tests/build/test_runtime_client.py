"""Artifacts as Lambda loads them: under the real runtime interface client where this machine can run them."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import pytest
from build.runtime_client import ARN, answer_of
from build.sites import Site, service, workspace

from penstock.adapters.commands import RealCommands
from penstock.adapters.interpreters import RealInterpreters
from penstock.build import archive
from penstock.build.handlers import check_python_handler
from penstock.model.artifact import Target
from penstock.model.errors import BuildFailed
from penstock.ports import Command

if TYPE_CHECKING:
    from pathlib import Path

HERE: Final[Literal["arm64", "x86_64"]] = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
CALLED = (
    "def handler(event, context):\n    return 1\n",
    "handler = lambda *given: 1\n",
    "import functools\ndef run(one, event, context):\n    return one\nhandler = functools.partial(run, 1)\n",
    "class App:\n    def __call__(self, event, context):\n        return 1\nhandler = App()\n",
    (
        "import asyncio\ndef awaited(f):\n    return lambda e, c: asyncio.run(f(e, c))\n"
        "@awaited\nasync def handler(event, context):\n    return 1\n"
    ),
    "(handler := lambda event, context: 1)\n",
    "handler = None\nfor handler in [lambda event, context: 1]:\n    pass\n",
    "globals()['handler'] = lambda event, context: 1\n",
    "handler = None\ndef begin():\n    global handler\n    handler = lambda event, context: 1\nbegin()\n",
)
REFUSED = (
    "async def handler(event, context):\n    return 1\n",
    "def handler(event):\n    return 1\n",
    "def handler(event, context, *, more):\n    return 1\n",
    "handler = {'a': 1}\n",
    "async def main(event, context):\n    return 1\nhandler = main\n",
    "def handler(event, context):\n    return 1\ndel handler\n",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from json import loads as handler\n",
    "",
)
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


@dataclass(frozen=True, slots=True)
class Runtime:
    """Lambda's runtime of one version of Python."""

    version: str
    python: Path


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13", "3.14"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A Python with what Lambda's runtime has: the interface client and the SDK."""
    folder, commands = tmp_path_factory.mktemp("runtime"), RealCommands()
    interpreter = RealInterpreters(commands, folder / "interpreters.json").find(f"python{request.param}")
    if interpreter is None:
        pytest.skip(f"there is no Python {request.param} here")
    uv, place = str(commands.find("uv")), folder / "venv"
    _run(commands, uv, "venv", "--quiet", "--python", str(interpreter), str(place))
    _run(commands, uv, "pip", "install", "--quiet", "--python", str(place), "awslambdaric", "boto3")
    return Runtime(version=request.param, python=place / "bin/python")


def _run(commands: RealCommands, *argv: str) -> None:
    result = commands.run(Command(argv=argv, timeout=300))
    if result.status != 0:
        pytest.skip(f"the runtime interface client cannot be installed here: {result.stderr}")


@pytest.fixture(scope="module")
def built(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An artifact for that Python and for this machine's processor."""
    site = Site(tmp_path_factory.mktemp("site"), workspace(service("plain", "src/app.handler")))
    site.write(
        {
            "services/plain/src/app.py": APP,
            "services/plain/requirements.txt": (
                "idna==3.10\nmarkupsafe==3.0.3\nboto3==1.40.0\n-e ../../packages/common\n"
            ),
            "packages/common/setup.py": "from setuptools import setup\nsetup(name='common', py_modules=['common'])\n",
            "packages/common/common.py": "def greet():\n    return 'hello'\n",
        }
    )
    target = Target(language="python", version=runtime.version, architecture=HERE)
    return site.builder().build(site.workspace, None, {"plain": target})[0].path


def test_an_artifact_runs_under_lambdas_runtime_interface_client(runtime: Runtime, built: str, tmp_path: Path) -> None:
    answer = answer_of(runtime.python, built, "src/app.handler", {"x": 1}, tmp_path / "task")
    hello, version, library, x, arn = answer["response"]
    assert (hello, version, x, arn) == ("hello", "3.10", 1, ARN)
    assert f"cpython-{runtime.version.replace('.', '')}" in library


def test_a_fault_of_a_function_comes_back_as_one(runtime: Runtime, built: str, tmp_path: Path) -> None:
    answer = answer_of(runtime.python, built, "src/app.wrong", {}, tmp_path / "task")
    assert answer["error"]["errorType"] == "KeyError"


@pytest.mark.parametrize("runtime", [f"{sys.version_info[0]}.{sys.version_info[1]}"], indirect=True)
@pytest.mark.parametrize("source", [*CALLED, *REFUSED])
def test_the_proof_and_the_client_agree_on_what_can_be_called(runtime: Runtime, tmp_path: Path, source: str) -> None:
    path = tmp_path / "artifact.zip"
    with path.open("wb") as file:
        archive.write([archive.pack("app.py", source.encode())], file)
    answer = answer_of(runtime.python, str(path), "app.handler", {}, tmp_path / "task")
    if source in CALLED:
        check_python_handler("app.handler", {"app.py": source.encode()}, where="")
        assert answer == {"response": 1}
    else:
        with pytest.raises(BuildFailed):
            check_python_handler("app.handler", {"app.py": source.encode()}, where="")
        assert "error" in answer
