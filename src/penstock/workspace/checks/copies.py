"""A service that was begun as a copy of another one, and not yet made its own: told once, not once a route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.workspace.checks.scene import function_tables
from penstock.workspace.findings import Finding, shown
from penstock.workspace.layers import table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.workspace.layers import Document
    from penstock.workspace.tree import ServiceFiles

FEWEST = 2
"""Routes that two services must share to count as copies: one may be a slip, which its own check tells."""


def copies(services: Iterable[ServiceFiles]) -> dict[str, Finding]:
    """What is wrong with each service that has exactly the routes of one before it, by the service's path."""
    first: dict[frozenset[str], ServiceFiles] = {}
    found: dict[str, Finding] = {}
    for service in services:
        routes = _routes(service.manifest.document)
        if len(routes) < FEWEST:
            continue
        other = first.setdefault(routes, service)
        if other is not service:
            same = ["routes", *_same_resources(service.manifest.document, other.manifest.document)]
            what = f"{service.name} and {other.name} are copies of one another: the same {' and '.join(same)}"
            hint = f"give one its own {', '.join(same)}; its package a name of its own as well"
            found[service.path] = Finding(service.manifest.file, (), what, f"{hint} ({shown(other.manifest.file)})")
    return found


def _routes(document: Document) -> frozenset[str]:
    return frozenset(route for _, values in function_tables(document) for route in values.get("routes", ()))


def _same_resources(one: Document, other: Document) -> list[str]:
    kinds = ("tables", "queues", "topics", "buckets")
    return [kind for kind in kinds if table(one, kind).keys() & table(other, kind).keys()]
