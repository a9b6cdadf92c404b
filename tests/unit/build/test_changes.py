"""What changed between recipes, which services changed files touch, what weighs what."""

from __future__ import annotations

from penstock.build.archive import pack
from penstock.build.changes import InputChange, Reach, affected, between, of_packages
from penstock.build.weight import tree

ORDERS = Reach(
    service="orders",
    folders=("services/orders", "packages/common"),
    files=("tsconfig.base.json",),
    locks={"uv.lock": "now"},
)
USERS = Reach(service="users", folders=("services/users",), files=(), locks={"uv.lock": "same"})


def touched(*changed: str) -> dict[str, tuple[str, ...]]:
    return affected((ORDERS, USERS), changed, lambda reach, _: "same" if reach is USERS else "before")


def test_inputs_that_came_went_and_changed_are_told_by_name() -> None:
    assert between({"a": "1", "b": "1", "c": "1"}, {"b": "1", "c": "2", "d": "1"}) == (
        InputChange(input="a", what="removed"),
        InputChange(input="c", what="changed"),
        InputChange(input="d", what="added"),
    )


def test_another_version_of_a_locked_package_is_one_change_and_values_in_words_are_told() -> None:
    before = {
        "lock idna 3.10": "d1",
        "lock forked 1": "d",
        "tool uv": "0.9",
        "source a.py": "d2",
        "option x": "1",
    }
    now = {"lock idna 3.11": "d3", "lock forked 2": "d", "lock forked 3": "d", "tool uv": "0.10", "source a.py": "d4"}
    assert between(before, now) == (
        InputChange(input="lock forked 1", what="removed"),
        InputChange(input="lock forked 2", what="added"),
        InputChange(input="lock forked 3", what="added"),
        InputChange(input="lock idna", what="changed", before="3.10", now="3.11"),
        InputChange(input="option x", what="removed", before="1"),
        InputChange(input="source a.py", what="changed"),
        InputChange(input="tool uv", what="changed", before="0.9", now="0.10"),
    )


def test_of_packages_that_are_there_in_several_versions_all_are_told() -> None:
    before = {"zod": "1.0, 2.0", "idna": "3.10", "gone": "1.0"}
    assert of_packages(before, {"zod": "1.0, 3.0", "idna": "3.10", "new": "2.0"}) == (
        InputChange(input="lock gone", what="removed", before="1.0"),
        InputChange(input="lock new", what="added", now="2.0"),
        InputChange(input="lock zod", what="changed", before="1.0, 2.0", now="1.0, 3.0"),
    )


def test_a_shared_package_touches_those_who_reach_it() -> None:
    assert touched("packages/common/src/common/words.txt") == {"orders": ("packages/common/src/common/words.txt",)}


def test_of_a_lock_only_the_part_counts_that_a_service_reaches() -> None:
    assert touched("uv.lock") == {"orders": ("uv.lock",)}


def test_tests_caches_and_strangers_touch_nothing_but_a_manifest_does() -> None:
    assert touched("services/users/tests/test_app.py", "services/users/a/__pycache__/b.pyc", "README.md") == {}
    assert set(touched("services/users/service.toml")) == {"users"}
    assert set(touched("services/users-too/app.py", "packages/commonly/x.py")) == set()


def test_a_submodule_touches_those_of_whom_it_is_or_holds_a_part() -> None:
    assert set(touched("services/users")) == {"users"}
    assert set(touched("packages")) == {"orders"}
    assert set(touched("services/")) == {"orders", "users"}  # an untracked repository
    assert touched("services/user", "package") == {}
    reach = Reach(service="a", folders=(), files=("shared/ts/base.json",), locks={"locks/py/uv.lock": "now"})
    paths = ("shared", "shared/ts/", "shared/ts/base.json", "locks", "locks/py", "shared/ts/base", "lock", "")
    assert affected((reach,), paths, lambda *_: "now") == {"a": tuple(sorted(paths[:5]))}


def test_the_workspaces_own_settings_touch_everything() -> None:
    assert set(touched("penstock.toml")) == {"orders", "users"}
    assert set(touched("tsconfig.base.json")) == {"orders"}


def test_a_tree_of_weights_begins_with_the_whole_and_goes_from_heavy_to_light() -> None:
    members = [pack("a/x.py", b"x"), pack("b/c/y.bin", bytes(range(256)) * 4), pack("b/z.py", b"zz")]
    weights = tree(members, least=0)
    assert [(one.path, one.depth, one.unpacked, one.files) for one in weights] == [
        ("", 0, 1027, 3),
        ("b", 1, 1026, 2),
        ("b/c", 2, 1024, 1),
        ("b/z.py", 2, 2, 1),
        ("a", 1, 1, 1),
        ("a/x.py", 2, 1, 1),
    ]
    assert sum(one.packed for one in weights if one.depth == 1) == weights[0].packed


def test_what_is_light_is_told_as_one() -> None:
    members = [pack("a/big", bytes(range(256)) * 9), pack("a/x", b"x"), pack("a/y", b"y"), pack("z", b"z")]
    weights = tree(members, least=0.1)
    assert [(one.path, one.depth, one.files, one.others) for one in weights] == [
        ("", 0, 4, 0),
        ("a", 1, 3, 0),
        ("a/big", 2, 1, 0),
        ("a", 2, 2, 2),
        ("", 1, 1, 1),
    ]
    assert sum(one.packed for one in weights if one.depth == 1) == weights[0].packed
