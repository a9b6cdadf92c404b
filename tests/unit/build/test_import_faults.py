"""What is said about imports that find nothing."""

from __future__ import annotations

import pytest

from penstock.build.import_faults import not_found, unread
from penstock.build.proof_imports import Missing, Modules, missing

OURS = {"a/__init__.py": "s/src/a/__init__.py", "a/app.py": "s/src/a/app.py", "top/b.py": "s/src/top/b.py"}


def hint(module: str, *, ours: bool = True) -> str:
    one = Missing(file="a/app.py", line=1, module=module, why="?", ours=ours, certain=True)
    return not_found([one], OURS).hint


@pytest.mark.parametrize(
    ("module", "begins"),
    [
        ("a.app.helper", "a is s/src/a/__init__.py: write what it lacks"),
        ("a.nope", "a is s/src/a/__init__.py: write what it lacks"),
        ("top.b.helper", "top.b is s/src/top/b.py: write what it lacks"),
        ("..", "write the import without dots"),
    ],
)
def test_what_lies_in_ones_own_package_is_brought_by_nobody_else(module: str, begins: str) -> None:
    assert hint(module).startswith(begins)
    assert "provided" not in hint(module)


def test_what_is_not_ones_own_may_come_by_a_lock_or_a_layer() -> None:
    assert hint("requests.api") == (
        "add what has requests to the dependencies and lock again; "
        'if a layer brings it, in service.toml: [build] provided = ["requests"]'
    )
    assert 'provided = ["top.cloud"]' in hint("top.cloud"), "a namespace package, parts of which others may have"
    assert hint("lib", ours=False).startswith("lock what has lib")


def test_a_file_that_this_python_cannot_read_is_told() -> None:
    files = {"app.py": "import helpers\n", "helpers.py": "import json\nx = = 1\n"}
    told: dict[str, int] = {}
    read = lambda path: files[path].encode()  # noqa: E731
    assert missing(["app"], Modules(files), read, files, version="3.14", unread=told) == ()
    assert told == {"helpers.py": 2}
    text = unread({**told, "z.py": 1}, {"helpers.py": "s/helpers.py"}, "3.14")
    assert text.startswith("s/helpers.py:2 and 1 more: Python 3.")
    assert text.endswith("only where Python 3.14 is on this machine")
