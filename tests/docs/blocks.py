"""The commands that documents show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
GUIDE = REPOSITORY / "docs" / "guide.md"
README = REPOSITORY / "README.md"
EXPECTED = re.compile(r"\s+# exit (\d+)$")
REMARK = re.compile(r"\s+# .*$")


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and the exit code that the document promises."""

    line: int
    command: str
    status: int


def steps(document: Path, languages: tuple[str, ...] = ("bash",)) -> list[Step]:
    """Every line of every block in one of these languages, without remarks."""
    found = []
    inside = False
    for number, line in enumerate(document.read_text().splitlines(), start=1):
        if line.startswith("```"):
            inside = line.removeprefix("```") in languages
        elif inside and line.strip() and not line.startswith("#"):
            expected = EXPECTED.search(line)
            found.append(Step(number, REMARK.sub("", line).strip(), int(expected[1]) if expected else 0))
    return found


def documents() -> list[Path]:
    """Every document that people read, by path."""
    beside = [REPOSITORY / "examples" / "shop" / "README.md", *REPOSITORY.glob("src/penstock/terraform/*/README.md")]
    return sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *beside])
