"""What holds for any input."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.model.errors import UsageError
from penstock.workspace.durations import seconds
from penstock.workspace.explain import explain
from penstock.workspace.layers import merge
from penstock.workspace.load import environments, load
from penstock.workspace.source import Source

# Documents that agree on what is a table: keys in capitals hold tables, others do not. Manifests agree by their schema.
leaves = st.one_of(st.integers(), st.booleans(), st.lists(st.integers(), max_size=2))
documents: st.SearchStrategy[dict[str, Any]] = st.deferred(
    lambda: st.fixed_dictionaries(
        {}, optional={"a": leaves, "b": leaves, "T": documents, "U": st.dictionaries(st.sampled_from("xyz"), leaves)}
    )
)


@given(documents, documents, documents)
def test_merging_is_associative(low: dict[str, Any], middle: dict[str, Any], high: dict[str, Any]) -> None:
    assert merge(merge(low, middle), high) == merge(low, merge(middle, high))


@given(documents, documents)
def test_merging_changes_neither_side_and_the_stronger_one_is_all_there(
    low: dict[str, Any], high: dict[str, Any]
) -> None:
    before = repr((low, high))
    result = merge(low, high)
    assert repr((low, high)) == before
    assert merge(result, high) == result
    assert set(result) == {*low, *high}


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_durations_add_up(days: int, hours: int, minutes: int, rest: int) -> None:
    assert seconds(f"{days}d{hours}h{minutes}m{rest}s") == ((days * 24 + hours) * 60 + minutes) * 60 + rest


ROOT = '[workspace]\nname = "w"\nservices = ["s/*"]\n[environments.dev]\nendpoint = "local"\naccount = "111111111111"\n'
SERVICE = 'handler = "a.handler"\n'
pieces = st.sampled_from(
    [
        "[", "]", "[[", "]]", "{", "}", "=", ",", ".", '"', "'", '"""', "\n", "\r\n", " ", "#", "1", "true", "-",
        "\\u", "1e5", "functions", "environments", "dev", "routes", "on", "env", "uses", "tables", "a",
        '"GET /x"', "memory", "health", "{ terraform = 1 }", "extends", "capacity", "[functions.a]\n",
        "[[functions.a.on]]\n", "queue = ", "inf", "nan", "rollout", "weights", "[environments.dev]\n",
        "1979-05-27", "[tables.a]\n", "0x1F", "services", "statements",
    ]
)  # fmt: skip
texts = st.one_of(
    st.lists(pieces, max_size=30).map("".join),
    st.text(max_size=60),
    st.binary(max_size=60),
    st.lists(pieces, max_size=20).map(lambda parts: SERVICE + "".join(parts)),
    st.lists(pieces, max_size=20).map(lambda parts: ROOT + "".join(parts)),
)


@settings(max_examples=300)
@given(st.one_of(st.just(ROOT), texts), st.one_of(st.just(SERVICE), texts), texts, texts)
def test_loading_anything_ends_in_a_workspace_or_in_problems(
    root: str | bytes, service: str | bytes, python: str | bytes, node: str | bytes
) -> None:
    files = {
        "penstock.toml": root,
        "s/a/service.toml": service,
        "s/a/pyproject.toml": python,
        "s/a/package.json": node,
    }
    source = Source(root_name="w", files=files, listing=frozenset((*files, "s/a/a.py")))
    with contextlib.suppress(UsageError):  # WorkspaceInvalid is one
        for environment in environments(source):
            load(source, environment)
            explain(source, "a.memory", environment)


# A document of the right keys with any values in them goes deeper than text does.
anything = st.recursive(
    st.one_of(
        st.none().map(lambda _: "1979-05-27"),
        st.integers(-5, 2000).map(str),
        st.sampled_from(['"x"', "true", '"a"', "1.5"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(
            st.sampled_from(
                ["handler", "env", "routes", "read", "write", "key", "terraform", "actions", "queue", "after"]
            ),
            inner,
            max_size=3,
        ).map(lambda items: "{" + ", ".join(f"{key} = {value}" for key, value in items.items()) + "}"),
    ),
    max_leaves=5,
)
SERVICE_KEYS = (
    "handler", "routes", "health", "verify", "on", "env", "memory", "timeout", "concurrency", "layers", "functions.f",
    "functions.f.on", "uses", "uses.tables", "uses.statements", "tables.t", "tables.t.capacity", "queues.q",
    "environments.dev", "environments.dev.functions.f", "environments.dev.uses", "environments.x", "runtime", "secrets",
)  # fmt: skip
ROOT_KEYS = (
    "defaults", "defaults.env", "tables.t", "environments.x", "environments.x.extends", "environments.dev.rollout",
    "environments.dev.defaults", "environments.dev.after", "workspace.naming", "workspace.tags", "workspace.packages",
    "environments.dev.tables.t", "environments", "environments.dev.approvals", "environments.dev.region",
)  # fmt: skip


def told(base: str, pairs: dict[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in pairs.items()) + base


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(ROOT_KEYS), anything, max_size=3),
    st.dictionaries(st.sampled_from(SERVICE_KEYS), anything, max_size=5),
)
def test_wrong_values_anywhere_end_in_problems(root: dict[str, str], service: dict[str, str]) -> None:
    base = 'workspace.name = "w"\nworkspace.services = ["s/*"]\nenvironments.dev.account = "111111111111"\n'
    files: dict[str, str | bytes] = {"penstock.toml": told(base, root), "s/a/service.toml": told("", service)}
    source = Source(root_name="w", files=files, listing=frozenset((*files, "s/a/a.py")))
    with contextlib.suppress(UsageError):
        load(source, "dev")
