"""Sources of a shared package that its own `build` script writes: whether it has to run for those who bundle them.

A script that compiles into `dist` what nobody asks for is not run for a bundle. Another one generates sources beside
those that people wrote (graphql-codegen → src/generated.ts); these must not be older than what they come of. Which
kind it is nobody can read in its words, so a run is watched and what it wrote is noted: from then on it runs again when
anything else changed, or one of these files. The first run is `penstock build`'s, or a service's that takes in
a file of which only the script may be the maker: it is not there, git ignores it, or the script's words name it.

All of these files count in recipes as any other source, so what is noted here decides only whether a script runs.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from penstock.adapters import builder_seen
from penstock.adapters.builder_node_aliases import asked_for
from penstock.adapters.builder_node_results import USUAL, ignored, out_folders
from penstock.build import node, node_reach, python
from penstock.build.ignore import is_of_tests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_files import SourceFile, SourceFiles
    from penstock.adapters.builder_node_parts import NodePart

_NOTHING: dict[str, Any] = {"files": [], "answered": []}


class Generated:
    """What was noted of packages' scripts, one note for each package and package.json: another script writes others."""

    def __init__(self, cache: ZipCache, files: SourceFiles) -> None:
        self._cache = cache
        self._files = files
        self._looked: dict[str, tuple[Mapping[str, SourceFile], frozenset[str]]] = {}

    def begin(self) -> None:
        """Look at sources anew."""
        self._looked.clear()

    def written(self, part: NodePart) -> frozenset[str]:
        """Files among the package's sources that its script was seen to write, relative to the package."""
        # Of another manifest's script nothing better is known than what the last one wrote.
        note = self._cache.note("generated", _key(part)) or self._cache.note("generated", _latest(part)) or _NOTHING
        return frozenset(note["files"])

    def made_anew(self, part: NodePart) -> frozenset[str]:
        """Those that the script makes from nothing: git ignores them, and it is the script that made them."""
        return self._ignored(part, self._note(part)["files"])

    def is_in_question(self, part: NodePart) -> bool:
        """Whether sources take in what the script may make, and no run has told yet whether it does."""
        return not self._questions(part) <= self._answered(part)

    def is_as_planned(self, part: NodePart) -> bool:
        """Whether what the script writes still is what the part was looked at with."""
        for path in self.written(part):
            file = part.files.get(path)
            try:
                if file is None or self._files.digest(file.path) != file.digest:
                    return False
            except OSError:
                return False
        return True

    @contextlib.contextmanager
    def noting(self, part: NodePart) -> Iterator[None]:
        """Note what a run of the script writes among the sources, once it has ended well."""
        before = self._states(part)
        yield
        now = self._states(part)
        known = self.written(part) & now.keys()
        wrote = {path for path, state in now.items() if before.get(path) != state}
        # Tools that find what they make unchanged do not write it, unless it was put aside for them.
        wrote |= known - self._ignored(part, known)
        content = {
            "files": sorted(wrote),
            "answered": sorted(self._answered(part) | self._questions(part)),
        }
        for key in (_key(part), _latest(part)):
            self._cache.keep_note("generated", key, content)

    def _note(self, part: NodePart) -> dict[str, Any]:
        return self._cache.note("generated", _key(part)) or _NOTHING

    def _answered(self, part: NodePart) -> frozenset[str]:
        return frozenset(self._note(part)["answered"])

    def _questions(self, part: NodePart) -> frozenset[str]:
        """Places that sources ask for by relative paths, or that the script's words say it writes to."""
        known = self._looked.get(part.folder)
        if known is None or known[0] != part.files:
            found = frozenset(self._asked_for(part)) | (part.manifest.written & part.files.keys())
            known = self._looked[part.folder] = (part.files, found)
        return known[1] - self.written(part)

    def _asked_for(self, part: NodePart) -> Iterator[str]:
        """Places that are not there, and files that git ignores."""
        results = part.results or USUAL
        there: set[str] = set()
        outs = tuple(out_folders(self._files, part.folder, part.files))
        code = {path for path in part.files if path.endswith(node.EXTENSIONS) and not path.startswith(outs)}
        for source in {path for path in code if not is_of_tests(path)} - self._ignored(part, code):
            for module in asked_for(self._files, part.files[source]):
                places = node_reach.may_mean(module, source) if module.startswith(".") else ()
                found = [place for place in places if place in part.files]
                if found:
                    there.add(found[0])
                elif places and not f"{places[0]}/".startswith(("../", *results)):
                    yield places[0]
        yield from self._ignored(part, there)

    def _ignored(self, part: NodePart, paths: Iterable[str]) -> frozenset[str]:
        paths = frozenset(paths)
        places = ignored(self._files, part.folder, paths)
        folders = tuple(place for place in places if place.endswith("/"))
        return frozenset(path for path in paths if path in places or path.startswith(folders))

    def _states(self, part: NodePart) -> dict[str, builder_seen.State]:
        """What `stat` says of the package's sources; what compilers write beside them is none."""
        walked = self._files.walk(part.folder)
        results = (*(part.results or USUAL), *out_folders(self._files, part.folder, walked))
        return {path: builder_seen.state(file.place) for path, file in walked.items() if not path.startswith(results)}


def _latest(part: NodePart) -> str:
    return python.key("generated", {"folder": part.folder})


def _key(part: NodePart) -> str:
    """With the manifest, so that a run on another branch, whose script is another, takes nothing from this one's."""
    file = part.files.get("package.json")
    return python.key("generated", {"folder": part.folder, "manifest": file.digest if file else ""})
