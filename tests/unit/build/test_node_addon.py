"""An addon (`.node`) says by its symbols for which machine, C library and version of Node.js it is."""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from build.native import ARM64, X86_64, addon, bound

from penstock.build import elf, libc, node_addon, proof
from penstock.build.archive import pack
from penstock.model.artifact import Target
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.model.workspace import Language

STRUCT = addon(imports=("node_module_register", "_ZN2v86String11NewFromUtf8E"), node_module=115)


def made_for(content: bytes, path: str = "a.node", version: str = "20", architecture: str = "x86_64") -> str:
    target = Target(language="node", version=version, architecture=architecture)  # type: ignore[arg-type]
    return node_addon.made_for(path, content, target)


@pytest.mark.parametrize("version", ["20", "22", "24"])
@pytest.mark.parametrize(
    "content",
    [
        addon(),
        addon(imports=("napi_module_register",)),
        addon(exports=("napi_register_module_v1",), imports=()),
        addon(imports=("malloc",)),
    ],
    ids=["calls", "registers itself", "is registered", "says nothing"],
)
def test_one_that_uses_node_api_is_for_every_version_of_node(content: bytes, version: str) -> None:
    assert made_for(content, version=version) == ""


@pytest.mark.parametrize("content", [bound(115), STRUCT], ids=["symbol", "node_module"])
def test_one_that_uses_v8_is_for_a_single_version_of_node(content: bytes) -> None:
    assert made_for(content) == ""
    for version in ("18", "22", "24"):
        assert made_for(content, version=version) == "Node.js 20 (NODE_MODULE_VERSION 115)"
    assert made_for(content, version="99") == "", "of which nobody here knows the number"


def test_a_version_that_node_has_never_had_is_told_by_its_number() -> None:
    assert made_for(bound(120 + 500)) == "Node.js of another kind (NODE_MODULE_VERSION 620)"


@pytest.mark.parametrize("path", ["lib/binding/node-v108-linux-x64/a.node", "prebuilds/linux-x64/node.abi108.node"])
def test_one_that_is_looked_for_by_its_name_is_for_the_version_in_it(path: str) -> None:
    assert made_for(addon(), path) == "Node.js 18 (NODE_MODULE_VERSION 108)"
    assert made_for(addon(), path.replace("108", "115")) == ""


@pytest.mark.parametrize("library", ["libc.musl-x86_64.so.1", "libc.so"])
def test_one_for_musl_is_not_for_lambda(library: str) -> None:
    assert made_for(addon(needs=("libstdc++.so.6", library))) == "musl (Alpine)"


def test_the_processor_and_the_system_count() -> None:
    assert made_for(addon(ARM64)) == "arm64"
    assert made_for(addon(X86_64), architecture="arm64") == "x86_64"
    assert made_for(b"MZ\x90\x00" + bytes(100)) == "Windows"
    assert made_for(b"\xcf\xfa\xed\xfe" + bytes(100)) == "macOS"
    assert made_for(b"version https://git-lfs.github.com/spec/v1\n") == "no system at all (it is no library)"


def test_on_a_developers_mac_nothing_is_said_of_what_the_mac_loads() -> None:
    target = Target(language="node", version="20", architecture="arm64", platform="darwin")
    assert node_addon.made_for("a.node", b"\xcf\xfa\xed\xfe" + bytes(100), target) == ""


@pytest.mark.parametrize("end", [16, 63, 64, 100, 300, -1])
def test_one_that_is_cut_short_is_not_read_beyond_its_end(end: int) -> None:
    assert elf.library(addon(node_module=115)[:end]) is None


def test_what_the_compiler_makes_is_read_as_what_it_is(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler for Linux is on this machine")
    (tmp_path / "a.c").write_text(
        "void node_module_register(void *);\nstatic void init(void) {}\n"
        "static struct { int version; unsigned flags; void *handle; const char *file; void (*init)(void);\n"
        "  void *context; const char *name; void *priv, *link; } module = { 115, 0, 0, __FILE__, init, 0, "
        '"a", 0, 0 };\n__attribute__((constructor)) static void begin(void) { node_module_register(&module); }\n'
        'char *getenv(const char *);\nchar *here(void) { return getenv("HOME"); }\n'
    )
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "a.node", "a.c"], cwd=tmp_path, check=True)
    found = elf.library((tmp_path / "a.node").read_bytes())
    assert found is not None
    assert "node_module_register" in found.imports
    assert "here" in found.exports
    assert any(name.startswith("libc.") for name in found.needs)
    assert found.node_module == 115
    needed, there = elf.glibc((tmp_path / "a.node").read_bytes()), platform.libc_ver()
    assert there[0] != "glibc" or (needed is not None and needed <= tuple(map(int, there[1].split("."))))


@pytest.mark.parametrize(
    ("versions", "oldest"),
    [
        (("GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.4"), (2, 34)),
        (("GLIBC_2.17", "~GLIBC_2.38"), (2, 17)),
        (("GLIBC_2.17", "GLIBC_ABI_DT_RELR"), (2, 36)),
        (("GLIBC_PRIVATE", "GLIBCXX_3.4.30"), None),
        ((), None),
    ],
)
def test_the_oldest_c_library_is_that_of_the_newest_symbol_without_which_it_is_not_loaded(
    versions: tuple[str, ...], oldest: tuple[int, int] | None
) -> None:
    library = addon(versions=versions)
    assert elf.glibc(library) == oldest
    for end in range(0, len(library), 7):
        elf.glibc(library[:end])


def test_versions_that_lead_in_a_circle_come_to_an_end() -> None:
    library = addon(versions=("GLIBC_2.17", "GLIBC_2.18"))
    at = library.index(struct.pack("<HHIII", 1, 2, 1, 16, 0))
    rounds = struct.pack("<HHIII", 1, 0xFFFF, 1, 16, 2**32 - 1)
    assert elf.glibc(library[:at] + rounds + library[at + 16 :]) == (2, 18)


@pytest.mark.parametrize(("language", "old", "new"), [("python", "3.11", "3.12"), ("node", "18", "20")])
def test_a_library_for_a_newer_c_library_than_the_targets_is_refused_by_name(
    language: Language, old: str, new: str
) -> None:
    def refusal(glibc: str, version: str) -> str:
        target = Target(language=language, version=version, architecture="x86_64")
        try:
            libc.check("a/b.so", addon(versions=(glibc,)), target, where="s")
        except BuildFailed as error:
            return error.what
        return ""

    assert refusal("GLIBC_2.26", old) == refusal("GLIBC_2.34", new) == ""
    assert refusal("GLIBC_2.34", old).startswith("a/b.so needs glibc 2.34 or later")
    assert "has 2.34 (Amazon Linux 2023)" in refusal("GLIBC_2.38", new)


@pytest.mark.parametrize("name", ["node_modules/a/build/Release/a.node", "node_modules/a/lib/libz.so.1"])
def test_the_proof_of_node_looks_at_the_c_library_of_whatever_is_native(name: str) -> None:
    target = Target(language="node", version="22", architecture="x86_64")
    proof.check_native([pack(name, addon(versions=("GLIBC_2.34",)))], target, where="s")
    with pytest.raises(BuildFailed, match=r"needs glibc 2\.38 or later"):
        proof.check_native([pack(name, addon(versions=("GLIBC_2.38",)))], target, where="s")


def test_the_proof_refuses_an_addon_of_another_node() -> None:
    members = [pack("node_modules/a/build/Release/a.node", bound(108))]
    target = Target(language="node", version="22", architecture="x86_64")
    with pytest.raises(BuildFailed, match=r"a\.node is made for Node\.js 18 .*, and the target is node22/x86_64"):
        proof.check_native(members, target, where="s")
    proof.check_native(members, Target(language="node", version="18", architecture="x86_64"), where="s")
