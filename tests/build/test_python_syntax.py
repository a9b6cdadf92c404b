"""Whether sources compile for their target, asked of real interpreters."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import pytest
from build.sites import HANDLER_PY, Site, service, workspace

from penstock.adapters.builder_files import SourceFile, SourceFiles
from penstock.adapters.builder_python_parts import Part
from penstock.adapters.builder_python_syntax import PythonSyntax
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

OURS = sys.version_info[1]
NEWER = "3.13"
SINCE_311 = "x = 1\ntry: ...\nexcept* ValueError: ...\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, workspace(service("p", "app.handler")))


def part(site: Site, **sources: str) -> Part:
    files = {}
    for name, content in sources.items():
        place = site.root / f"{name}.py"
        place.write_text(content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        files[place.name] = SourceFile(str(place), digest, executable=False)
    return Part(name="a", folder="a", manifest=None, files=files)


def judge(site: Site, *, asks: bool) -> PythonSyntax:
    files = SourceFiles(site.root, site.root / "files.json", site.clock)
    return PythonSyntax(site.commands, files, site.interpreters if asks else None)


def has(site: Site, version: str) -> bool:
    return site.interpreters.find(f"python{version}") is not None


def test_syntax_newer_than_the_targets_is_refused_with_its_place(site: Site) -> None:
    site.versions["python"] = "3.10"
    site.write({"services/p/app.py": HANDLER_PY, "services/p/new.py": SINCE_311, "services/p/requirements.txt": ""})
    with pytest.raises(BuildFailed) as caught:
        site.build()
    assert caught.value.where == "services/p/new.py:3"
    assert "Python 3.10" in caught.value.hint
    site.versions["python"] = "3.11"
    site.build()


@pytest.mark.parametrize("asks", [True, False])
def test_what_one_python_takes_another_judges_anew(site: Site, *, asks: bool) -> None:
    sources = part(site, a="import json\n", b=SINCE_311)
    syntax = judge(site, asks=asks)
    syntax.check(sources)
    syntax.check(sources, "3.11")
    with pytest.raises(BuildFailed) as caught:
        syntax.check(sources, "3.10")
    assert caught.value.where == "a/b.py:3"


def test_what_was_let_through_for_want_of_the_targets_python_is_judged_once_it_is_there(site: Site) -> None:
    if not has(site, NEWER) or f"3.{OURS}" == NEWER:
        pytest.skip("there is no other Python to ask")
    sources = part(site, new="type X = int\n", wrong="type X = = int\n")
    judge(site, asks=False).check(sources, "3.99")
    judge(site, asks=True).check(part(site, new="type X = int\n"), NEWER)
    with pytest.raises(BuildFailed, match="invalid syntax") as caught:
        judge(site, asks=True).check(sources, NEWER)
    assert caught.value.where == "a/wrong.py:1"


def test_what_no_python_here_can_read_is_told_with_its_place(site: Site) -> None:
    newest = "3.14"
    if has(site, newest) or f"3.{OURS}" == newest:
        pytest.skip("there is a Python that reads it")
    site.versions["python"] = newest
    site.write({"services/p/app.py": f"import nope\n{HANDLER_PY}retrn 1\n", "services/p/requirements.txt": ""})
    site.build()
    (told,) = [event.to_json()["text"] for event in site.heard.events if event.name == "note"]
    assert told.startswith(
        f"p: services/p/app.py:{len(HANDLER_PY.splitlines()) + 2}: Python 3.{OURS}, on which Penstock"
    )
    site.build()
    assert "note" not in site.heard.names, "once, when it is made"
