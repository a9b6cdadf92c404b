"""What a shared package's build script makes: where that lies, and how what an earlier run left there goes away.

Compilers write over what is there and delete nothing. A result whose source is gone would be found by whoever asks for
it, and be kept under a recipe that does not speak of it.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.build import gitignore, tsconfig
from penstock.build.folders import upwards
from penstock.build.ignore import skips_file, skips_folder
from penstock.model.errors import ToolMissing
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from contextlib import AbstractContextManager

    from penstock.adapters.builder_files import SourceFiles
    from penstock.adapters.builder_node_parts import NodePart
    from penstock.build.package_json import PackageJson
    from penstock.ports import Commands

USUAL = ("dist/", "build/")
"""Results at the top of a package that has a build script, whatever it is that its entries lead to."""
_TYPESCRIPT, _TYPES = (".ts", ".tsx", ".mts", ".cts"), (".d.ts", ".d.mts", ".d.cts")


def results(files: SourceFiles, folder: str, manifest: PackageJson, names: Collection[str]) -> tuple[str, ...]:
    """Files, and folders with a slash, of a package with a build script that this makes; relative to the package.

    Besides the usual ones they are those that an entry leads into (`main: lib/index.js`) and that git ignores, or that
    a tsconfig at the package's top calls its `outDir`. `names` are those of the package's files.
    """
    outs = out_folders(files, folder, names)
    found = set(USUAL)
    entries = [one.replace("*", "_") for one in manifest.entries if not one.startswith(("..", *USUAL))]
    for entry in entries:
        found |= {out for out in outs if entry.startswith(out)}
    made = ignored(files, folder, entries)
    if any(not place.endswith("/") for place in made):  # made beside the sources, and so is what it imports
        made |= ignored(files, folder, names)
    return tuple(sorted(found | made))


def out_folders(files: SourceFiles, folder: str, names: Collection[str]) -> frozenset[str]:
    """Folders, with a slash, that a tsconfig at a package's top calls its `outDir`, and that hold no sources."""
    sources = [name for name in names if name.endswith(_TYPESCRIPT) and not name.endswith(_TYPES)]
    tops = (name for name in names if "/" not in name and name.startswith("tsconfig") and name.endswith(".json"))
    outs = {_out(files.setting(f"{folder}/{name}") or "") for name in tops} - {""}
    return frozenset(out for out in outs if not any(source.startswith(out) for source in sources))


def ignored(files: SourceFiles, folder: str, paths: Iterable[str]) -> set[str]:
    """Those of these paths of a package, or the folders above them (with a slash), that git ignores."""
    texts: dict[str, str | None] = {}
    found: set[str] = set()
    for path in paths:
        place = posixpath.join(folder, path)
        above = upwards(posixpath.dirname(place))[::-1]
        for one in above:
            if one not in texts:
                texts[one] = files.setting(posixpath.join(one, ".gitignore"))
        outermost = gitignore.ignored(place, [(one, texts[one] or "") for one in above], below=folder)
        if outermost is not None:
            found.add(posixpath.relpath(outermost, folder) + "/" * outermost.endswith("/"))
    return found


def _out(text: str) -> str:
    """Where a tsconfig says that results go: a folder of the package, with a slash; empty when nowhere of that kind."""
    out = (tsconfig.read(text).get("compilerOptions") or {}).get("outDir")
    place = posixpath.normpath(out) if isinstance(out, str) else "."
    return "" if place == "." or place.startswith(("..", "/")) else f"{place}/"


def from_nothing(
    part: NodePart, root: Path, commands: Commands, generated: Collection[str] = ()
) -> AbstractContextManager[None]:
    """Let a package's script run without what earlier runs left, but with all that people wrote.

    `generated` are files among its sources that it makes as well.
    Without a git that knows the package, only places that its entries lead into are taken for the script's: `build`
    may hold what it runs.
    """
    folder, places = root / part.folder, part.results or USUAL
    known = _tracked(commands, folder, (*places, *generated))
    if known is None:
        places = tuple(one for one in places if any(f"{entry}/".startswith(one) for entry in part.manifest.entries))
    written = part.files.keys() - generated | (known or frozenset())
    places = (*places, *generated)
    _forget_compiled(folder)
    aside = root / ".penstock" / "replaced" / part.folder
    return _put_aside(folder, places, aside, lambda path: path in written or _never_counts(path))


def _tracked(commands: Commands, folder: Path, places: Collection[str]) -> frozenset[str] | None:
    """Files at these places of a package that git tracks; None when it does not track the package."""
    argv = ("git", "ls-files", "-z", "--", "package.json", *(place.rstrip("/") for place in places))
    try:
        result = commands.run(Command(argv=argv, cwd=folder, timeout=60))
    except ToolMissing:
        return None
    found = frozenset(result.stdout.split("\0"))
    return found if result.status == 0 and "package.json" in found else None


def _never_counts(path: str) -> bool:
    """Whether a file is none of the script's results by rule: `.env`, what lies in a cache."""
    above = upwards(posixpath.dirname(path))[:-1]
    return skips_file(path) or any(skips_folder(folder, outputs=True) for folder in above)


def _forget_compiled(folder: Path) -> None:
    """Take away what an earlier tsc remembers of results that are not there any more; it would not make them."""
    for above, folders, names in os.walk(folder):
        if posixpath.basename(above) == "node_modules":
            # Caches, Vite's `.tmp` for example.
            folders[:] = [name for name in folders if name.startswith(".") and name not in {".pnpm", ".store"}]
        for name in names:
            if name.endswith(".tsbuildinfo"):
                (Path(above) / name).unlink()


@contextlib.contextmanager
def _put_aside(folder: Path, places: Collection[str], aside: Path, keeps: Callable[[str], bool]) -> Iterator[None]:
    """Let a script write into places of a folder as if nothing had ever lain there but the files that `keeps` names.

    What lay there goes into the folder `aside`, and stays there until the next time: it might be somebody's. When the
    script fails, or nobody waits for it, it is put back.
    """
    shutil.rmtree(aside, ignore_errors=True)
    gone = {path for place in places for path in _files(folder, place) if not keeps(path)}
    try:
        for path in sorted(gone):
            _move(folder / path, aside / path)
        _without_empty(folder, places)
        yield
    except BaseException:
        for place in places:
            for path in list(_files(folder, place)):
                if not keeps(path):
                    (folder / path).unlink()
        for path in sorted(gone):
            if os.path.lexists(aside / path):
                _move(aside / path, folder / path)
        _without_empty(folder, places)
        raise


def _files(folder: Path, place: str) -> Iterator[str]:
    """All files at a place, relative to the folder; a link within it is one, wherever it leads."""
    if not place.endswith("/"):
        yield from (place,) if (folder / place).is_file() else ()
        return
    for above, folders, names in os.walk(folder / place):
        links = [name for name in folders if (Path(above) / name).is_symlink()]
        yield from ((Path(above) / name).relative_to(folder).as_posix() for name in (*names, *links))


def _move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.rename(to)
    except OSError:  # another file system
        shutil.move(path, to)


def _without_empty(folder: Path, places: Collection[str]) -> None:
    """Take folders away in which nothing lies any more: some scripts make theirs, and expect that there is none."""
    for place in places:
        if place.endswith("/") and not (folder / place[:-1]).is_symlink():
            for above, _, _ in os.walk(folder / place, topdown=False):
                with contextlib.suppress(OSError):
                    Path(above).rmdir()
