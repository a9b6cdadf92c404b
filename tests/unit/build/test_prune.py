"""What of the locked packages stays at home."""

from __future__ import annotations

from penstock.build.prune import pruned

PACKAGE = {
    "a/__init__.py": b"from .core import run\n",
    "a/core.py": b"",
    "a/py.typed": b"",
    "a/data/model.json": b"{}",
    "a-1.dist-info/METADATA": b"",
    "a-1.dist-info/licenses/LICENSE": b"",
    "a-1.dist-info/entry_points.txt": b"",
}


def kept(files: dict[str, bytes]) -> frozenset[str]:
    return pruned(files, files.__getitem__)


def test_code_data_licences_metadata_and_entry_points_stay() -> None:
    assert kept(PACKAGE) == PACKAGE.keys()


def test_tests_stubs_documents_and_caches_go() -> None:
    clutter = {
        "a/tests/__init__.py": b"",
        "a/tests/data/big.bin": b"",
        "a/sub/test/test_x.py": b"",
        "tests/test_a.py": b"",
        "a/core.pyi": b"",
        "a-stubs/core.pyi": b"",
        "README.md": b"",
        "share/doc/a/index.html": b"",
        "a/.mypy_cache/x.json": b"",
        "a/.env": b"",
    }
    assert kept(PACKAGE | clutter) == PACKAGE.keys()


def test_tests_that_a_module_imports_stay() -> None:
    for line in (
        b"from .tests import helper",
        b"import a.tests.helper",
        b"from a import tests",
        b"load('a.tests')",
        b"from a.tests.helper import x",
    ):
        assert "a/tests/helper.py" in kept({**PACKAGE, "a/core.py": line, "a/tests/helper.py": b""}), line
    assert "a/tests/x.py" not in kept({**PACKAGE, "a/core.py": b"from a.testing import pytest", "a/tests/x.py": b""})


def test_another_packages_tests_go_although_one_needs_its_own() -> None:
    files = {**PACKAGE, "a/core.py": b"from .tests import x", "a/tests/x.py": b"", "b/m.py": b"", "b/tests/x.py": b""}
    assert kept(files) >= {"a/tests/x.py", "b/m.py"}
    assert "b/tests/x.py" not in kept(files)


def test_stubs_that_are_read_at_run_time_stay() -> None:
    files = {"lazy/__init__.py": b"x = lazy_loader.attach_stub(__name__, __file__)", "lazy/__init__.pyi": b""}
    assert kept(files) == files.keys()
