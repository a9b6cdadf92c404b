"""The proof before shipping: what our own code and locked packages import is there."""

from __future__ import annotations

import pytest

from penstock.build.proof_imports import Missing, Modules, Sound, missing
from penstock.build.stdlib import has_no_part, is_standard

LIBRARY = {
    "lib/__init__.py": "from .core import run\n",
    "lib/core.py": "import json\nfrom . import extra\n",
    "lib/extra.py": "",
}


def look(
    ours: dict[str, str], locked: dict[str, str] | None = None, version: str = "3.13", *provided: str
) -> list[Missing]:
    files = {**(LIBRARY if locked is None else locked), **ours}
    found = missing(
        ["app"], Modules(files), lambda path: files[path].encode(), ours, version=version, provided=provided
    )
    return list(found)


@pytest.mark.parametrize(
    "line",
    [
        "import json, os.path, pyexpat.errors, importlib.resources, xml.parsers.expat.model",
        "import lib.core as c",
        "from lib import run, extra",
        "from lib.core import *",
        "import boto3",
        "from botocore.config import Config",
        "try:\n    import ujson\nexcept ImportError:\n    import json as ujson",
        "try:\n    import a\nexcept (ValueError, ModuleNotFoundError):\n    a = None",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import mypy_boto3",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import uvloop",
        "import sys\nif sys.platform == 'win32':\n    import winreg_more",
        "from helpers import one",
        "import helpers\nhelpers.three = 3\nfrom helpers import three",
        "from package import part",
        "from package.part import two",
        "from data import files",
        "import native, stable, plain",
        "'''\nimport nothing\n'''",
        "import importlib\nextra = importlib.import_module('lib.extra')",
        "import importlib\nname = 'anything'\nimportlib.import_module(name)",
        "from importlib import import_module\ntry:\n    import_module('ujson')\nexcept ImportError: ...",
    ],
)
def test_what_resolves_or_is_provided_for_is_no_fault(line: str) -> None:
    ours = {
        "app.py": line,
        "helpers.py": "one, two = 1, 2",
        "package/__init__.py": "",
        "package/part.py": "from . import part\ntwo = 2",
        "data/files/a.py": "",
        "native.cpython-313-x86_64-linux-gnu.so": "",
        "stable.abi3.so": "",
        "plain.so": "",
    }
    assert look(ours) == []


@pytest.mark.parametrize(
    ("line", "module", "why"),
    [
        ("import requests", "requests", "neither in the ZIP nor part of Python 3.13"),
        ("class A:\n    import requests", "requests", "neither"),
        ("from lib.nothing import x", "lib.nothing", "no lib.nothing in the ZIP"),
        ("import helpers.deep", "helpers.deep", "no helpers.deep"),
        ("from helpers import three", "helpers.three", "helpers.py does not define three"),
        ("from helpers import hidden", "helpers.hidden", "helpers.py does not define hidden"),
        ("from . import helpers", ".", "lies in no package"),
        ("import cgi", "cgi", "neither"),
        ("import winreg", "winreg", "neither"),
        ("import os.nope", "os.nope", "os is a module of Python 3.13, and no package"),
        ("from types.nope import x", "types.nope", "no package"),
        ("import typing.re", "typing.re", "no package"),
        ("import windows", "windows", "neither"),
        ("import mac", "mac", "neither"),
        ("__import__('requests')", "requests", "neither"),
        ("import importlib; x = importlib.import_module('requests.adapters')", "requests.adapters", "neither"),
        ("import importlib; x = [importlib.import_module('lib.nothing')]", "lib.nothing", "no lib.nothing in the ZIP"),
        ("from spread.missing import x", "spread.missing", "no spread.missing in the ZIP"),
        ("import spread.missing", "spread.missing", "no spread.missing in the ZIP"),
    ],
)
def test_our_own_imports_that_find_nothing_are_told_with_their_line(line: str, module: str, why: str) -> None:
    (found,) = look(
        {"app.py": f"\n{line}\n", "helpers.py": "one = 1\ndef f():\n    hidden = 1", "spread/there/a.py": ""}
    )
    assert (found.file, found.module, found.certain, found.ours) == ("app.py", module, True, True)
    assert found.line == (3 if line.startswith("class") else 2)
    assert why in found.why


def test_only_what_the_handler_reaches_counts() -> None:
    assert look({"app.py": "import used", "used.py": "", "unused.py": "import requests"}) == []
    (found,) = look({"app.py": "import used", "used.py": "import requests"})
    assert found.file == "used.py"


def test_the_packages_that_a_handler_lies_in_run_before_it() -> None:
    files = {"users/__init__.py": "import requests", "users/api/__init__.py": "", "users/api/app.py": ""}
    (found,) = missing(["users.api.app"], Modules(files), lambda path: files[path].encode(), files, version="3.13")
    assert (found.file, found.module, found.certain) == ("users/__init__.py", "requests", True)


def test_an_import_by_a_dotted_text_begins_at_the_modules_package() -> None:
    files = {
        "users/__init__.py": "",
        "users/app.py": "import importlib\nimportlib.import_module('.late', __package__)\n",
    }
    modules = Modules(files)
    (found,) = missing(["users.app"], modules, lambda path: files[path].encode(), files, version="3.13")
    assert (found.line, found.module) == (2, "users.late")
    files["users/late.py"] = "import requests"
    (found,) = missing(["users.app"], Modules(files), lambda path: files[path].encode(), files, version="3.13")
    assert found.file == "users/late.py"


@pytest.mark.parametrize(
    "line", ["def handler(e, c):\n    return {}", "handler = lambda e, c: {}", "def handler(e, c=None, *more): ..."]
)
def test_a_function_that_imports_by_a_text_when_it_is_called_is_only_a_possible_fault(line: str) -> None:
    late = line.replace("{}", "__import__('requests')").replace("...", "__import__('requests')")
    (found,) = look({"app.py": late})
    assert (found.module, found.certain) == ("requests", False)


def test_an_import_in_a_function_is_only_a_possible_fault() -> None:
    (found,) = look({"app.py": "def handler(e, c):\n    import requests\n"})
    assert not found.certain
    (found,) = look({"app.py": "def handler(e, c):\n    import late\n", "late.py": "import requests"})
    assert (found.file, found.certain) == ("late.py", False)


def test_a_locked_package_that_lacks_what_it_always_imports_is_a_fault() -> None:
    (found,) = look({"app.py": "import lib"}, {"lib/__init__.py": '"""\nimport nothing\n"""\nimport gone\n'})
    assert (found.file, found.line, found.module, found.ours) == ("lib/__init__.py", 4, "gone", False)


@pytest.mark.parametrize(
    "text", ['"""\nfrom gone import x\n"""', "try:\n    import gone\nexcept ImportError: ...", "if x:\n    import gone"]
)
def test_what_a_locked_package_may_do_without_is_no_fault(text: str) -> None:
    assert look({"app.py": "import lib"}, {"lib/__init__.py": text}) == []
    assert (
        look({"app.py": "import lib.core"}, {"lib/__init__.py": "", "lib/core.py": "", "lib/gone.py": "import gone"})
        == []
    )


@pytest.mark.parametrize(
    ("text", "is_run"),
    [("sub_part = 1", True), ("x = 'pre_sub'", True), ("", True), ("sub = 1", False), ("x = (sub2, sub)", False)],
)
def test_a_submodule_runs_where_no_word_of_its_package_may_stand_for_it(text: str, *, is_run: bool) -> None:
    files = {"app.py": "from pkg import sub\n", "pkg/__init__.py": text, "pkg/sub.py": "import nowhere\n"}
    found = missing(["app"], Modules(files), lambda path: files[path].encode(), {"app.py"}, version="3.13")
    assert [one.module for one in found] == (["nowhere"] if is_run else [])


def test_packages_that_make_up_modules_while_they_run_are_believed() -> None:
    assert (
        look({"app.py": "from six_like.moves import urllib"}, {"six_like.py": "import sys\nsys.modules['x'] = 1"}) == []
    )
    assert look({"app.py": "import sys\nsys.path.insert(0, 'vendor')\nimport inner", "vendor/inner.py": ""}) == []


def test_what_a_layer_provides_is_named_by_the_person() -> None:
    assert look({"app.py": "import numpy.linalg"}, None, "3.13", "numpy") == []


def test_the_standard_library_is_that_of_the_target() -> None:
    assert is_standard("distutils", "3.11")
    assert not is_standard("distutils", "3.12")
    assert is_standard("tomllib", "3.11")
    assert not is_standard("tomllib", "3.10")
    assert not is_standard("requests", "3.13")
    assert is_standard("_thread", "3.13")
    assert not is_standard("_anything", "3.13")
    assert not is_standard("msvcrt", "3.13")


def test_parts_of_the_standard_library_are_those_of_its_packages() -> None:
    assert has_no_part("os.nope", "3.13")
    assert has_no_part("typing.re", "3.13")
    for module in ("os", "os.path", "json.decoder", "importlib.nope", "string.templatelib", "requests.api"):
        assert not has_no_part(module, "3.14")
    assert not has_no_part("typing.re", "3.12")
    assert not has_no_part("os.nope", "3.15"), "of which nobody knows yet"


def test_modules_of_macos_are_there_for_a_target_of_macos() -> None:
    assert Modules(["mac.cpython-313-darwin.so"], "darwin").has("mac")


def test_a_private_module_of_ours_has_to_be_there_as_any_other() -> None:
    assert [one.module for one in look({"app.py": "import _shared"})] == ["_shared"]
    assert [one.module for one in look({"app.py": "from _helpers import x"})] == ["_helpers"]
    assert (
        look({"app.py": "import _shared, _thread, __main__\nfrom __future__ import annotations", "_shared.py": ""})
        == []
    )
    assert look({"app.py": "import lib"}, {"lib.py": "import _of_another_python"}) == []


def test_what_one_service_is_provided_with_counts_for_no_other() -> None:
    files = {"app.py": b"import lib", "lib/__init__.py": b"import numpy"}
    known: dict[str, Sound] = {}

    def lacks(*provided: str) -> list[str]:
        read = files.__getitem__
        found = missing(["app"], Modules(files), read, {"app.py"}, version="3.13", provided=provided, known=known)
        return [one.module for one in found]

    assert lacks("numpy") == []
    assert lacks() == ["numpy"]
    assert lacks("numpy") == []


@pytest.mark.parametrize("reads", ["import settings", "from settings import A", "from namespace import settings"])
def test_what_a_module_of_one_service_answers_counts_for_no_other(reads: str) -> None:
    locked = {"lib.py": reads.encode(), "namespace/other.py": b""}
    known: dict[str, Sound] = {}

    def lacks(ours: dict[str, bytes]) -> list[str]:
        files = locked | ours
        found = missing(["app"], Modules(files), files.__getitem__, ours, version="3.13", known=known)
        return [one.module for one in found]

    broken = {"app.py": b"import lib", "settings.py": b"import nowhere", "namespace/settings.py": b"import nowhere"}
    whole = {"app.py": b"import lib", "settings.py": b"A = 1", "namespace/settings.py": b""}
    bare = {"app.py": b"import lib"}
    alone = ["settings"] if "namespace" not in reads else []
    for ours, expected in [(whole, []), (bare, alone), (broken, ["nowhere"]), (bare, alone), (whole, [])]:
        assert lacks(ours) == expected


def test_what_locked_packages_reach_among_themselves_is_read_once_for_all_services() -> None:
    files = {"app.py": b"import lib", "lib/__init__.py": b"import lib.core\nimport json", "lib/core.py": b""}
    known: dict[str, Sound] = {}
    was_read: list[str] = []

    def read(path: str) -> bytes:
        was_read.append(path)
        return files[path]

    for _ in range(2):
        assert missing(["app"], Modules(files), read, {"app.py"}, version="3.13", known=known) == ()
    assert was_read.count("lib/core.py") == 1


def test_a_name_that_comes_by_a_star_is_no_missing_one() -> None:
    ours = {"app.py": "from a import one, two\n", "a.py": "from b import *\n", "b.py": "one = 1\n"}
    (found,) = look(ours)
    assert found.module == "a.two"


@pytest.mark.parametrize("text", ["from .core import *", "import sys\nsys.modules[__name__] = make()", ""])
def test_which_names_a_locked_package_has_is_for_the_run_to_say(text: str) -> None:
    locked = {"lib/__init__.py": text, "lib/core.py": "one = 1\n"}
    assert look({"app.py": "from lib import one\n"}, locked) == []


@pytest.mark.parametrize("name", ["__spec__", "__annotations__", "__builtins__", "__path__"])
def test_what_python_gives_every_module_is_no_missing_name(name: str) -> None:
    assert look({"app.py": f"from package import {name}\n", "package/__init__.py": "one = 1\n"}) == []
    assert look({"app.py": f"from lib import {name}\n"}) == []
    assert look({"app.py": f"from spread import {name}\n", "spread/there.py": ""}) == []
    (found,) = look({"app.py": "from package import __one\n", "package/__init__.py": "one = 1\n"})
    assert found.module == "package.__one"


@pytest.mark.parametrize(
    "helper",
    [
        "import inspect\ndef declare(name):\n    inspect.stack()[1].frame.f_globals[name] = 1\n",
        "import sys\ndef declare(name):\n    sys._getframe(1).f_globals[name] = 1\n",
        "import inspect\ndef declare(name):\n    inspect.currentframe().f_back.f_locals[name] = 1\n",
        "import inspect\ndef declare(name):\n    setattr(inspect.getmodule(inspect.stack()[1][0]), name, 1)\n",
    ],
)
def test_a_name_that_a_helper_may_bind_in_its_callers_module_is_no_missing_one(helper: str) -> None:
    ours = {"app.py": "from names import ONE\n", "names.py": "from helper import declare\ndeclare('ONE')\n"}
    assert look({**ours, "helper.py": helper}) == []
    (found,) = look({**ours, "helper.py": "def declare(name): ...\n"})
    assert found.module == "names.ONE"
