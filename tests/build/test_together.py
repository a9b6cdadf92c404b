"""Many functions in one run of esbuild: the bytes, and the errors, of as many runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.commands import RealCommands
from penstock.adapters.go_memory import memory_here, seldom_collecting
from penstock.model.errors import BuildFailed
from penstock.model.events import ArtifactReady

if TYPE_CHECKING:
    from build.sites import Site

    from penstock.ports import Command, CommandResult

MODULES = {
    "services/legacy/package.json": json.dumps({"name": "legacy", "type": "module"}),
    "services/legacy/app.js": "export const handler = async () => 'api';\nexport const jobs = async () => 'jobs';\n",
}
"""The second service in the form of the first, so that nothing keeps the two apart."""


class Bundling(RealCommands):
    """Keeps what esbuild is asked to bundle: program and sources."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[tuple[Path, tuple[str, ...]]] = []
        self.collectors: list[dict[str, str]] = []
        """What Go's collector is told, each time."""

    def run(self, command: Command) -> CommandResult:
        if "--minify" in command.argv:
            program, *words = command.argv
            sources = [re.fullmatch(r"(?:\d+=)?(services/.+)", word) for word in words]
            self.collectors.append({name: value for name, value in command.env.items() if name.startswith("GO")})
            self.runs.append((Path(program), tuple(source[1] for source in sources if source)))
        return super().run(command)


def bundling(site: Site) -> list[tuple[Path, tuple[str, ...]]]:
    """What esbuild is asked to bundle when the whole workspace is built."""
    site.commands = Bundling()
    site.build()
    return sorted(site.commands.runs)


def test_one_process_of_esbuild_bundles_all_functions_of_one_form(node_site: Site) -> None:
    node_site.write(MODULES)
    ((_, sources),) = bundling(node_site)
    assert sources == ("services/catalog/src/app.ts", "services/legacy/app.js")


def test_gos_collector_has_room_unless_somebody_has_said_how_much(
    node_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = seldom_collecting(memory_here(), 2)
    for variable in ("GOGC", "GOMEMLIMIT"):
        monkeypatch.delenv(variable, raising=False)
    node_site.write(MODULES)
    node_site.commands = commands = Bundling()
    node_site.build()
    monkeypatch.setenv("GOGC", "50")
    node_site.builder().forget()
    node_site.build()
    assert commands.collectors == [room, {name: value for name, value in room.items() if name != "GOGC"}]
    node_site.builder().forget()
    node_site.build("catalog")
    assert commands.collectors[2:] == [{}], "of those that are bundled alone many may run at once"


def test_each_service_is_bundled_by_its_own_esbuild_whoever_comes_first(node_site: Site) -> None:
    node_site.write(MODULES)
    root, own = node_site.root / "node_modules", node_site.root / "services/legacy/node_modules"
    for package in ("esbuild", "@esbuild"):
        shutil.copytree(root / package, own / package)
    runs = [(program.relative_to(node_site.root).parts[:2], sources) for program, sources in bundling(node_site)]
    assert runs == [
        (("node_modules", "@esbuild"), ("services/catalog/src/app.ts",)),
        (("services", "legacy"), ("services/legacy/app.js",)),
    ]


def test_functions_built_together_have_the_bytes_of_functions_built_alone(node_site: Site) -> None:
    together = {unit: made.digest for unit, made in node_site.build().items()}
    alone: dict[str, str] = {}
    for unit in together:
        node_site.builder().forget()
        alone |= {name: made.digest for name, made in node_site.build(unit).items()}
    assert alone == together
    assert len(together) == 3


def test_one_that_fails_does_not_take_the_others_along(node_site: Site) -> None:
    node_site.write({"services/legacy/app.js": "exports.handler = async () => ;\n"})
    with pytest.raises(BuildFailed, match=r"esbuild refused it") as failed:
        node_site.build()
    assert "catalog" not in str(failed.value)
    assert [event.unit for event in node_site.heard.events if isinstance(event, ArtifactReady)] == ["catalog"]
