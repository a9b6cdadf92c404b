"""Which services need the metadata of their decorators, and the TypeScript that gives it."""

from __future__ import annotations

import posixpath
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from penstock.adapters.builder_node_types import compiler, extended_from
from penstock.build import decorators, tsconfig
from penstock.build.folders import upwards

if TYPE_CHECKING:
    from penstock.adapters.builder_files import SourceFile, SourceFiles
    from penstock.adapters.builder_node_parts import NodePlan
    from penstock.adapters.node_tools import NodeTools
    from penstock.ports import Command

_Answer = Literal["yes", "no", "unsaid", "unknown"]
SCRIPT = Path(__file__).with_name("bundle_decorators.cjs")


class Decorators:
    """Finds sources with decorators under `emitDecoratorMetadata`, which esbuild has nothing to give for."""

    def __init__(self, root: Path, files: SourceFiles, tools: NodeTools) -> None:
        self._root = root
        self._files = files
        self._tools = tools

    def may_need(self, plan: NodePlan) -> bool:
        """Whether the service has to be bundled by itself; True also when packages that say so are not installed."""
        return self._uses(plan, "yes", "unknown")

    def command(self, single: Command, plan: NodePlan) -> Command:
        """The same bundle as `single` makes, with metadata where the service's tsconfigs ask for it."""
        if not self._uses(plan, "yes"):
            return single
        tsc = compiler(plan.holders(self._root))
        own = None if tsc is None else tsc.parent.parent / "lib" / "typescript.js"
        # Without one, or with TypeScript 7, which cannot be called from a program, it is one of ours.
        typescript = own if own is not None and own.is_file() else self._tools.typescript()
        library = self._tools.esbuild_library(Path(single.argv[0]))
        instead = {module: f"{self._root.as_posix()}/{path}" for module, path in plan.instead.items()}
        return decorators.bundle_command(single, self._tools.node(), SCRIPT, library, typescript, instead)

    def _uses(self, plan: NodePlan, *answers: _Answer) -> bool:
        """Whether there is a source with a decorator whose tsconfig says one of these."""
        return any(
            path.endswith(decorators.EXTENSIONS)
            and self._files.fact("decorators", file.path, partial(_decorated, file))
            and self._asks(posixpath.dirname(f"{part.folder}/{path}")) in answers
            for part in (plan.service, *plan.packages)
            for path, file in part.files.items()
        )

    def _asks(self, folder: str) -> _Answer:
        """What the tsconfig.json that counts for a folder says, or one that it extends."""
        places = (self._root / above / "tsconfig.json" for above in upwards(folder))
        found = next((place for place in places if place.is_file()), None)
        return "unsaid" if found is None else self._said(found)

    def _said(self, config: Path) -> _Answer:
        content = tsconfig.read(self._files.text(config) or "")
        options: dict[str, Any] = content.get("compilerOptions") or {}
        if "emitDecoratorMetadata" in options:
            return "yes" if options["emitDecoratorMetadata"] else "no"
        extended = content.get("extends") or []
        for name in reversed([extended] if isinstance(extended, str) else extended):
            above = extended_from(self._root, config.parent, name)
            said = "unknown" if above is None else self._said(above)
            if said != "unsaid":
                return said
        return "unsaid"


def _decorated(file: SourceFile) -> bool:
    return decorators.used(file.read().decode(errors="replace"))
