"""Expand, then contract: a root that has everything of the new one and still everything that the release before needs.

Lambda versions neither roles, event sources and permissions, nor tables and queues. So what a configuration drops stays
until the release that used it is gone: Terraform applies the expanded root before the switch and the plain one after.
Changes of one value (a timeout, a key) cannot be split this way and are not touched here; grants stay through the
`retained` parameter, not through the root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Body = dict[str, Any]


def expanded(root: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """`root` plus what `before` had and it has not; equal to `root` when nothing was dropped."""
    modules: dict[str, Any] = root.get("module", {})
    earlier: Mapping[str, Any] = before.get("module", {})
    together = {**earlier, **{name: _module(body, earlier.get(name)) for name, body in modules.items()}}
    data = _deep_union(root.get("data", {}), before.get("data", {}))
    return {**root, **({"module": together} if together else {}), **({"data": data} if data else {})}


def dropped(root: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, ...]:
    """What functions of `before` could use and `root` has no more, in words: `index by_email of table_users`.

    Grants are not among them: they stay through the `retained` parameter until the second release after.
    """
    modules: Mapping[str, Body] = root.get("module", {})
    found: list[str] = []
    for name, body in sorted(expanded(root, before).get("module", {}).items()):
        now = modules.get(name)
        if name == "controller":
            continue  # ours: no release needs it
        if now is None:
            found.append(name)
        elif "service" in body:
            functions, left = body["service"]["functions"], now["service"]["functions"]
            found += [f"function {key} of {name}" for key in functions if key not in left]
            found += [
                f"event source {source} of {key}"
                for key in functions
                for source in functions[key].get("event_sources", {})
                if key in left and source not in left[key].get("event_sources", {})
            ]
        else:
            found += [f"index {key} of {name}" for key in body.get("indexes", {}) if key not in now.get("indexes", {})]
            found += [f"{key} of {name}" for key in ("stream",) if key in body and key not in now]
    return tuple(found)


def _module(body: Body, before: Body | None) -> Body:
    if before is None or body["source"] != before["source"]:
        return body
    merge = _MERGES.get(body["source"].rsplit("/", 1)[1])
    return merge(body, before) if merge else body


def _service(body: Body, before: Body) -> Body:
    functions = _union(body["service"]["functions"], before["service"]["functions"], _function)
    callers = {key: before[key] for key in ("callers",) if key in before and key not in body}
    return {**callers, **body, "service": {**body["service"], "functions": functions}}


def _function(now: Body, before: Body) -> Body:
    sources = _union(now.get("event_sources", {}), before.get("event_sources", {}))
    called = {"http": bool(now.get("http") or before.get("http"))}
    return {**now, **called, **({"event_sources": sources} if sources else {})}


def _table(body: Body, before: Body) -> Body:
    kept: Body = {key: before[key] for key in ("stream", "ttl_attribute") if key in before and key not in body}
    indexes = _union(body.get("indexes", {}), before.get("indexes", {}))
    attributes = _union(body["attributes"], before["attributes"])
    needed = {body["hash_key"], body.get("range_key")} | {
        key for index in indexes.values() for key in (index["hash_key"], index.get("range_key"))
    }
    # DynamoDB refuses an attribute that no key uses.
    used = {name: kind for name, kind in attributes.items() if name in needed}
    return {**kept, **body, "attributes": used, **({"indexes": indexes} if indexes else {})}


def _queue(body: Body, before: Body) -> Body:
    kept = {key: before[key] for key in ("dead_letter_after",) if key in before and key not in body}
    return {**kept, **body}


def _boundary(body: Body, before: Body) -> Body:
    fenced = sorted({*body["fenced"], *before["fenced"]})
    return {**body, "fenced": fenced, "own": sorted({*body["own"], *before["own"]})}


def _controller(body: Body, before: Body) -> Body:
    """Who moves traffic between two releases moves that of a function, and of an API, which only one of them has."""
    names = list(dict.fromkeys([*body["functions"]["names"], *before["functions"]["names"]]))
    apis = {key: before[key] for key in ("apis",) if key in before and key not in body}
    return {**apis, **body, "functions": {**body["functions"], "names": names}}


def _union(now: Body, before: Body, both: Callable[[Any, Any], Any] = lambda now, _: now) -> Body:
    return {**before, **{key: both(value, before[key]) if key in before else value for key, value in now.items()}}


def _deep_union(now: Body, before: Body) -> Body:
    return _union(now, before, lambda these, those: {**those, **these})


_MERGES: Mapping[str, Callable[[Body, Body], Body]] = {
    "boundary": _boundary,
    "controller": _controller,
    "dynamodb_table": _table,
    "lambda_service": _service,
    "queue": _queue,
}
"""By module: how two bodies of it become one that serves both. Where nothing stands, the new one serves both."""
