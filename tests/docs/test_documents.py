"""What the documents show exists: verbs and flags, files and headings; and what the README shows, the guide runs."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import pytest
from docs.blocks import GUIDE, README, REPOSITORY, documents, steps

from penstock.cli.group import penstock

if TYPE_CHECKING:
    from pathlib import Path

CALL = re.compile(r"(?:^|[|(;&]\s*|\.venv/bin/)penstock((?:\s+[^\s|)\"&;>#]+)+)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ROOT = click.Context(click.Command("documents"))


def name(document: Path) -> str:
    return str(document.relative_to(REPOSITORY))


def parse(arguments: list[str]) -> None:
    """Take the words as the command line does, and do nothing. Raises when it would not."""
    command: click.Command = penstock
    context = ROOT
    while True:
        context = command.make_context(command.name, list(arguments), parent=context)
        if not isinstance(command, click.Group):
            return
        _, found, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command = found


def test_every_command_of_the_readme_is_one_that_the_guide_runs() -> None:
    run = {step.command for step in steps(GUIDE)}
    shown = [step for step in steps(README) if not step.command.startswith("git clone")]

    assert len(shown) > 5
    assert [step for step in shown if step.command not in run] == []


@pytest.mark.parametrize("document", documents(), ids=name)
def test_every_verb_and_flag_that_is_shown_exists(document: Path) -> None:
    for step in steps(document, ("bash", "sh")):
        for call in CALL.finditer(step.command):
            arguments = shlex.split(call[1])
            if arguments[0].startswith("--"):
                continue  # --help and --version end before anything is parsed
            try:
                parse(arguments)
            except Exception as error:  # noqa: BLE001 - every kind of it is a wrong document
                pytest.fail(f"{name(document)}:{step.line}: penstock {shlex.join(arguments)}: {error!r}")


@pytest.mark.parametrize("document", documents(), ids=name)
def test_every_link_within_the_repository_leads_somewhere(document: Path) -> None:
    for target in LINK.findall(FENCED.sub("", document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        found = (document.parent / path).resolve() if path else document
        assert found.exists(), f"{name(document)} links to {target}"
        if heading:
            assert heading in headings(found), f"{name(document)} links to {target}"


def headings(document: Path) -> set[str]:
    """Headings as GitHub makes anchors of them."""
    lines = [line.lstrip("#").strip() for line in document.read_text().splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_a_wrong_flag_would_be_found() -> None:
    with pytest.raises(click.NoSuchOption):
        parse(["deploy", "-e", "dev", "--no-such-flag"])
