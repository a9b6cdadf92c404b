"""Whether what a Python artifact imports is there: in the ZIP, in the target's standard library, or in the runtime.

Beginning with the handlers, imports are followed as the interpreter would. Of our own code every statement is read; of
locked packages those that always run. An import that is provided for (`try … except ImportError`, a branch) is never a
fault; one inside a function is worth a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from penstock.build import bindings, handler_values, imports
from penstock.build.handler_values import Source
from penstock.build.stdlib import SUPPLIED, has_no_part, is_standard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from penstock.build.handler_values import Uncallable
    from penstock.build.imports import Import

_EXTENSION = re.compile(r"(?:\.cpython-[\w-]+|\.abi\w+)?\.so$")
"""What CPython looks for but on Windows; see `importlib.machinery.EXTENSION_SUFFIXES`."""
_OF_MAC_OS = re.compile(r"\.cpython-\w+-darwin\.so$")
_TRICKS = (b"sys.modules", b"__path__", b"__getattr__", b"extend_path", b"declare_namespace", b"import_module")
_OF_PYTHON = re.compile(r"__\w+__")
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Missing:
    """An import that finds nothing. `file` is the ZIP's, `ours` says whether it is code of the workspace."""

    file: str
    line: int
    module: str
    why: str
    ours: bool
    certain: bool
    """Whether importing the handler is sure to fail; else a call may."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a file of a locked package reaches, found without anything but locked packages and the runtime.

    `asked` are all names that were looked for: where one of them is a module of the workspace's, it may be otherwise.
    """

    reached: tuple[str, ...]
    asked: frozenset[str]


class Modules:
    """The modules of an artifact by their dotted names."""

    def __init__(self, paths: Iterable[str], platform: str = "linux") -> None:
        """`paths` are the ZIP's, `platform` the target's."""
        self.files: dict[str, str] = {}
        self.folders: set[str] = set()
        for path in paths:
            module = _module(path)
            if module is None:
                continue
            name, above, is_of_mac_os = module
            if is_of_mac_os and platform == "linux":
                continue
            if self.files.get(name, "").endswith(".py") and not path.endswith("__init__.py"):
                continue  # a package, or a source, goes over an extension
            self.files[name] = path
            self.folders.update(above)

    def has(self, name: str) -> bool:
        """Whether a module or a namespace package of that name can be imported."""
        return name in self.files or name in self.folders

    def names(self) -> frozenset[str]:
        """All that can be imported."""
        return frozenset((*self.files, *self.folders))

    def elsewhere(self, name: str) -> bool:
        """Whether some folder of the ZIP, put on `sys.path`, would have it."""
        return any(one == name or one.endswith(f".{name}") for one in (*self.files, *self.folders))


def missing(
    handlers: Collection[str],
    modules: Modules,
    read: Callable[[str], bytes],
    ours: Collection[str],
    *,
    version: str,
    provided: Collection[str] = (),
    known: dict[str, Sound] | None = None,
    unread: dict[str, int] | None = None,
) -> tuple[Missing, ...]:
    """What the modules that the `handlers` (dotted names of modules) reach do not find.

    `read` gives a file of the ZIP, `ours` are the paths of the workspace's own code, `provided` what the person says
    is there. `known` remembers what sound files of locked packages reach, from one artifact of the same locked set to
    the next. `unread` is given those of our own files that this Python cannot read, with the line.
    """
    search = _Search(
        modules,
        read,
        frozenset(ours),
        version,
        frozenset(provided),
        {} if known is None else known,
        Modules(ours, "").names(),
        {} if unread is None else unread,
    )
    return tuple(sorted(set(search.run(handlers))))[:_SHOWN]


def undefined(
    handlers: Collection[str], modules: Modules, read: Callable[[str], bytes], ours: Collection[str], *, version: str
) -> tuple[str, ...]:
    """Those of the handlers (`users.app.handler`) whose module does not bind the name, not even by `import *`."""
    search = _Search(modules, read, frozenset(ours), version)
    halves = ((handler, *handler.rpartition(".")[::2]) for handler in handlers)
    return tuple(one for one, module, name in halves if modules.has(module) and search.defines(module, name) is False)


def uncallable(
    handlers: Collection[str], modules: Modules, read: Callable[[str], bytes], ours: Collection[str]
) -> Iterator[tuple[str, Uncallable]]:
    """Those of the handlers that Lambda cannot call, wherever in modules of our own they come from, and why."""

    def find(module: str) -> Source | None:
        path = modules.files.get(module, "")
        return Source(path, read(path)) if path in ours and path.endswith(".py") else None

    for handler in handlers:
        module, _, name = handler.rpartition(".")
        fault = handler_values.uncallable(module, name, find)
        if fault is not None and not _is_set_from_outside({name, fault.name}, read, ours):
            yield handler, fault


@dataclass(frozen=True, slots=True)
class _Search:
    modules: Modules
    read: Callable[[str], bytes]
    ours: frozenset[str]
    version: str
    provided: frozenset[str] = frozenset()
    known: dict[str, Sound] = field(default_factory=dict)
    own_names: frozenset[str] = frozenset()
    unread: dict[str, int] = field(default_factory=dict)

    def run(self, handlers: Collection[str]) -> Iterator[Missing]:
        seen: set[str] = set()
        for certain in (True, False):  # first what surely runs, so that a fault there is not called a possible one
            queue = [package for handler in handlers for package in with_packages(handler)]
            visited: set[str] = set()
            while queue:
                name = queue.pop()
                path = self.modules.files.get(name)
                if name in visited or path is None or not path.endswith(".py"):
                    continue
                visited.add(name)
                known = self.known.get(path)
                if known is not None and self.own_names.isdisjoint(known.asked):
                    queue += known.reached
                    continue
                all_reached: list[str] = []
                asked: set[str] = set()
                sound = path not in self.ours
                for statement in self._imports(path):
                    if certain and statement.weight != "always":
                        continue
                    reached, fault = self._follow(name, path, statement)
                    all_reached += reached
                    asked.update(_names_of(statement.base(name, path), statement))
                    sound = sound and fault is None
                    if fault and statement.weight != "maybe" and f"{path}:{statement.line}" not in seen:
                        seen.add(f"{path}:{statement.line}")
                        if self._is_real(path, statement):
                            module, why = fault
                            yield Missing(
                                file=path,
                                line=statement.line,
                                module=module,
                                why=why,
                                ours=path in self.ours,
                                certain=certain,
                            )
                queue += all_reached
                if sound and self.own_names.isdisjoint(asked) and not any(map(self._is_provided, asked)):
                    self.known[path] = Sound(tuple(dict.fromkeys(all_reached)), frozenset(asked))

    def _imports(self, path: str) -> tuple[Import, ...]:
        if path in self.ours:
            try:
                return imports.exact(self.read(path))
            except (SyntaxError, ValueError) as error:
                # Newer syntax than ours: all else the check of syntax refuses, with the target's grammar.
                self.unread[path] = getattr(error, "lineno", None) or 1
                return ()
        return imports.quick(self.read(path))

    def _is_real(self, path: str, statement: Import) -> bool:
        """Whether what looked like an import of a locked package is one, and not a line of a docstring."""
        if path in self.ours:
            return True
        try:
            found = imports.exact(self.read(path))
        except (SyntaxError, ValueError):
            return False
        return any(one.line == statement.line and one.weight == "always" for one in found)

    def _follow(self, name: str, path: str, statement: Import) -> tuple[list[str], tuple[str, str] | None]:
        """Modules of the ZIP that an import runs, and what it does not find: module and why."""
        base = statement.base(name, path)
        if not base:
            dotted = "." * statement.dots + statement.module
            return [], (dotted, "a relative import, and the module lies in no package")
        if not self.modules.has(base.split(".")[0]):
            return [], self._outside(base, path)
        reached = with_packages(base)
        lost = next((one for one in reached if not self.modules.has(one)), None)
        if lost is not None:
            fault = (lost, f"there is no {lost} in the ZIP")
            return reached, None if self._is_lenient(lost, path) else fault
        fault_of_names = None
        for one in statement.names:
            inner = f"{base}.{one}"
            defined = self.defines(base, one)
            if defined is not True and inner in self.modules.files:
                reached.append(inner)
            elif defined is False and path in self.ours and not self._may_come_to_have(base, one):
                fault_of_names = (inner, f"{self.modules.files.get(base, base)} does not define {one}")
        return reached, fault_of_names

    def _may_come_to_have(self, base: str, name: str) -> bool:
        """Whether a name that no statement there binds may be a module, or bound otherwise."""
        source = self.modules.files.get(base)
        if self.modules.has(f"{base}.{name}") or (source is not None and source not in self.ours):
            return True  # of a locked package's names nothing is certain: it may have them by `import *`
        if _is_set_from_outside({name}, self.read, self.ours):
            return True
        return any(bindings.may_bind_for_callers(self.read(path)) for path in self.ours if path.endswith(".py"))

    def _outside(self, base: str, path: str) -> tuple[str, str] | None:
        top = base.split(".", maxsplit=1)[0]
        if top in SUPPLIED or self._is_provided(base):
            return None
        if is_standard(top, self.version):
            is_made_up = path not in self.ours or b"sys.modules" in self.read(path)
            has_it = is_made_up or not has_no_part(base, self.version)
            return None if has_it else (base, f"{top} is a module of Python {self.version}, and no package")
        if top.startswith("_") and path not in self.ours:
            return None  # a private module of another Python's, most likely
        if path in self.ours and b"sys.path" in self.read(path) and self.modules.elsewhere(base):
            return None
        return base, f"{top} is neither in the ZIP nor part of Python {self.version} or of Lambda's runtime"

    def _is_provided(self, module: str) -> bool:
        return any(module == one or module.startswith(f"{one}.") for one in self.provided)

    def _is_lenient(self, lost: str, path: str) -> bool:
        """Whether its package may make up that module while it runs; of locked packages nothing is certain."""
        if path not in self.ours:
            return True
        package = lost.rpartition(".")[0]
        source = self.modules.files.get(package)
        if source is None:  # a namespace package, which is its folders and nothing else
            return self._is_provided(lost) or self.modules.elsewhere(lost)
        return (
            not source.endswith(".py")
            or self._is_provided(lost)
            or any(trick in self.read(source) for trick in _TRICKS)
        )

    def defines(self, module: str, name: str, seen: frozenset[str] = frozenset()) -> bool | None:
        """Whether the module binds the name, itself or by `import *`; None when nobody can tell."""
        found = self._shows(module, name, seen)
        # Such as __spec__ and __path__, which Python gives a module, each its own.
        return None if found is False and _OF_PYTHON.fullmatch(name) else found

    def _shows(self, module: str, name: str, seen: frozenset[str]) -> bool | None:
        """The same of names that it takes a statement to bind."""
        path = self.modules.files.get(module, "")
        if not path:
            return False  # a namespace package has nothing of its own
        if name == "*" or not path.endswith(".py"):
            return None
        content = self.read(path)
        if path not in self.ours:
            # Only asked for submodules: when the word is there, it may be bound, and the submodule never run.
            return _has_word(content, name.encode())
        try:
            names = bindings.bound(content)
            if names is not None and "*" in names and name not in names:
                return self._comes_by_star(module, path, name, seen | {module})
        except (SyntaxError, ValueError):
            return None
        return None if names is None else name in names

    def _comes_by_star(self, module: str, path: str, name: str, seen: frozenset[str]) -> bool | None:
        """Whether one of the modules that it imports everything of has the name."""
        for statement in imports.exact(self.read(path)):
            base = statement.base(module, path)
            if "*" not in statement.names or base in seen:
                continue
            if self.modules.files.get(base, "") not in self.ours:
                return None
            found = self.defines(base, name, seen | {base})
            if found is not False:
                return found
        return False


def _is_set_from_outside(names: Collection[str], read: Callable[[str], bytes], ours: Collection[str]) -> bool:
    """Whether some module of ours may bind one of the names in another. Asked where a fault is about to be told."""
    sources = (read(path) for path in ours if path.endswith(".py"))
    return any(bindings.sets_of_another(content, name) for content in sources for name in names)


def _has_word(content: bytes, word: bytes) -> bool:
    """As a pattern with word boundaries has it; of hundreds of words each would take longer to compile than to find."""
    at = content.find(word)
    while at >= 0:
        end = at + len(word)
        if not (_WORD.intersection(content[max(at - 1, 0) : at]) or _WORD.intersection(content[end : end + 1])):
            return True
        at = content.find(word, at + 1)
    return False


def _names_of(base: str, statement: Import) -> Iterator[str]:
    """All names that an import may lead to."""
    if base:
        yield from with_packages(base)
        yield from (f"{base}.{one}" for one in statement.names if one != "*")


def with_packages(module: str) -> list[str]:
    """The packages that a module lies in, which run before it, and itself."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


@lru_cache(maxsize=50_000)
def _module(path: str) -> tuple[str, tuple[str, ...], bool] | None:
    """A file's module, the packages above it, and whether it is native code for macOS.

    Remembered, because services share most of what they hold.
    """
    name = _dotted(path)
    if name is None:
        return None
    return name, tuple(with_packages(name)[:-1]), _OF_MAC_OS.search(path) is not None


def _dotted(path: str) -> str | None:
    """`a.b` of `a/b.py`, `a/b/__init__.py` and `a/b.cpython-313-x86_64-linux-gnu.so`."""
    if path.endswith((".py", ".pyc")):
        stem = path.rpartition(".")[0]
    elif match := _EXTENSION.search(path):
        stem = path[: match.start()]
    else:
        return None
    parts = stem.split("/")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and "__pycache__" not in parts else None
