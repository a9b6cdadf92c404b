"""Looks at a Python service whose packages poetry.lock or requirements.txt lists."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from penstock.adapters.builder_files import SourceFile
from penstock.adapters.builder_python_parts import Listing, PythonPlan, below
from penstock.build import poetry, python, requirements
from penstock.build.hashes import check_hashes
from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_python_parts import Part
    from penstock.build.pyproject import Manifest
    from penstock.model.workspace import BuildOptions


class ListedPlanner:
    """Reads listings of packages; `manifest` and `part` look at a folder of the workspace."""

    def __init__(
        self,
        root: Path,
        files: SourceFiles,
        manifest: Callable[[str], Manifest | None],
        part: Callable[[str, str, Manifest | None], Part],
    ) -> None:
        self._root = root
        self._files = files
        self._manifest = manifest
        self._part = part

    def from_poetry(self, folder: str, manifest: Manifest | None, options: BuildOptions) -> PythonPlan:
        """By the poetry.lock in that folder. Raises BuildFailed."""
        where = f"{folder}/poetry.lock"
        texts = [self._files.text(self._root / folder / name) for name in ("poetry.lock", "pyproject.toml")]
        if texts[1] is None:
            raise BuildFailed("there is no pyproject.toml beside it", where=where, hint="poetry init")
        locked = poetry.reached(
            texts[0] or "",
            texts[1],
            where=where,
            groups=options.groups,
            extras=options.extras,
            without=python.supplied(options),
        )
        places = {name: below(folder, inner) for name, inner in locked.folders.items()}
        for place in places.values():
            self._check_there(place, where, hint=f"correct the path, then: poetry lock --directory {folder}")
        archives = self._archives(below(folder, inner) for inner in locked.archives)
        lines = [line.text for line in locked.roots]
        listing = Listing(
            roots=_text(*locked.options, *sorted(lines), *self._archive_lines(archives)),
            pins=_text(*sorted(requirements.without_hashes(line.text) for line in locked.pins)),
            hashes=_hashes(locked.pins),
            complete=not lines and not archives,
            where=where,
            lock_hint=f"poetry lock --directory {folder}",
            archives=archives,
            files=(where,),
        )
        return PythonPlan(
            service=self._part(folder, folder, manifest),
            packages=tuple(self._part(place, name, self._manifest(place)) for name, place in sorted(places.items())),
            locked={**locked.packages, "roots": self._anywhere(listing.roots)},
            requires={},
            options=options,
            listing=listing,
            conditions={places[name]: markers for name, markers in locked.conditions.items()},
        )

    def from_requirements(self, folder: str, manifest: Manifest | None, options: BuildOptions) -> PythonPlan:
        """By the requirements.txt in that folder, and those of the packages that it names. Raises BuildFailed."""
        parsed = self._requirements(folder, options)
        if options.resolve is None:  # else uv adds what has none
            check_hashes(f"{folder}/requirements.txt", parsed)
        packages = {place: self._package(place, folder) for place in parsed.folders}
        packages.pop(folder, None)  # `-e .`
        files, nested, extras = set(parsed.files), set(), dict(parsed.extras)
        queue = [place for place in parsed.folders if place != folder]
        while queue:
            place = queue.pop()
            if not self._files.has(below(place, "requirements.txt")):
                continue
            inner = self._requirements(place, options)
            files.update(inner.files)
            extras |= {further: (*extras.get(further, ()), *asked) for further, asked in inner.extras.items()}
            for further in inner.folders:
                nested.add(further)
                if further not in packages and further not in {place, folder}:
                    packages[further] = self._package(further, place)
                    queue.append(further)
        service = self._part(folder, folder, manifest)
        parts = [*packages.values(), *([service] if folder in parsed.folders else [])]
        needed = [text for part in parts if part.manifest for text in part.manifest.needs(extras.get(part.folder, ()))]
        ours = {requirements.normalised(part.manifest.name) for part in parts if part.manifest}
        needed = [text for text in needed if requirements.normalised(requirements.name_of(text)) not in ours]
        listing = replace(self._listing(folder, parsed, options, needed), files=tuple(sorted(files)))
        return PythonPlan(
            service=service,
            packages=tuple(_told_apart(packages[place] for place in sorted(packages))),
            locked={
                **self._by_package("", requirements.plain_lines(listing.roots)),
                **self._by_package("constraint ", (line.text for line in parsed.pins)),
                "options": self._anywhere("\n".join(parsed.options)),
            },
            requires={},
            options=options,
            listing=listing,
            # What another package needs is there for all targets: few say more, and it does no harm.
            conditions={place: markers for place, markers in parsed.conditions.items() if place not in nested},
        )

    def _check_there(self, place: str, where: str, *, hint: str) -> None:
        if place.startswith("..") or not self._files.has_folder(place):
            raise BuildFailed(f"{place} is not in the workspace", where=where, hint=hint)

    def _package(self, place: str, by: str) -> Part:
        """The package in `place`, which the requirements file in the folder `by` names."""
        self._check_there(place, f"{by}/requirements.txt", hint="correct the path")
        manifest = self._manifest(place)
        return self._part(place, (manifest.name if manifest else "") or Path(place).name, manifest)

    def _listing(
        self, folder: str, parsed: requirements.Requirements, options: BuildOptions, needed: list[str]
    ) -> Listing:
        """With hashes a listing is complete by pip's rule; else uv says what else it needs, within what is pinned."""
        archives, links = self._archives(parsed.archives), self._links(parsed.options)
        supplied = python.supplied(options)
        needed = [text for text in needed if requirements.normalised(requirements.name_of(text)) not in supplied]
        # Without any line nobody said that all is listed.
        complete = parsed.complete and not archives and bool(parsed.lines or not needed)
        further = [*self._archive_lines(archives), *([] if complete else sorted(set(needed)))]
        lines = [*parsed.lines, *further]
        return Listing(
            roots=f"{parsed.text()}{_text(*further)}" if lines else "",
            pins=parsed.constraints(),
            hashes=_hashes((*parsed.pins, *parsed.lines)),
            complete=complete or not lines,
            resolve=options.resolve,
            where=f"{folder}/requirements.txt",
            lock_hint=f"{requirements.compiled(f'{folder}/requirements.txt')}; or as of a day, in service.toml: "
            '[build] resolve = "2026-01-31"',
            archives=archives | self._linked(links),
            links=links,
        )

    def _by_package(self, label: str, lines: Iterable[str]) -> dict[str, str]:
        """Requirements by package and version, as people compare them; where in a file they stand changes nothing."""
        found: dict[str, str] = {}
        for line in sorted(lines):
            plain = requirements.without_hashes(line)
            name = requirements.normalised(requirements.name_of(plain))
            if name:
                key = f"{label}{name} {requirements.pinned_versions(plain).get(name, '')}".rstrip()
                found[key] = f"{found.get(key, '')}{self._anywhere(line)}\n"
        return found

    def _anywhere(self, text: str) -> str:
        """The text as it would be in another folder's clone: no recipe may depend on where the workspace lies."""
        return text.replace(quote(str(self._root)), "").replace(str(self._root), "")

    def _links(self, options: Iterable[str]) -> tuple[str, ...]:
        """Folders of the workspace that `--find-links` names: what is installed may come from there."""
        named = [option.removeprefix("--find-links ") for option in options if option.startswith("--find-links /")]
        places = (os.path.relpath(path, self._root) for path in named)
        return tuple(place for place in places if not place.startswith(".."))

    def _linked(self, links: Iterable[str]) -> dict[str, SourceFile]:
        """Archives in those of the folders that are there."""
        found: dict[str, SourceFile] = {}
        for place in filter(self._files.has_folder, links):
            files = self._files.walk(place)
            found |= {below(place, name): file for name, file in files.items() if requirements.is_archive(name)}
        return found

    def _archives(self, places: Iterable[str]) -> dict[str, SourceFile]:
        found = {}
        for place in places:
            path = self._root / place
            if place.startswith("..") or not self._files.has(place):
                raise BuildFailed("this archive is not in the workspace", where=place, hint="correct the path")
            found[place] = SourceFile(str(path), self._files.digest(path), executable=False)
        return found

    def _archive_lines(self, archives: Iterable[str]) -> list[str]:
        return [requirements.archive_line(place, str(self._root / place)) for place in archives]

    def _requirements(self, folder: str, options: BuildOptions) -> requirements.Requirements:
        path = f"{folder}/requirements.txt"
        texts: dict[str, str] = {}
        queue = [path]
        while queue:
            current = queue.pop()
            text = self._files.text(self._root / current)
            if text is not None and current not in texts:
                texts[current] = text
                queue += requirements.includes(current, text)
        return requirements.parse(
            path,
            texts,
            without=python.supplied(options),
            resolves=options.resolve is not None,
            root=str(self._root),
            exists=lambda place: (
                not place.startswith("..") and (self._files.has(place) or self._files.has_folder(place))
            ),
        )


def _told_apart(parts: Iterable[Part]) -> list[Part]:
    """Those whose name another one has, too, by their folders: many a team calls its package `lib`."""
    found = list(parts)
    count = Counter(requirements.normalised(part.name) for part in found)
    twice = {part.folder for part in found if count[requirements.normalised(part.name)] > 1}
    return [replace(part, name=part.folder) if part.folder in twice else part for part in found]


def _hashes(lines: Iterable[requirements.Line]) -> dict[str, str]:
    """The `--hash` options of pinned lines, by `name==version`."""
    found = {}
    for line in lines:
        for name, version in requirements.pinned_versions(requirements.without_hashes(line.text)).items():
            found[f"{name}=={version}"] = " ".join(re.findall(r"--hash[=\s]\S+", line.text))
    return found


def _text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)
