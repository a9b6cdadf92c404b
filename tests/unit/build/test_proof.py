"""The proof before shipping: imports, native libraries, names, secrets."""

from __future__ import annotations

import struct

import pytest

from penstock.build import proof
from penstock.build.archive import ArchiveError, Member, pack, write
from penstock.build.proof_imports import Missing, Modules, Sound, missing
from penstock.build.stdlib import has_no_part, is_standard
from penstock.model.artifact import Target
from penstock.model.credentials import secret
from penstock.model.errors import BuildFailed

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


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, machine) + bytes(200)


def native(name: str, machine: int, version: str = "3.13", architecture: str = "x86_64", *more: Member) -> None:
    target = Target(language="python", version=version, architecture=architecture)  # type: ignore[arg-type]
    proof.check_native([pack(name, elf(machine)), *more], target, where="s")


@pytest.mark.parametrize(
    "name",
    ["a/_c.cpython-313-x86_64-linux-gnu.so", "a/_c.abi3.so", "a/_c.so", "a.libs/libz-1.so.1.2", "a/b.node"],
)
def test_native_libraries_for_the_target_pass(name: str) -> None:
    native(name, 62)
    native(name.replace("x86_64", "aarch64"), 183, "3.13", "arm64")


@pytest.mark.parametrize(
    ("name", "machine", "architecture", "message"),
    [
        ("a/_c.cpython-313-x86_64-linux-gnu.so", 62, "arm64", "made for x86_64, and the target is python3.13/arm64"),
        ("a/libz.so.1", 183, "x86_64", "made for arm64"),
        ("a/b.node", 40, "arm64", r"made for arm \(32 bits\)"),
        ("a/_c.cpython-312-x86_64-linux-gnu.so", 62, "x86_64", "made for Python 3.12, and the target is python3.13"),
        ("a/_c.cpython-313t-x86_64-linux-gnu.so", 62, "x86_64", "made for Python 3.13t"),
        ("a/_c.cpython-313-x86_64-linux-musl.so", 62, "x86_64", r"\(musl\)"),
    ],
)
def test_a_library_that_the_target_cannot_load_is_refused(
    name: str, machine: int, architecture: str, message: str
) -> None:
    with pytest.raises(BuildFailed, match=message):
        native(name, machine, "3.13", architecture)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (elf(62)[:40], "made for no processor .it is cut short."),
        (b"\x7fELF", "made for no processor .it is cut short."),
        (b"\x7fELF\x02\x02\x01" + bytes(9) + struct.pack(">HH", 3, 62) + bytes(200), r"x86_64 \(big-endian\)"),
        (b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HH", 3, 62) + bytes(200), r"x86_64 \(32 bits\)"),
    ],
)
def test_a_library_that_no_loader_takes_is_refused(content: bytes, message: str) -> None:
    target = Target(language="python", version="3.13", architecture="x86_64")
    with pytest.raises(BuildFailed, match=message):
        proof.check_native([pack("a/_c.so", content)], target, where="s")
    proof.check_native(
        [pack("a/_c.so", elf(62)), pack("a/empty.so", b""), pack("a/l.so", b"INPUT(-lc)")], target, where="s"
    )


def test_a_package_may_carry_libraries_for_several_pythons() -> None:
    other = pack("a/_c.cpython-313-x86_64-linux-gnu.so", elf(62))
    native("a/_c.cpython-312-x86_64-linux-gnu.so", 62, "3.13", "x86_64", other)


@pytest.mark.parametrize("head", [b"MZ\x90\x00", b"\xcf\xfa\xed\xfe"])
def test_a_library_of_another_system_is_refused(head: bytes) -> None:
    target = Target(language="node", version="22", architecture="arm64")
    with pytest.raises(BuildFailed, match="Lambda runs Linux"):
        proof.check_native([pack("a/b.node", head + bytes(100))], target, where="s")


@pytest.mark.parametrize(
    ("one", "other"), [("a/README.txt", "a/readme.txt"), ("straße.py", "STRASSE.py"), ("é.py", "e\u0301.py")]
)
def test_names_that_are_one_on_other_systems_are_refused(one: str, other: str) -> None:
    with pytest.raises(BuildFailed, match="would be one file"):
        proof.check_names([pack(one, b""), pack(other, b"")], where="s")


@pytest.mark.parametrize(
    ("one", "other"), [("thing", "thing/x.txt"), ("a/Data/x.txt", "a/data"), ("a", "a/b/c/d"), ("é", "e\u0301/x")]
)
def test_a_file_that_is_a_folders_namesake_is_refused(one: str, other: str) -> None:
    for both in ((one, other), (other, one)):
        with pytest.raises(BuildFailed, match="would be a file, and a folder with"):
            proof.check_names([pack(name, b"") for name in both], where="s")
    proof.check_names([pack(name, b"") for name in ("Data/x", "data/y", "thing", "things/thing")], where="s")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "C:\\x", "a//b", "", ".", "a\x00b", "a\nb", "a/."]
)
def test_names_that_would_escape_are_refused(name: str) -> None:
    with pytest.raises(ArchiveError):
        pack(name, b"")


def test_more_files_than_a_zip_holds_are_refused_before_anything_is_written() -> None:
    members = [Member(f"f{number}", 0, 0, 0, b"") for number in range(100_000)]
    with pytest.raises(ArchiveError, match="100000 files are more than a ZIP holds"):
        write(members, _Nowhere())


class _Nowhere:
    def write(self, data: bytes | memoryview, /) -> None:
        raise AssertionError(len(data))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx0\n", "a private key"),
        ("-----BEGIN PRIVATE KEY-----\r\nMIIEvQIBADANBgkqhk\n", "a private key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQdGBGUzO8QBEADc1pVx\n", "a private key"),
        (
            '{"private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"}',
            "a private key",
        ),
        (
            '"-----BEGIN EC PRIVATE KEY-----\\n"\n    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"',
            "a private key",
        ),
        ("github_pat_" + "1a" * 20, "a GitHub token"),
        ("aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY", "an AWS secret key"),
        ("aws = 'AKIAQ3EGUDPLZ5RXTWKB'", "an AWS access key"),
        ("ghp_" + "a" * 36, "a GitHub token"),
        ("sk_live_" + "1" * 24, "a Stripe key"),
    ],
)
def test_what_looks_like_a_secret_is_told_with_its_line(content: str, what: str) -> None:
    assert secret(f"\n\n{content}".encode()) == (what, 3)


@pytest.mark.parametrize(
    "content",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIE",
        "sk_test_1",
        "'-----BEGIN PRIVATE KEY-----', '-----END PRIVATE KEY-----'",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
def test_examples_and_certificates_are_no_secrets(content: str) -> None:
    assert secret(content.encode()) is None


@pytest.mark.parametrize(("path", "is_one"), [
    ("config/.env", True), (".env.production", True), ("a/id_rsa", True), (".env.example", False), ("env.py", False),
    (".envrc", True), ("prod.env", True), ("sample.env", False),
    ("a/live.auto.tfvars", True), ("terraform.tfvars.json", True), ("terraform.tfvars.md", False),
    ("terraform.tfstate", True), ("a.tfstate.backup", True), ("tfstate.py", False), ("envrc.py", False),
])  # fmt: skip
def test_files_that_hold_secrets_by_their_name(path: str, *, is_one: bool) -> None:
    assert proof.secret_file(path) is is_one


def test_a_name_that_comes_by_a_star_is_no_missing_one() -> None:
    ours = {"app.py": "from a import one, two\n", "a.py": "from b import *\n", "b.py": "one = 1\n"}
    (found,) = look(ours)
    assert found.module == "a.two"
