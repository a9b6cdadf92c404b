"""What can be done to a whole Python artifact on request: compile its modules, strip its libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.build import archive
from penstock.build.bytecode import compile_command, strip_command
from penstock.model.errors import BuildFailed, ToolMissing
from penstock.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock.adapters.builder_cache import ZipCache
    from penstock.adapters.builder_files import SourceFiles
    from penstock.build.archive import Member
    from penstock.model.artifact import Target
    from penstock.model.workspace import BuildOptions
    from penstock.ports import Commands, Interpreters


class Finish:
    """Compiles and strips, with the tools at hand."""

    def __init__(
        self, commands: Commands, cache: ZipCache, files: SourceFiles, interpreters: Interpreters | None
    ) -> None:
        self._commands = commands
        self._cache = cache
        self._files = files
        self._interpreters = interpreters
        self._found: dict[str, Path | None] = {}

    def begin(self) -> None:
        """Look for the tools anew."""
        self._found = {}

    def programs(self, options: BuildOptions, target: Target) -> dict[str, Path]:
        """The tools that these options ask for, as far as they are here, by the inputs of recipes that they are.

        A look that is remembered holds them, for no file that was seen tells of a better one that comes to lie first.
        """
        found = {}
        if options.strip and (program := self._found_strip()) is not None:
            found["tool strip"] = program
        runtime = f"python{target.version}"
        if options.bytecode and self._interpreters and (interpreter := self._interpreters.find(runtime)):
            found["tool python for bytecode"] = interpreter
        return found

    def tools(self, options: BuildOptions, target: Target) -> dict[str, str]:
        """Their versions."""
        return {name: self._version(program) for name, program in self.programs(options, target).items()}

    def _version(self, program: Path) -> str:
        """What a program says of itself, remembered by its file's times."""
        real = str(program.resolve())
        stamp = self._files.stamp(real)
        known = self._files.recall(f"version {real}")
        if known is None or known["stamp"] != stamp:
            result = self._commands.run(Command(argv=(str(program), "--version"), timeout=30))
            known = {"stamp": stamp, "version": " ".join(result.stdout.split())[:80]}
            self._files.remember(f"version {real}", known)
        return str(known["version"])

    def compiled(self, members: Mapping[str, Member], target: Target) -> dict[str, Member]:
        """The members with a compiled file beside each module. Raises ToolMissing without the target's Python."""
        runtime = f"python{target.version}"
        interpreter = self._interpreters.find(runtime) if self._interpreters else None
        if interpreter is None:
            raise ToolMissing(
                f"[build] bytecode needs {runtime} on this machine, because compiled files are for one version only",
                hint=f"uv python install {target.version}; or leave bytecode out",
            )
        with self._cache.scratch() as scratch:
            for name, member in members.items():
                if name.endswith(".py"):
                    path = scratch / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(member.content())
            result = self._commands.run(compile_command(interpreter, scratch))
            if result.status != 0:
                raise BuildFailed(f"{runtime} could not compile the modules:\n{result.stderr.strip()}")
            made = {path.relative_to(scratch).as_posix(): path for path in sorted(scratch.rglob("*.pyc"))}
            return {**members, **{name: archive.pack(name, path.read_bytes()) for name, path in made.items()}}

    def stripped(self, members: Mapping[str, Member]) -> dict[str, Member]:
        """The members with native libraries that hold no debugging symbols any more."""
        natives = [member for member in members.values() if member.name.endswith(".so") or ".so." in member.name]
        found = dict(members)
        if not natives:
            return found
        program = self._strip()
        with self._cache.scratch() as scratch:
            for member in natives:
                file = scratch / "library"
                file.write_bytes(member.content())
                result = self._commands.run(strip_command(program, file))
                if result.status != 0:
                    raise BuildFailed(
                        f"{program.name} could not strip {member.name}: {result.stderr.strip()}",
                        hint="install llvm, whose strip knows every processor; or leave strip out",
                    )
                smaller = archive.pack(member.name, file.read_bytes(), executable=member.executable)
                found[member.name] = smaller if smaller.size < member.size else member
        return found

    def _found_strip(self) -> Path | None:
        if "strip" not in self._found:  # a thousand services may ask
            self._found["strip"] = self._commands.find("llvm-strip") or self._commands.find("strip")
        return self._found["strip"]

    def _strip(self) -> Path:
        if (program := self._found_strip()) is not None:
            return program
        raise ToolMissing("[build] strip needs llvm-strip or strip on this machine", hint="install llvm or binutils")
