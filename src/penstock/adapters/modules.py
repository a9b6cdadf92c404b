"""The HCL modules that ship with Penstock, read from its package data."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

SUFFIXES = (".tf", ".tftpl", ".md", ".json")
LEFT_OUT = ("tests", ".terraform")


def shipped_modules() -> Mapping[str, bytes]:
    """Content by path below `infra/modules`, as `rest_api/main.tf`; the modules' own tests stay here."""
    return dict(_walk(files("penstock") / "terraform", ""))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name not in LEFT_OUT:
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif prefix and entry.name.endswith(SUFFIXES) and entry.is_file() and not entry.name.startswith("."):
            yield f"{prefix}{entry.name}", entry.read_bytes()
