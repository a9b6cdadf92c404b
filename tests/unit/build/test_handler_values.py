"""Whether a handler is there, and what it is in the end: through names and modules of one's own."""

from __future__ import annotations

import pytest

from penstock.build import proof_imports
from penstock.build.handlers import check_python_handler
from penstock.build.proof_imports import Modules, undefined
from penstock.model.errors import BuildFailed


def check(source: str) -> None:
    check_python_handler("app.handler", {"app.py": source.encode()}, where="s")


def faults(app: str, core: str) -> list[tuple[str, str, str]]:
    ours = {"api/__init__.py": b"", "api/app.py": app.encode(), "api/core.py": core.encode()}
    files = {**ours, "locked.py": b"async def handler(e, c): ..."}
    found = proof_imports.uncallable(["api.app.handler"], Modules(files), files.__getitem__, ours)
    return [(fault.path, fault.name, fault.what.partition(",")[0]) for _, fault in found]


@pytest.mark.parametrize(
    "source",
    [
        "(handler := lambda e, c: 1)",
        "for handler in [lambda e, c: 1]: ...",
        "match 1:\n    case _:\n        def handler(e, c): ...",
        "globals()['handler'] = lambda e, c: 1",
        "def setup():\n    global handler\n    handler = lambda e, c: 1\nsetup()",
        "exec('def handler(e, c): ...')",
        "handler = None\ndef setup():\n    global handler\n    handler = lambda e, c: 1\nsetup()",
        "handler = None\nfor handler in [lambda e, c: 1]: ...",
        "handler = None\n(handler := lambda e, c: 1)",
        "handler = None\nfrom core import *",
        "async def handler(e, c): ...\nglobals()['handler'] = awaited(handler)",
        "async def main(e, c): ...\nhandler = awaited(main)",
        "async def main(e, c): ...\nmain = awaited(main)\nhandler = main",
        "def main(e, c): ...\nhandler = main\nasync def main(): ...",
        "@awaited\nasync def main(e, c): ...\nhandler = main",
        "if x:\n    main = 5\nelse:\n    def main(e, c): ...\nhandler = main",
        "class main: ...\nhandler = main",
        "def main(e, c):\n    yield 1\nhandler = main",
        "handler = handler_of_builtins",
    ],
)
def test_a_handler_that_may_be_called_passes(source: str) -> None:
    check(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("async def main(e, c): ...\nhandler = main", "main in app.py is a coroutine function"),
        ("x = 5\ny = x\nhandler = y", "x in app.py is 5, which cannot be called"),
        ("async def main(e, c): ...\nhandler: object = main\ndef main(e, c): ...", "main in app.py is a coroutine"),
        ("def main(event): ...\nother = handler = main", "main in app.py does not take event and context"),
        ("def f():\n    handler = 1", "app.py does not define handler"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import handler", "does not define handler"),
        ("def handler(e, c): ...\ndel handler", "app.py does not define handler"),
    ],
)
def test_a_handler_that_is_another_name_for_what_cannot_be_called_is_refused(source: str, message: str) -> None:
    with pytest.raises(BuildFailed, match=message):
        check(source)


@pytest.mark.parametrize(
    ("app", "core", "found"),
    [
        ("from .core import handler", "async def handler(e, c): ...", ("handler", "is a coroutine function")),
        ("from .core import handler", "handler = 5", ("handler", "is 5")),
        ("from api.core import run as handler", "def run(event): ...", ("run", "does not take event and context")),
        ("from api.core import run\nhandler = run", "async def f(): ...\nrun = f", ("f", "is a coroutine function")),
        ("from api.core import handler", "from api.app import handler", None),
        ("from api.core import handler", "from locked import handler", None),
        ("from api.core import *", "handler = 5", None),
        ("from api.core import handler", "def handler(e, c): ...", None),
        ("from api.core import handler", "handler = wrap(5)", None),
        ("from api import core\ncore.handler = 1\nfrom api.core import handler", "handler = None", None),
        ("try:\n    from api.core import handler\nexcept ImportError: ...", "handler = 5", None),
        ("from api.core import handler", "handler = = 5", None),
    ],
)
def test_a_handler_is_followed_into_modules_of_ours(app: str, core: str, found: tuple[str, str] | None) -> None:
    expected = [] if found is None else [("api/core.py", *found)]
    assert faults(app, core) == expected


@pytest.mark.parametrize(
    "source",
    [
        "handler = 1",
        "handler = 'x'",
        "def handler(e, c): ...\nhandler = {}",
        "handler: int = 3",
        "handler = (run, 1)",
        "handler = -1",
        "handler = [one for one in many]",
    ],
)
def test_a_handler_that_cannot_be_called_is_refused(source: str) -> None:
    with pytest.raises(BuildFailed, match="cannot be called"):
        check_python_handler("app.handler", {"app.py": source.encode()}, where="s")


def test_a_handler_that_becomes_callable_in_the_end_is_found() -> None:
    check_python_handler("app.handler", {"app.py": b"handler = None\ndef handler(e, c): ..."}, where="s")


@pytest.mark.parametrize(
    "source",
    [
        "def handler(): ...",
        "def handler(event): ...",
        "def handler(event, context, more): ...",
        "def handler(event, *, context): ...",
        "def handler(event, context, *, more): ...",
    ],
)
def test_a_handler_that_does_not_take_event_and_context_is_refused(source: str) -> None:
    with pytest.raises(BuildFailed, match="does not take event and context"):
        check_python_handler("app.handler", {"app.py": source.encode()}, where="s")


@pytest.mark.parametrize(
    "source",
    [
        "def handler(*words): ...",
        "def handler(event, *rest, **more): ...",
        "def handler(event, context, more=None, *, further=1): ...",
        "@wrapped\ndef handler(): ...",
        "def handler(event): ...\nhandler = wrapped(handler)",
    ],
)
def test_a_handler_that_takes_two_arguments_somehow_passes(source: str) -> None:
    check_python_handler("app.handler", {"app.py": source.encode()}, where="s")


def test_a_coroutine_that_nobody_awaits_is_refused_and_one_that_a_decorator_runs_passes() -> None:
    with pytest.raises(BuildFailed, match="Lambda does not await") as caught:
        check_python_handler("app.handler", {"app.py": b"async def handler(e, c): ..."}, where="s")
    assert "asyncio.run" in caught.value.hint
    check_python_handler("app.handler", {"app.py": b"@awaited\nasync def handler(e, c): ..."}, where="s")


@pytest.mark.parametrize(
    ("core", "is_there"),
    [
        ("def handler(e, c): ...\n", True),
        ("from .deeper import *\n", True),
        ("from .app import *\nfrom .deeper import handler\n", True),
        ("__all__ = ['handler']\nhandler = make()\n", True),
        ("def __getattr__(name): ...\n", True),
        ("from locked import *\n", True),
        ("def handle(e, c): ...\n", False),
        ("from .deeper import other\n", False),
        ("from .app import *\n", False),
    ],
)
def test_a_handler_that_comes_by_a_star_is_looked_for_behind_it(core: str, *, is_there: bool) -> None:
    ours = {
        "api/__init__.py": "",
        "api/app.py": "from .core import *\n",
        "api/core.py": core,
        "api/deeper.py": "def handler(e, c): ...\nother = 1\n",
    }
    files = {**ours, "locked.py": "x = 1\n"}
    found = undefined(
        ["api.app.handler"], Modules(files), lambda path: files[path].encode(), ours.keys(), version="3.13"
    )
    assert found == (() if is_there else ("api.app.handler",))
