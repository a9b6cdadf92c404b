"""A workspace of Python and TypeScript services, built by the real command line in processes of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PENSTOCK = Path(sys.executable).with_name("penstock")
SETTINGS = {
    "penstock.toml": (
        '[workspace]\nname = "w"\nservices = ["services/*"]\npackages = ["packages/*"]\n\n'
        '[defaults]\nruntime = "python3.11"\narchitecture = "x86_64"\n\n'
        '[environments.dev]\naccount = "111111111111"\nregion = "eu-west-1"\nbuild_cache = false\n'
    ),
    "pyproject.toml": (
        '[project]\nname = "w"\nversion = "1"\nrequires-python = ">=3.11"\n[tool.uv]\npackage = false\n'
        '[tool.uv.workspace]\nmembers = ["services/orders", "services/users", "packages/common"]\n'
    ),
    "services/users/service.toml": 'handler = "users.app.handler"\n',
    "services/orders/service.toml": 'handler = "orders.app.handler"\n',
    "services/catalog/service.toml": 'handler = "src/app.handler"\nruntime = "nodejs20.x"\n',
    "services/legacy/service.toml": 'handler = "app.handler"\nruntime = "nodejs20.x"\n',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended. `artifacts` are its JSON lines of that kind, by unit."""

    status: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 by unit, taken of the files and not only told."""
        found = {}
        for event in self.events:
            if event["event"] == "artifact":
                content = Path(event["path"]).read_bytes()
                assert hashlib.sha256(content).hexdigest() == event["digest"], event
                found[event["unit"]] = event["digest"]
        return found


@dataclass(slots=True, kw_only=True)
class Mixed:
    """The workspace in `root`, seen by a user with these variables."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return self.root / ".penstock/cache"

    def start(self, *words: str, before: tuple[str, ...] = (), **how: Any) -> subprocess.Popen[str]:
        """Start `penstock build --json`; `before` are words in front of it, as `taskset`."""
        argv = [*before, str(PENSTOCK), "build", "--json", *words]
        environ = {**os.environ, **self.environ}
        return subprocess.Popen(
            argv, cwd=self.root, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how
        )

    def build(self, *words: str, before: tuple[str, ...] = (), **how: Any) -> Ended:
        process = self.start(*words, before=before, **how)
        stdout, stderr = process.communicate(timeout=120)
        return Ended(status=process.returncode, stdout=stdout, stderr=stderr)

    def built(self, *words: str, before: tuple[str, ...] = (), **how: Any) -> dict[str, str]:
        """Digests of a build that ends well."""
        ended = self.build(*words, before=before, **how)
        assert ended.status == 0, ended
        return ended.digests

    def edit(self, mark: object) -> None:
        """A change of every service and of what they share."""
        sources = {
            "services/users/src/users/app.py": "def handler(event, context):\n    return {!r}\n",
            "services/orders/src/orders/app.py": "def handler(event, context):\n    return {!r}\n",
            "packages/common/src/common/__init__.py": "def greet() -> str:\n    return {!r}\n",
            "packages/plain/src/index.ts": "export const used = (x: number): number => x + {!r}.length;\n",
            "services/legacy/app.js": "exports.handler = async () => {!r};\n",
        }
        for path, text in sources.items():
            (self.root / path).write_text(text.format(str(mark)))

    def torn(self) -> list[str]:
        """What lies in the cache under a name that it does not bear out: there must never be any."""
        zips = self.cache / "v1/zips"
        wrong = [path.name for path in zips.glob("*.zip") if path.stem != hashlib.sha256(path.read_bytes()).hexdigest()]
        for record in (self.cache / "v1/index").glob("*/*.json"):
            try:
                known = json.loads(record.read_bytes())
            except ValueError:
                wrong.append(str(record))
                continue
            if record.parent.name == "artifact":
                digest = known["digest"]
                there = (zips / f"{digest}.zip").is_file() and (zips / f"{digest}.cdx.json").is_file()
                wrong += [] if there else [str(record)]
        return wrong
