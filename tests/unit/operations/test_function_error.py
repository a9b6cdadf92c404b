"""What a function's own error looks like to the person whose code it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from unit.release.shop import Shop

from penstock.model.workspace import Package, Table
from penstock.operations.function_error import explain
from penstock.ports import Invocation
from penstock.testing import FakeFiles

if TYPE_CHECKING:
    from penstock.operations.world import World

TASK = "/var/task/"
STORE = f"/tmp/shop/.penstock/local/code/{'2c50780f' * 8}/"
LOG = """\
START RequestId: 1 Version: 2
said on the way
[ERROR] KeyError: 'TABLE_USERS'
END RequestId: 1
REPORT RequestId: 1\tDuration: 3 ms
"""


@pytest.fixture
def world() -> World:
    world = Shop().world()
    service = world.workspace.services[0]
    sources = (f"{service.path}/src/users/app.py", "packages/common/src/common/dynamo.py")
    tables = tuple(
        Table(name=name, physical=f"shop-dev-{name}", owner=owner, key={"id": "S"})
        for name, owner in (("members", service.name), ("other", "nobody"))
    )
    packages = (Package(name="common", path="packages/common", language="python"),)
    return replace(
        world,
        workspace=replace(world.workspace, tables=tables, packages=packages),
        files=FakeFiles({Path("/shop") / path: b"" for path in sources}),
    )


def told(world: World, payload: object, *, error: str | None = "Unhandled", log: str = LOG) -> list[str]:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    function = world.workspace.services[0].functions[0]
    return explain(world, function, Invocation(status=200, payload=text, error=error, version="2", log_tail=log))


def frame(root: str, path: str, line: int, name: str) -> str:
    return f'  File "{root}{path}", line {line}, in {name}\n    some()\n'


@pytest.mark.parametrize("root", [TASK, STORE])
def test_an_exception_is_told_once_with_the_files_of_the_workspace_innermost_first(world: World, root: str) -> None:
    trace = [
        frame(root, "aws_lambda_powertools/logging/logger.py", 554, "decorate"),
        frame(root, "users/app.py", 12, "handler"),
        frame(root, "common/dynamo.py", 39, "table_name"),
        frame("", "<frozen os>", 716, "__getitem__"),
    ]
    lines = told(world, {"errorType": "ValueError", "errorMessage": "too few", "stackTrace": trace})
    service = world.workspace.services[0].path
    assert lines == [
        "ValueError: too few",
        "  at packages/common/src/common/dynamo.py:39 in table_name",
        f"  at {service}/src/users/app.py:12 in handler",
    ]


def test_a_missing_variable_comes_with_those_that_the_function_has(world: World) -> None:
    lines = told(world, {"errorType": "KeyError", "errorMessage": "'TABLE_USERS'", "stackTrace": []})
    assert lines[0] == "KeyError: 'TABLE_USERS'"
    manifest = f"{world.workspace.services[0].path}/service.toml"
    assert f"  it has TABLE_MEMBERS; what a function may use stands in {manifest}" in lines
    lines = told(world, {"errorType": "KeyError", "errorMessage": "'QUEUE_MAIL'", "stackTrace": []})
    assert any("it has no QUEUE_…" in line for line in lines)


def test_a_key_of_the_codes_own_is_no_variable(world: World) -> None:
    lines = told(world, {"errorType": "KeyError", "errorMessage": "'id'", "stackTrace": []}, log="")
    assert lines == ["KeyError: 'id'"]


def test_a_module_that_fails_while_it_is_loaded_has_its_frames_in_the_log(world: World) -> None:
    where = frame(STORE, "users/app.py", 3, "<module>")
    log = f"[ERROR] RuntimeError: broken\nTraceback (most recent call last):\n{where}"
    lines = told(world, {"errorType": "RuntimeError", "errorMessage": "broken", "stackTrace": []}, log=log)
    service = world.workspace.services[0].path
    assert lines == ["RuntimeError: broken", f"  at {service}/src/users/app.py:3 in <module>"]


def test_frames_of_node_lose_the_folder_of_the_package(world: World) -> None:
    trace = ["Error: no such product", f"    at find (file://{STORE}index.mjs:1:2345)", "    at node:internal:5"]
    lines = told(world, {"errorType": "Error", "errorMessage": "no such product", "trace": trace}, log="")
    assert lines == ["Error: no such product", "  at find (index.mjs:1:2345)", "  at node:internal:5"]


def test_what_was_printed_stands_without_lambdas_own_lines(world: World) -> None:
    assert told(world, '{"statusCode": 503}', error=None, log="START x\nout of order\nEND x\nREPORT x") == [
        "out of order"
    ]


def test_an_answer_that_is_no_errors_json_is_quoted(world: World) -> None:
    assert told(world, "gone", log="") == ["Unhandled: gone"]
    assert told(world, '"gone"', log="") == ['Unhandled: "gone"']
