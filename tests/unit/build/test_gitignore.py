from __future__ import annotations

import pytest

from penstock.build.gitignore import ignored


@pytest.mark.parametrize(
    ("folder", "text", "path", "found"),
    [
        ("", "lib/\n", "packages/a/lib/index.js", "packages/a/lib/"),
        ("", "/packages/*/lib\n", "packages/a/lib/index.js", "packages/a/lib/"),
        ("", "/lib\n", "packages/a/lib/index.js", None),
        ("packages/a", "/lib\n", "packages/a/lib/index.js", "packages/a/lib/"),
        ("packages/a", "/lib/**\n!/lib/types\n", "packages/a/lib/index.js", "packages/a/lib/index.js"),
        ("", "packages/**/out\n", "packages/a/b/out/index.js", "packages/a/b/out/"),
        ("", "*.generated.js\n", "packages/a/src/api.generated.js", "packages/a/src/api.generated.js"),
        ("", "lib/\n!lib/\n", "packages/a/lib/index.js", None),
        ("", "lib/\n", "packages/a/lib", None),
        ("", "# lib\n\nLIB\n", "packages/a/lib/index.js", None),
        ("", "[kl]ib\n[!l]ib2\n", "packages/a/lib/index.js", "packages/a/lib/"),
        ("", "a/\n", "packages/a/src/index.js", None),
    ],
)
def test_the_outermost_place_that_git_ignores_is_told(folder: str, text: str, path: str, found: str | None) -> None:
    assert ignored(path, [(folder, text)], below="packages/a") == found


def test_the_rule_nearest_to_a_file_counts() -> None:
    rules = [("", "lib\n"), ("packages/a", "!lib\n")]
    assert ignored("packages/a/lib/index.js", rules, below="packages/a") is None
