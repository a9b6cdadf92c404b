"""Programs are told of by what they do, never by what may be secret."""

from __future__ import annotations

import pytest

from penstock.adapters.commands_told import called
from penstock.ports import Command


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("/usr/bin/uv", "pip", "install", "--index-url", "https://ann:s3cr3t@example.com"), "uv pip install"),
        (("/opt/esbuild", "services/a/app.ts", "--bundle"), "esbuild"),
        (("/usr/bin/node", "/x/pnpm.cjs", "install", "--frozen-lockfile"), "pnpm.cjs install"),
        (("/usr/bin/node", "/x/tsc", "-p", "tsconfig.json"), "tsc"),
        (("python3", "-c", "import sys"), "python3"),
        (("tool", "Bearer-abc", "run"), "tool"),
    ],
)
def test_a_program_is_called_by_its_name_and_its_first_words(argv: tuple[str, ...], name: str) -> None:
    assert called(Command(argv=argv)) == name
