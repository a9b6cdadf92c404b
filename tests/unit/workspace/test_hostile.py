"""Input from somebody who means harm, or from a machine that went wrong: one line each, quickly, no traceback."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from penstock.adapters.workspace_files import read_source
from penstock.model.errors import Problem, UsageError, WorkspaceInvalid
from penstock.workspace.load import environments, load
from penstock.workspace.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROOT = '[workspace]\nname = "w"\nservices = ["s/*"]\n[environments.dev]\nendpoint = "local"\naccount = "111111111111"\n'
SERVICE = 'handler = "a.handler"\n'


def problems(files: Mapping[str, str | bytes]) -> list[str]:
    """One string for each problem of a workspace with these files; `a.py` is there too."""
    with pytest.raises(WorkspaceInvalid) as caught:
        environments(Source(root_name="w", files=files, listing=frozenset((*files, "s/a/a.py"))))
    assert all(one.what.isprintable() and one.hint.isprintable() for one in caught.value.problems)
    return [f"{one.where}: {one.what}" for one in caught.value.problems]


def on_disk(root: Path, text: str = ROOT, service: str | None = SERVICE) -> Path:
    (root / "s" / "a").mkdir(parents=True)
    (root / "penstock.toml").write_text(text)
    (root / "s" / "a" / "a.py").write_text("")
    if service is not None:
        (root / "s" / "a" / "service.toml").write_text(service)
    return root


def refused(root: Path) -> tuple[Problem, ...]:
    with pytest.raises(WorkspaceInvalid) as caught:
        load(read_source(root), "dev")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n" * 2_000_000, "penstock.toml: larger than 1 MB"),
        ("a = " + "[" * 5000, "penstock.toml: nested too deeply"),
        ("a = " + "[" * 40 + "]" * 40, "penstock.toml: nested too deeply"),
        ("a = " + "{ b = " * 3000, "penstock.toml: nested too deeply"),
        (".".join("a" * 200_000) + " = 1", "penstock.toml:1: too many dots"),
        ("\n[" + ".".join("a" * 40) + "]", "penstock.toml:2: too many dots"),
        ("a = " + "9" * 5000, "penstock.toml: not TOML: Exceeds the limit (4300 digits) for integer string conversion"),
        ("a = 1\na = 2\n", "penstock.toml:2: not TOML: Cannot overwrite a value, column 6"),
        ("a = 2000-13-01", "penstock.toml:1: not TOML"),
        ("a = 1\n\n\0", "penstock.toml:3: contains a NUL byte"),
        (b"a = 1\n\xff", "penstock.toml:2: not UTF-8: byte 0xff"),
        ('a = "' + "." * 30 + '\\"' * 400_000, "penstock.toml:1: not TOML: Unterminated string at the end of the file"),
        (b"\xff\xfea\0", "penstock.toml:1: not UTF-8: byte 0xff"),
    ],
    ids=range(13),
)
def test_a_file_that_is_no_manifest_is_refused_in_one_line(text: str | bytes, said: str) -> None:
    told = problems({"penstock.toml": text})
    assert len(told) == 1
    assert told[0].startswith(said)


def test_strings_and_comments_may_hold_as_many_dots_as_they_like() -> None:
    dots = "." * 100
    files = {
        "penstock.toml": ROOT,
        "s/a/service.toml": f"{SERVICE}# {dots}\nenv = {{ DOTS = \"{dots}\", D2 = '{dots}' }}",
    }
    source = Source(root_name="w", files=files, listing=frozenset((*files, "s/a/a.py")))
    assert load(source, "dev").functions[0].env["DOTS"] == dots


def test_ten_thousand_services_are_refused_in_one_line() -> None:
    files = {"penstock.toml": ROOT, **{f"s/a{number}/service.toml": SERVICE for number in range(10_000)}}
    assert problems(files) == ["penstock.toml:3: more than 2,000 services, the most that Penstock takes in a workspace"]


def test_a_folder_s_name_that_is_not_utf_8_is_refused_in_printable_words(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "w")
    folder = os.fsencode(root) + b"/s/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102 - pathlib takes no bytes
    with open(folder + b"/service.toml", "w") as file:  # noqa: PTH123 - same
        file.write(SERVICE)
    assert any("cannot be a service's name" in one.what for one in refused(root))
    assert all(str(one).encode() for one in refused(root))


def test_a_thousand_mistakes_end_with_a_count() -> None:
    told = problems({"penstock.toml": ROOT, "s/a/service.toml": SERVICE + "".join(f"k{n} = 1\n" for n in range(1000))})
    assert len(told) == 51
    assert told[0] == "s/a/service.toml: and 950 further problems"


def test_a_folder_s_name_that_is_syntax_cannot_be_a_service() -> None:
    for name in ("${x}", "a b", "$(id)", "a`b", 'a"b', "A", "a\nb", "a" * 60):
        told = problems({"penstock.toml": ROOT, f"s/{name}/service.toml": SERVICE})
        assert any("cannot be a service's name" in one for one in told)


def test_a_link_out_of_the_workspace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "service.toml").write_text(SERVICE)
    root = on_disk(tmp_path / "w", service=None)
    (root / "s" / "a" / "service.toml").symlink_to(tmp_path / "outside" / "service.toml")
    (root / "s" / "b").symlink_to(tmp_path / "outside")
    told = [(one.file, one.what) for one in refused(root)]
    assert ("s/a/service.toml", "is a link that leaves the workspace") in told
    assert ("s/b", "is a link that leaves the workspace") in told


def test_a_link_inside_the_workspace_is_followed(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "w", service=None)
    (root / "shared.toml").write_text(SERVICE)
    (root / "s" / "a" / "service.toml").symlink_to(root / "shared.toml")
    assert [one.name for one in load(read_source(root), "dev").services] == ["a"]


def test_a_pipe_in_a_manifest_s_place_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "w", service=None)
    os.mkfifo(root / "s" / "a" / "service.toml")
    assert ("s/a/service.toml", "is not a file") in [(one.file, one.what) for one in refused(root)]


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "w", service=None)
    (root / "s" / "a" / "service.toml").symlink_to("service.toml")
    assert refused(root)[0].what.startswith("cannot be read")


def test_a_folder_in_the_manifest_s_place_is_refused(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "w", service=None)
    (root / "s" / "a" / "service.toml").mkdir()
    assert ("s/a/service.toml", "is not a file") in [(one.file, one.what) for one in refused(root)]


def test_a_file_over_the_limit_is_not_read_whole(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "w")
    with (root / "s" / "a" / "service.toml").open("ab") as file:
        file.truncate(10_000_000_000)  # sparse
    source = read_source(root)
    assert len(source.files["s/a/service.toml"]) < 2_000_000
    assert [(one.file, one.what) for one in refused(root)] == [("s/a/service.toml", "larger than 1 MB")]


def test_patterns_never_lead_out_of_the_workspace(tmp_path: Path) -> None:
    on_disk(tmp_path / "other")
    text = ROOT.replace('"s/*"', '"s/*", "../other/s/*", "/tmp/*", "~/x", "a/../../other/s/*", "C:/x"')
    source = read_source(on_disk(tmp_path / "w", text))
    assert sorted(source.files) == ["penstock.toml", "s/a/service.toml"]


def test_a_verified_event_is_not_read_from_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    root = on_disk(tmp_path / "w", service=f'{SERVICE}verify = "../../../secret.json"\n')
    assert sorted(read_source(root).files) == ["penstock.toml", "s/a/service.toml"]


def test_no_workspace_at_all_is_told_with_what_to_do(tmp_path: Path) -> None:
    assert str(refused(tmp_path)[0]) == (
        "penstock.toml: not found\n  → run this in a workspace, or begin one with `penstock init`"
    )
    with pytest.raises(UsageError, match="there is no folder"):
        read_source(tmp_path / "none")


def test_an_unknown_environment_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no environment 'prod'") as caught:
        load(read_source(on_disk(tmp_path / "w")), "prod")
    assert caught.value.hint == "take one of dev"


def test_folders_of_tools_are_not_listed(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "w")
    (root / "s" / "a" / "node_modules" / "x").mkdir(parents=True)
    (root / "s" / "a" / "node_modules" / "x" / "package.json").write_text("{")
    assert not any("node_modules" in path for path in read_source(root).listing)


def test_equal_sources_have_equal_digests_and_any_change_changes_it(tmp_path: Path) -> None:
    root = on_disk(tmp_path / "w")
    before = read_source(root).digest
    assert read_source(root).digest == before
    (root / "s" / "a" / "b.py").write_text("")
    listed = read_source(root).digest
    assert listed != before
    (root / "s" / "a" / "service.toml").write_text(SERVICE + "memory = 512\n")
    assert read_source(root).digest not in (before, listed)


def test_a_variable_that_looks_like_a_credential_is_refused_and_not_told() -> None:
    made_up = "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    (told,) = problems({"penstock.toml": ROOT, "s/a/service.toml": f'{SERVICE}[env]\nSTRIPE = "{made_up}"\n'})
    assert told.startswith("s/a/service.toml:3: STRIPE looks like a Stripe key")
    assert made_up not in told


def test_a_folder_whose_name_no_file_system_takes_is_one_that_is_not_there(tmp_path: Path) -> None:
    for name in ("x" * 300, "x" * 300 + "/*"):
        root = on_disk(tmp_path / str(len(name)), ROOT.replace('"s/*"', f'"s/*", "{name}"'))
        assert any("x" * 9 in f"{one.where}{one.what}" for one in refused(root))
