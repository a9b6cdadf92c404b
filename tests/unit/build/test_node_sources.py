"""Which TypeScript stands behind what a package's entries lead to."""

from __future__ import annotations

import pytest

from penstock.build import node_sources
from penstock.build.node_sources import Compiled

FILES = frozenset({"src/index.ts", "src/deep/part.tsx", "src/only.mts", "src/plain.js"})
TO_DIST = Compiled(out="dist", roots=("src",))


@pytest.mark.parametrize(
    ("made", "source"),
    [
        ("./dist/index.js", "src/index.ts"),
        ("dist/deep/part.js", "src/deep/part.tsx"),
        ("dist/only.mjs", "src/only.mts"),
        ("dist/index", "src/index.ts"),
        ("dist", "src/index.ts"),
        ("dist/plain.js", None),
        ("dist/only.js", None),
        ("src/index.js", None),
        ("distant/index.js", None),
    ],
)
def test_a_result_leads_back_to_its_source(made: str, source: str | None) -> None:
    assert TO_DIST.source(made, FILES) == source


def options(**said: object) -> dict[str, object]:
    return {"compilerOptions": said}


@pytest.mark.parametrize(
    ("chain", "found"),
    [
        ([("p/a/tsconfig.json", options(outDir="lib", rootDir="src"))], Compiled(out="lib", roots=("src",))),
        (
            [("tsconfig.base.json", options(composite=True)), ("p/a/tsconfig.json", options(outDir="./dist/"))],
            Compiled(out="dist", roots=(".",)),
        ),
        ([("p/a/tsconfig.json", options(outDir="dist"))], Compiled(out="dist", roots=("src", "."))),
        ([("p/a/tsconfig.json", options(outDir="../../dist/a"))], None),
        ([("p/a/tsconfig.json", options(outDir="."))], None),
        ([("p/a/tsconfig.json", {})], None),
    ],
    ids=["both", "composite", "guessed", "elsewhere", "in place", "nothing"],
)
def test_the_folders_are_those_that_the_tsconfigs_say(
    chain: list[tuple[str, dict[str, object]]], found: Compiled | None
) -> None:
    assert node_sources.compiled("p/a", chain) == found


EXPORTS = {
    ".": {"types": "./dist/index.d.ts", "import": "./dist/index.mjs", "require": "./dist/index.cjs"},
    "./*": "./dist/*.js",
    "./deep/*.js": ["./dist/deep/*.js"],
}


@pytest.mark.parametrize(
    ("exports", "main", "subpath", "files"),
    [
        (EXPORTS, (), ".", ("./dist/index.mjs", "./dist/index.cjs")),
        (EXPORTS, (), "./a/b", ("./dist/a/b.js",)),
        (EXPORTS, (), "./deep/x.js", ("./dist/deep/x.js",)),
        ("./dist/index.js", (), ".", ("./dist/index.js",)),
        ("./dist/index.js", (), "./x", ()),
        (None, (None, "lib/index.js"), ".", ("lib/index.js",)),
        (None, (None, None), ".", ("index.js",)),
        (None, (), "./lib/x", ("./lib/x",)),
    ],
)
def test_what_is_asked_of_a_package_leads_to_the_files_that_node_would_take(
    exports: object, main: tuple[str | None, ...], subpath: str, files: tuple[str, ...]
) -> None:
    assert node_sources.asked(subpath, node_sources.entries(exports, main)) == files
