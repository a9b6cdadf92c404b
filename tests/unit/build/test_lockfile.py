"""When packages of the workspace are meant, by a uv.lock whose packages need each other."""

from __future__ import annotations

from penstock.build import lockfile
from penstock.build.markers import applies
from penstock.model.artifact import Target

TARGET = Target(language="python", version="3.13", architecture="arm64")
OLD = "python_full_version < '3.14'"
NT = "os_name == 'nt'"


def lock(**needs: list[tuple[str, str]]) -> str:
    """A lock of local packages: what each needs, and under which marker."""
    text = "version = 1\n"
    for name, dependencies in needs.items():
        text += f'[[package]]\nname = "{name}"\nversion = "1"\nsource = {{ directory = "{name}" }}\ndependencies = ['
        for inner, marker in dependencies:
            text += f'{{ name = "{inner}"' + (f', marker = "{marker}"' if marker else "") + " }, "
        text += "]\n"
    return text


def conditions(text: str) -> dict[str, list[str]]:
    found = lockfile.reached(lockfile.parse(text, where="uv.lock"), "svc")
    assert found is not None
    return dict(found.conditions)


def test_a_cycle_with_a_marker_comes_to_an_end() -> None:
    assert conditions(lock(svc=[("a", "")], a=[("b", OLD)], b=[("a", "")])) == {"b": [OLD]}


def test_a_cycle_in_which_every_step_has_a_marker_does_so_too() -> None:
    found = conditions(lock(svc=[("a", NT)], a=[("b", OLD), ("c", "")], b=[("c", NT)], c=[("a", OLD), ("b", "")]))
    assert found["a"] == [NT]
    assert not any(applies(one, TARGET) for markers in found.values() for one in markers)


def test_one_way_without_a_marker_is_enough() -> None:
    assert conditions(lock(svc=[("a", ""), ("b", NT)], a=[("b", "")], b=[])) == {}


def test_ways_beyond_counting_mean_everywhere() -> None:
    places = [f"python_full_version < '3.{number}'" for number in range(40)]
    ways = {f"p{number}": [("end", "")] for number in range(40)}
    found = conditions(lock(svc=[(f"p{n}", marker) for n, marker in enumerate(places)], **ways, end=[]))
    assert "end" not in found


def test_a_lock_in_which_everything_needs_everything_comes_to_an_end() -> None:
    names = [f"p{number}" for number in range(16)]
    needs = {
        name: [(other, f"python_full_version < '3.{20 + n + 16 * m}'") for m, other in enumerate(names)]
        for n, name in enumerate(names)
    }
    found = lockfile.reached(lockfile.parse(lock(svc=[("p0", NT)], **needs), where="uv.lock"), "svc")
    assert found is not None
    assert sorted(found.internal) == sorted(names)


def test_two_sources_of_one_version_both_count() -> None:
    def packages(*hashes: str) -> dict[str, str]:
        text = lock(svc=[("torch", OLD), ("torch", NT)])
        for number, content in enumerate(hashes):
            index = f"https://{number}.example"
            text += f'[[package]]\nname = "torch"\nversion = "2"\nsource = {{ registry = "{index}" }}\n'
            text += f'wheels = [{{ url = "{index}/torch.whl", hash = "sha256:{content}" }}]\n'
        found = lockfile.reached(lockfile.parse(text, where="uv.lock"), "svc")
        assert found is not None
        return dict(found.packages)

    before = packages("a", "b")
    assert before.keys() == {"torch 2"}
    assert packages("a", "b") == before
    assert packages("c", "b") != before
    assert packages("a", "c") != before


def test_what_a_manifest_asks_for_and_the_lock_was_not_made_from_is_told() -> None:
    text = (
        'version = 1\n[[package]]\nname = "svc"\nversion = "1"\nsource = { virtual = "." }\n[package.metadata]\n'
        'requires-dist = [{ name = "idna", specifier = ">=3,<4" }, { name = "own", directory = "own" }, '
        '{ name = "six" }]\n'
    )
    packages = lockfile.parse(text, where="uv.lock")
    assert lockfile.lacks(packages, "svc", ["idna <4, >=3 ; os_name == 'posix'", "Own>=1", "six"]) == []
    assert lockfile.lacks(packages, "svc", ["idna[x]>=3.1", "sniffio"]) == ["idna[x]>=3.1", "sniffio"]
