"""Every function of ministack that we wrap is still the one that the wrapper was written for.

An upgrade that changes a wrapped function's parameters stops the server at start; one that changes what it does fails
here, by name. Read the function's new text beside its wrapper, then record it:

    uv run python tests/localaws/test_ministack_contract.py > tests/localaws/ministack_contract.json
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from penstock.localaws.persistence import COPIED

RECORDED = Path(__file__).with_name("ministack_contract.json")
READ = """
import inspect, json, pathlib, sys, tempfile
from penstock.localaws import ministack_api, rehearsal, server
from penstock.localaws.settings import Settings

settings = Settings(port=1, state=pathlib.Path(tempfile.mkdtemp()))
ministack = ministack_api.load(settings)
for install in server.EXTENSIONS.values():
    install(ministack, settings)
rehearsal.Rehearsal().install(ministack)
found = {}
for wrapped in ministack.wrapped:
    function = getattr(sys.modules[wrapped.module], wrapped.name)
    text = inspect.getsource(inspect.unwrap(function))
    found[f"{wrapped.module}.{wrapped.name}"] = {"signature": wrapped.signature, "text": text}
print(json.dumps(found))
"""


@cache
def present() -> dict[str, dict[str, str]]:
    """The wrapped functions of the ministack that is installed: signature and digest of what the code does."""
    done = subprocess.run([sys.executable, "-c", READ], check=True, capture_output=True, text=True)
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return {
        name: {"does": digest(each["text"]), "signature": each["signature"]} for name, each in sorted(found.items())
    }


def digest(text: str) -> str:
    """Of the code alone: comments, docstrings and layout may change."""
    tree = ast.parse(textwrap.dedent(text))
    for node in ast.walk(tree):
        body: Any = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0].value.value = ""
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def recorded() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    return found


@pytest.mark.parametrize("name", sorted(recorded()))
def test_a_wrapped_function_is_the_one_that_its_wrapper_was_written_for(name: str) -> None:
    assert present().get(name) == recorded()[name], (
        f"{name} of ministack changed, or is no longer wrapped: read it beside its wrapper, then record it (see above)"
    )


def test_every_wrapped_function_is_recorded() -> None:
    assert sorted(present()) == sorted(recorded())


def test_ministack_is_the_pinned_one() -> None:
    assert importlib.metadata.version("ministack") == "1.5.33"


def test_a_changed_signature_stops_the_server_and_names_the_function() -> None:
    code = (
        "import types\n"
        "from penstock.localaws.ministack_api import Ministack, MinistackChangedError\n"
        "module = types.ModuleType('ministack.services.some')\n"
        "module.work = lambda name, data=None: None\n"
        "fields = {n: module for n in Ministack.__dataclass_fields__ if n not in ('wrapped', 'state_modules')}\n"
        "for name, signature in (('work', '(name, data)'), ('gone', '()')):\n"
        "    try:\n"
        "        Ministack(**fields).wrap(module, name, signature, lambda original: original)\n"
        "    except MinistackChangedError as error:\n"
        "        print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "ministack.services.some.work(name, data=) is not the (name, data)" in said
    assert "ministack.services.some.gone is gone" in said


if __name__ == "__main__":
    json.dump(present(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


def test_services_leave_their_state_as_it_is_when_it_is_gathered_without_a_copy() -> None:
    """All but those that `COPIED` names give what they have, or a new dict of it; read those that come along."""
    read_by_us = {"dynamodb", "kms", "lambda_svc", "route53", "s3"}
    spec = importlib.util.find_spec("ministack")
    assert spec is not None
    assert spec.origin is not None
    services = Path(spec.origin).parent / "services"
    changing = set()
    for path in services.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name == "get_state":
                told = [line for line in node.body if not isinstance(line, ast.Expr | ast.Import | ast.ImportFrom)]
                if [type(line) for line in told] != [ast.Return]:
                    changing.add(path.stem)
    assert changing == COPIED | read_by_us
