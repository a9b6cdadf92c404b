"""Remembers what was found out of a workspace's sources, so that an unchanged one loads in a fraction of the time.

Two short files that are safe to delete and shared by all environments of a workspace: digests of the sources that were
found to be sound, and the documents that their manifests hold. Both depend on the sources' texts, their listing and
the code that reads them, and on nothing else.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from penstock.adapters import own_code
from penstock.adapters.publish import remember
from penstock.workspace.findings import Finding
from penstock.workspace.load import load
from penstock.workspace.text import parse_toml, toml_text

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.model.workspace import Workspace
    from penstock.workspace.source import Source

_KEPT = 16


def load_remembered(source: Source, environment: str, memory: Path) -> Workspace:
    """`load`, without its checks where `memory` knows the source, and without parsing what lies beside it.

    Raises what `load` raises. A memory that cannot be read or written is done without.
    """
    code = own_code.stamp(("workspace", "workspace/checks"))
    digest = hashlib.sha256(f"{source.digest} {code}".encode()).hexdigest()
    documents = Documents(memory.with_name("documents"), code)
    known = _known(memory)
    sound = digest in known
    workspace = load(source, environment, sound=sound, parse=documents.parse)
    if not sound:
        remember(memory, "\n".join([digest, *known][:_KEPT]).encode())
    documents.save()
    return workspace


class Documents:
    """Parsed manifests by the SHA-256 of their bytes: TOML is read by Python code, JSON is not."""

    def __init__(self, memory: Path, code: str) -> None:
        """`code` stands for the code that parses."""
        self._memory = memory
        self._code = code
        self._before = self._read()
        self._now: dict[str, dict[str, Any]] = {}

    def parse(self, file: str, raw: str | bytes) -> tuple[dict[str, Any], str] | Finding:
        """What `parse_toml` says."""
        key = hashlib.sha256(raw.encode(errors="surrogatepass") if isinstance(raw, str) else raw).hexdigest()
        document = self._before.get(key)
        if document is None:
            parsed = parse_toml(file, raw)
            if isinstance(parsed, tuple) and _has_form(parsed[0]):
                self._now[key] = parsed[0]
            return parsed
        text = toml_text(file, raw)
        self._now[key] = document
        return text if isinstance(text, Finding) else (document, text)

    def save(self) -> None:
        """Keep those that were asked for, when they are not the ones that were there."""
        if self._now.keys() == self._before.keys():
            return
        text = json.dumps(self._now)
        remember(self._memory, f"{self._seal(text)}\n{text}".encode())

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            seal, _, text = self._memory.read_text(encoding="utf-8").partition("\n")
            found = json.loads(text) if seal == self._seal(text) else {}
        except (OSError, ValueError):
            return {}
        return dict(found)

    def _seal(self, text: str) -> str:
        return hashlib.sha256(f"{self._code} {text}".encode()).hexdigest()


def _has_form(document: dict[str, Any]) -> bool:
    """Whether JSON gives it back as it is: it has no form for a date."""
    try:
        json.dumps(document)
    except (TypeError, ValueError):
        return False
    return True


def _known(memory: Path) -> list[str]:
    try:
        return memory.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []
