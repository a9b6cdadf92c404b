"""Python services, built with the real uv."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from build.sites import HANDLER_PY, Site, python_service, service, workspace

from penstock.model.errors import BuildFailed
from penstock.model.events import ArtifactReady, Note
from penstock.model.workspace import BuildOptions


def notes(site: Site) -> list[str]:
    return [event.text for event in site.heard.events if isinstance(event, Note)]


def names(path: str) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def run_from(path: str, code: str, folder: Path) -> str:
    """What a Python prints that sees the ZIP's files and nothing else."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    bare = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"]
    return subprocess.run(bare, capture_output=True, text=True, check=True).stdout


def test_the_zip_holds_service_shared_package_and_locked_packages_but_not_the_sdk(site: Site, tmp_path: Path) -> None:
    found = names(site.build("users")["users"].path)
    assert {"users/app.py", "common/__init__.py", "common/words.txt", "idna/core.py"} <= found
    assert not {name.split("/")[0] for name in found} & {
        "boto3",
        "botocore",
        "s3transfer",
        "urllib3",
        "jmespath",
        "bin",
    }
    code = "import users.app, common, idna; print(users.app.handler(None, None), common.greet(), idna.__version__)"
    assert run_from(site.build("users")["users"].path, code, tmp_path / "task") == "ok hello 3.10\n"


def test_the_sbom_lies_beside_the_zip_and_tells_what_is_in_it(site: Site) -> None:
    users = site.build("users")["users"]
    content = json.loads(Path(users.sbom).read_text())
    about = {each["name"]: each for each in content["components"]}
    assert content["metadata"]["component"]["hashes"][0]["content"] == users.digest
    assert sorted(about) == ["boto3", "common", "idna"]
    assert about["idna"]["purl"] == "pkg:pypi/idna@3.10"
    assert about["idna"]["hashes"][0]["content"] in (site.root / "uv.lock").read_text()
    assert about["idna"]["licenses"]
    assert "supplied-by" in about["boto3"]["properties"][0]["name"]
    before = Path(users.sbom).read_bytes()
    Path(users.sbom).unlink()
    assert not site.build("users")["users"].cached
    assert Path(users.sbom).read_bytes() == before


def test_the_sdk_is_in_the_zip_and_a_component_of_its_sbom_on_request(site: Site, tmp_path: Path) -> None:
    users = replace(site.workspace.services[1], build=BuildOptions(bundle_sdk=True))
    assert users.name == "users"
    site.workspace = replace(site.workspace, services=(site.workspace.services[0], users))
    made = site.build("users")["users"]
    sdk = {"boto3", "botocore", "s3transfer", "jmespath"}
    assert sdk <= {name.split("/")[0] for name in names(made.path)}
    content = json.loads(Path(made.sbom).read_text())
    about = {each["name"]: each for each in content["components"]}
    assert sdk | {"common", "idna", "python-dateutil", "six", "urllib3"} == about.keys()
    lock = tomllib.loads((site.root / "uv.lock").read_text())
    locked = {package["name"]: package["version"] for package in lock["package"]}
    for name in sdk:
        assert about[name]["purl"] == f"pkg:pypi/{name}@{locked[name]}"
        assert about[name]["hashes"]
        assert not [one for one in about[name].get("properties", []) if "supplied-by" in one["name"]]
    code = "import boto3; print(boto3.session.Session().get_available_resources())"
    assert "s3" in run_from(made.path, code, tmp_path / "task"), "it brings its data files"
    (reason,) = site.builder().why(site.workspace, ("users",), site.targets)
    assert reason.state == "current"


def test_all_functions_of_a_service_share_one_zip(site: Site) -> None:
    artifact = site.build("orders")["orders"]
    assert artifact.functions == ("orders-api", "orders-worker")
    assert artifact.size == os.path.getsize(artifact.path)  # noqa: PTH202 - the path is text


def test_an_unchanged_workspace_is_read_from_the_cache_without_running_a_program(site: Site) -> None:
    first = site.build()
    site.commands.run = None  # type: ignore[method-assign, assignment] # whoever runs a program now fails
    again = site.build()
    assert {unit: made.digest for unit, made in again.items()} == {unit: made.digest for unit, made in first.items()}
    assert all(artifact.cached for artifact in again.values())
    assert site.heard.names == ["artifact-ready", "artifact-ready"]


def test_only_what_depends_on_a_change_is_rebuilt(site: Site) -> None:
    before = site.build()
    site.write({"packages/common/src/common/__init__.py": "def greet() -> str:\n    return 'bye'\n"})
    after = site.build()
    assert after["users"].digest != before["users"].digest
    assert after["orders"].cached
    ready = [event for event in site.heard.events if isinstance(event, ArtifactReady)]
    assert {event.unit: event.cached for event in ready} == {"users": False, "orders": True}


def test_new_and_deleted_files_count_and_touched_ones_do_not(site: Site) -> None:
    first = site.recipes()["users"].digest
    extra = site.root / "services/users/src/users/extra.py"
    extra.write_text("X = 1\n")
    assert site.recipes()["users"].digest != first
    extra.unlink()
    os.utime(site.root / "services/users/src/users/app.py", (1, 1))
    (site.root / "services/users/tests").mkdir()
    (site.root / "services/users/tests/test_x.py").write_text("assert True\n")
    assert site.recipes()["users"].digest == first


def test_content_that_changes_behind_the_same_size_and_time_is_noticed(site: Site) -> None:
    path = site.root / "services/users/src/users/app.py"
    status = path.stat()
    first = site.recipes()["users"].digest
    path.write_text(path.read_text().replace("ok", "ko"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert site.recipes()["users"].digest != first


def test_the_bytes_do_not_depend_on_path_umask_time_zone_locale_or_cache(
    site: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = site.build()
    elsewhere = tmp_path_factory.mktemp("a path with blanks") / "deeper"
    shutil.copytree(site.root, elsewhere, ignore=shutil.ignore_patterns(".penstock"))
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    old = os.umask(0o077)
    try:
        there = Site(elsewhere, site.workspace).build()
    finally:
        os.umask(old)
    assert {unit: made.digest for unit, made in there.items()} == {unit: made.digest for unit, made in here.items()}
    assert [made.recipe for made in there.values()] == [made.recipe for made in here.values()]


def test_a_corrupted_zip_is_made_again(site: Site) -> None:
    first = site.build("orders")["orders"]
    with open(first.path, "r+b") as file:  # noqa: PTH123 - the path is text
        file.seek(40)
        file.write(b"\0\0\0\0")
    again = site.build("orders")["orders"]
    assert (again.digest, again.cached) == (first.digest, False)


def test_a_record_without_its_zip_is_no_hit(site: Site) -> None:
    first = site.build("orders")["orders"]
    os.unlink(first.path)  # noqa: PTH108 - the path is text
    assert not site.build("orders")["orders"].cached


def test_what_a_killed_build_left_behind_is_no_hit(site: Site) -> None:
    torn = site.cache / "v1/tmp/abc"
    torn.mkdir(parents=True)
    (torn / "draft.zip").write_bytes(b"PK\3\4 half")
    assert not site.build("orders")["orders"].cached


def test_a_missing_lock_says_what_to_type(site: Site) -> None:
    (site.root / "uv.lock").unlink()
    with pytest.raises(BuildFailed) as caught:
        site.build("users")
    assert "no lock" in caught.value.what
    assert "uv lock" in caught.value.hint


def test_a_stale_lock_says_what_to_type(site: Site) -> None:
    manifest = site.root / "services/users/pyproject.toml"
    manifest.write_text(manifest.read_text().replace('"boto3"', '"boto3", "idna<3"'))
    with pytest.raises(BuildFailed) as caught:
        site.build("users")
    assert caught.value.hint == "uv lock --directory ." or "unsatisfiable" in caught.value.what


def test_a_service_outside_the_lock_is_told_how_to_get_in(site: Site) -> None:
    site.write(python_service("late"))
    site.workspace = workspace(service("late", "late.app.handler"))
    with pytest.raises(BuildFailed, match="services/late is not in the lock"):
        site.build()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def handle(event, context): ...\n", "does not define handler"),
        ("x = 1\ndef handler(:\n", "invalid syntax"),
        ("x = 1\nfrom __future__ import annotations\ndef handler(e, c): ...\n", "must occur at the beginning"),
        ("def handler(e, c): ...\nreturn 1\n", "'return' outside function"),
    ],
)
def test_code_that_cannot_run_is_refused_with_its_place(site: Site, source: str, message: str) -> None:
    site.write({"services/users/src/users/app.py": source})
    with pytest.raises(BuildFailed, match=message) as caught:
        site.build("users")
    assert caught.value.where.startswith("services/users/")


def test_syntax_newer_than_ours_is_judged_by_the_targets_python(site: Site) -> None:
    site.versions["python"] = "3.13"
    if sys.version_info >= (3, 12) or site.interpreters.find("python3.13") is None:
        pytest.skip("our own Python knows this syntax, or there is no newer one to ask")
    site.write({"services/users/src/users/new.py": "type Name = str\n"})
    site.build("users")
    site.write({"services/users/src/users/new.py": "type Name = = str\n"})
    with pytest.raises(BuildFailed) as caught:
        site.build("users")
    assert caught.value.where == "services/users/src/users/new.py:1"


def test_one_failure_does_not_stop_the_others_and_all_are_told(site: Site) -> None:
    site.write(
        {
            "services/users/src/users/app.py": "def handler(:\n",
            "services/orders/src/orders/app.py": "nothing = 1\n",
            **python_service("fine"),
        }
    )
    site.uv_lock()
    site.workspace = workspace(*site.workspace.services, service("fine", "fine.app.handler"))
    with pytest.raises(BuildFailed) as caught:
        site.build()
    assert "2 of 3 did not build" in caught.value.what
    assert "services/users/src/users/app.py:1" in caught.value.what
    assert "does not define handler" in caught.value.what
    assert site.build("fine")["fine"].cached


def test_a_broken_build_backend_tells_its_own_story(site: Site) -> None:
    manifest = site.root / "packages/common/pyproject.toml"
    manifest.write_text(manifest.read_text() + '[tool.uv.build-backend]\nmodule-name = "elsewhere"\n')
    with pytest.raises(BuildFailed, match="elsewhere") as caught:
        site.build("users")
    assert caught.value.where == "packages/common/pyproject.toml"
    assert str(site.root) not in str(caught.value)


def test_a_symbolic_link_out_of_the_workspace_is_refused(site: Site) -> None:
    (site.root / "services/users/src/users/passwd.txt").symlink_to("/etc/hostname")
    with pytest.raises(BuildFailed, match="a symbolic link out of the workspace"):
        site.build("users")


def test_dot_env_files_stay_at_home(site: Site) -> None:
    site.write({"services/users/src/users/.env": "TOKEN=abc\n", "services/users/src/users/.env.local": "TOKEN=abc\n"})
    assert not any(".env" in name for name in names(site.build("users")["users"].path))
    assert notes(site) == []
    site.write({"services/users/.env": "TOKEN=abc\n", "services/users/src/users/app.py": f"{HANDLER_PY}# new\n"})
    assert not any(".env" in name for name in names(site.build("users")["users"].path))
    (told,) = notes(site)
    assert told.startswith("users: services/users/.env stays out of the ZIP")
    site.build("users")
    assert notes(site) == []


def test_what_is_of_one_machine_or_person_stays_at_home_where_files_are_taken_as_they_are(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("p", "app.handler")))
    at_home = (
        ".envrc",
        ".git",
        ".serverless/state.json",
        "debug.log",
        "ruff.toml",
        "conf/live.auto.tfvars",
        "a.tfstate",
    )
    site.write({f"services/p/{name}": "password = hunter2\n" for name in at_home})
    site.write({"services/p/app.py": HANDLER_PY, "services/p/requirements.txt": "", "services/p/conf/a.txt": ""})
    made = site.build()["p"]
    assert names(made.path) == {"app.py", "conf/a.txt"}
    assert [note.partition(" stays")[0] for note in notes(site)] == ["p: services/p/.envrc"]
    site.write({f"services/p/{name}": "password = hunter3\n" for name in at_home})
    assert site.build()["p"].cached


def test_what_a_service_excludes_neither_ships_nor_counts(tmp_path: Path) -> None:
    excluding = BuildOptions(exclude=("env", "data/raw/*.csv"))
    site = Site(tmp_path, workspace(service("p", "app.handler", build=excluding)))
    site.write({"services/p/app.py": HANDLER_PY, "services/p/data/kept.csv": "1\n", "services/p/requirements.txt": ""})
    left_out = ("env/pyvenv.cfg", "env/lib/python3.11/site-packages/x.py", "data/raw/all.csv")
    site.write({f"services/p/{path}": "AKIAIOSFODNN7EXAMPLF\n" for path in left_out})
    made = site.build()["p"]
    assert names(made.path) == {"app.py", "data/kept.csv"}
    site.write({f"services/p/{path}": "other\n" for path in left_out})
    assert site.build()["p"].cached
    changed = [f"services/p/{path}" for path in (*left_out, "data/kept.csv")]
    touched = site.builder().affected(site.workspace, changed, lambda _: None)
    assert dict(touched) == {"p": ("services/p/data/kept.csv",)}
    site.workspace = workspace(service("p", "app.handler"))
    assert site.recipes()["p"].digest != made.recipe


def test_a_service_with_requirements_txt_needs_no_project(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("plain", "app.handler")))
    site.write(
        {
            "services/plain/app.py": "import idna\n\ndef handler(event, context):\n    return idna.encode('a.b')\n",
            "services/plain/data/table.json": "{}",
            "services/plain/requirements.txt": "idna==3.10\nboto3==1.40.0\n-e ../../packages/shared\n",
            "packages/shared/src/shared/__init__.py": "A = 1\n",
        }
    )
    found = names(site.build()["plain"].path)
    assert {"app.py", "data/table.json", "idna/core.py", "shared/__init__.py"} <= found
    assert not any(name.startswith(("boto3", "requirements")) for name in found)


def test_a_requirement_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("plain", "app.handler")))
    site.write({"services/plain/app.py": "def handler(e, c): ...\n", "services/plain/requirements.txt": "idna>=3\n"})
    with pytest.raises(BuildFailed, match="idna>=3 is not pinned"):
        site.build()


def test_code_over_lambdas_quota_leaves_nothing_behind(tmp_path: Path) -> None:
    site = Site(tmp_path, workspace(service("plain", "app.handler")))
    site.write({"services/plain/app.py": "def handler(e, c): ...\n"})
    with (site.root / "services/plain/big.bin").open("wb") as file:
        file.truncate(251 * 1024 * 1024)
    with pytest.raises(BuildFailed, match="250 MiB") as caught:
        site.build()
    assert "big.bin 251.0 MiB" in caught.value.hint
    assert not list((site.cache / "v1/index").glob("artifact/*"))


def test_shared_packages_are_built_on_request_and_then_up_to_date(site: Site) -> None:
    assert site.builder().build_packages(site.workspace) == ("common",)
    assert site.builder().build_packages(site.workspace) == ()
    assert site.heard.names == ["step-started", "step-finished"]


def test_without_a_network_a_change_is_built_from_uvs_cache(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.build()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    site.builder().forget()
    site.write({"services/users/src/users/app.py": "def handler(event, context):\n    return 'new'\n"})
    assert not site.build("users")["users"].cached


@pytest.mark.parametrize(
    ("lock", "says"),
    [
        ("services/plain/pdm.lock", "pdm export"),
        ("services/plain/pylock.toml", "uv pip compile"),
        ("Pipfile.lock", "pipenv requirements --hash"),
    ],
)
def test_another_tools_lock_is_refused_with_the_command_that_exports_it(tmp_path: Path, lock: str, says: str) -> None:
    site = Site(tmp_path, workspace(service("plain", "app.handler")))
    depends = '[project]\nname = "plain"\nversion = "1"\ndependencies = ["idna"]\n'
    site.write(
        {"services/plain/app.py": "def handler(e, c): ...\n", "services/plain/pyproject.toml": depends, lock: ""}
    )
    with pytest.raises(BuildFailed, match="is not understood yet") as caught:
        site.recipes()
    assert (caught.value.where, says in caught.value.hint) == (lock, True)


def test_an_import_that_finds_nothing_is_refused_with_file_and_line(site: Site) -> None:
    site.write({"services/users/src/users/app.py": "import os\nimport requests\ndef handler(e, c): ...\n"})
    with pytest.raises(BuildFailed, match=r"requests is neither in the ZIP") as caught:
        site.build("users")
    assert caught.value.where == "services/users/src/users/app.py:2"
    assert 'provided = ["requests"]' in caught.value.hint


def test_a_handler_is_followed_into_the_module_that_defines_it(site: Site) -> None:
    site.write({"services/users/src/users/app.py": "from users.core import handler\n"})
    site.write({"services/users/src/users/core.py": "async def handler(event, context): ...\n"})
    with pytest.raises(BuildFailed, match=r"handler in users/core\.py is a coroutine function") as caught:
        site.build("users")
    assert caught.value.where == "services/users/service.toml"


def test_a_possible_fault_is_only_told(site: Site) -> None:
    site.write({"services/users/src/users/app.py": "def handler(e, c):\n    import requests\n"})
    site.build("users")
    (told,) = [event.to_json()["text"] for event in site.heard.events if event.name == "note"]
    assert told.startswith("users: services/users/src/users/app.py:2: import of requests")


def test_a_key_in_the_sources_is_refused_until_somebody_has_looked(site: Site) -> None:
    key = "-----BEGIN PRIVATE " + "KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n"
    site.write({"services/users/src/users/key.pem": key})
    with pytest.raises(BuildFailed, match="a private key") as caught:
        site.build("users")
    assert caught.value.where == "services/users/src/users/key.pem:1"
    users = service("users", "users.app.handler", build=BuildOptions(reviewed=("src/users/key.pem",)))
    assert Site(site.root, workspace(users)).build("users")


def test_a_handler_beside_the_package_it_uses_goes_along(site: Site) -> None:
    site.write({"services/users/main.py": "from users.app import handler\n", "services/users/config/a.toml": "x = 1\n"})
    beside = Site(site.root, workspace(service("users", "main.handler"), packages=site.workspace.packages))
    assert {"main.py", "config/a.toml", "users/app.py"} <= names(beside.build("users")["users"].path)


def test_a_handler_in_src_beside_the_package_goes_along_with_one_that_is_in_it(site: Site) -> None:
    site.write({"services/users/src/side/door.py": "from users.app import handler\n", "services/users/notes.txt": "x"})
    both = service("users", {"api": "users.app.handler", "door": "side/door.handler"})
    beside = Site(site.root, workspace(both, packages=site.workspace.packages))
    found = names(beside.build("users")["users"].path)
    assert {"side/door.py", "users/app.py"} <= found
    assert not [name for name in found if name.startswith("src/") or name == "notes.txt"]


def test_layers_that_no_check_counts_are_named(site: Site) -> None:
    users = service("users", "users.app.handler")
    layered = replace(users.functions[0], layers=("arn:aws:lambda:eu-west-1:1:layer:big:3",))
    site.workspace = workspace(replace(users, functions=(layered,)), packages=site.workspace.packages)
    site.build()
    (told,) = [event.to_json()["text"] for event in site.heard.events if event.name == "note"]
    assert told.startswith("users: its layers count against the 250 MiB unzipped as well")
    assert told.endswith("for arn:aws:lambda:eu-west-1:1:layer:big:3")
    site.build()
    assert "note" not in site.heard.names, "once, for a small ZIP"
