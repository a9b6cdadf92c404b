"""Something that happens while a build runs a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.adapters.commands import RealCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from build.sites import Site

    from penstock.ports import Command, CommandResult


class Meanwhile(RealCommands):
    """Runs programs; just before the first with such a word in its command, something happens, and just after it."""

    def __init__(
        self, word: str, before: Callable[[], object] = lambda: None, after: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__()
        self.word, self.before, self.after = word, before, after
        self.happened = False
        self.ran: list[str] = []

    def run(self, command: Command) -> CommandResult:
        self.ran.append(" ".join(command.argv))
        if self.happened or not any(word == self.word or word.endswith(f"/{self.word}") for word in command.argv):
            return super().run(command)
        self.happened = True
        self.before()
        try:
            return super().run(command)
        finally:
            self.after()


def switch(site: Site, files: Mapping[str, str]) -> Callable[[], None]:
    """What writes these files, as a checkout of another commit does."""
    return lambda: site.write(files)
