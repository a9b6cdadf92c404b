"""What is said to uv, what is read from manifests and locks, and what goes into the ZIP."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from penstock.build import lockfile, python, requirements
from penstock.build.handlers import check_python_handler, python_handler_files, syntax_fault
from penstock.build.ignore import excludes, skips_file, skips_folder
from penstock.build.limits import check_size
from penstock.build.pyproject import manifest
from penstock.model.artifact import Target
from penstock.model.errors import BuildFailed

LOCK = """
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "user-service"
source = { editable = "services/user" }
dependencies = [{ name = "boto3" }, { name = "common" }, { name = "httpx", extra = ["http2"] }]

[[package]]
name = "other-service"
source = { editable = "services/other" }
dependencies = [{ name = "six" }]

[[package]]
name = "common"
source = { editable = "packages/common" }
dependencies = [{ name = "powertools" }]

[[package]]
name = "powertools"
version = "3.0.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "jmespath" }]

[[package]]
name = "boto3"
version = "1.40.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "botocore" }, { name = "jmespath" }]

[[package]]
name = "botocore"
version = "1.40.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "urllib3" }]

[[package]]
name = "httpx"
version = "0.28.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "idna" }]
[package.optional-dependencies]
http2 = [{ name = "h2" }]

[[package]]
name = "h2"
version = "4.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "idna"
version = "3.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "jmespath"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "urllib3"
version = "2.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "six"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
"""


def locked(text: str = LOCK, folder: str = "services/user") -> lockfile.Locked:
    found = lockfile.reached(lockfile.parse(text, where="uv.lock"), folder, without=python.SUPPLIED_BY_LAMBDA)
    assert found is not None
    return found


def test_a_service_reaches_its_own_packages_extras_included_and_no_others() -> None:
    assert set(locked().packages) == {"httpx 0.28.0", "h2 4.0", "idna 3.0", "powertools 3.0.0", "jmespath 1.0"}
    assert locked().internal == {"common": "packages/common"}
    assert locked().name == "user-service"


def test_the_sdk_is_left_out_with_what_only_it_needs() -> None:
    assert not {name.split()[0] for name in locked().packages} & {"boto3", "botocore", "urllib3"}


def test_another_services_dependency_changes_nothing_and_ones_own_does() -> None:
    assert locked(LOCK.replace('"six"\nversion = "1.0"', '"six"\nversion = "2.0"')) == locked()
    assert locked(LOCK.replace('"idna"\nversion = "3.0"', '"idna"\nversion = "3.1"')) != locked()


def test_a_project_that_is_not_in_the_lock_is_none() -> None:
    assert lockfile.reached(lockfile.parse(LOCK, where="uv.lock"), "services/new") is None


def test_a_local_archive_is_told_by_its_path() -> None:
    text = LOCK.replace(
        'version = "3.0"\nsource = { registry = "https://pypi.org/simple" }',
        'version = "3.0"\nsource = { path = "idna.whl" }',
    )
    assert locked(text).archives == ["idna.whl"]
    assert "idna 3.0" in locked(text).packages


def test_an_archive_of_a_listing_is_told_by_name_and_place() -> None:
    text = "../in_side-1.0-py3-none-any.whl ; os_name == 'posix' \\\n    --hash=sha256:aa\nidna==3.10\n"
    assert requirements.placed(text, "/w/a b") == (
        "in_side @ file:///w/in_side-1.0-py3-none-any.whl ; os_name == 'posix' --hash=sha256:aa\nidna==3.10\n"
    )


@pytest.mark.parametrize("text", ["not toml [", "version = 2", "version = 1\n[[package]]\n"])
def test_what_is_not_a_lock_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        lockfile.reached(lockfile.parse(text, where="uv.lock"), "x")
    assert caught.value.where == "uv.lock"


def test_requirements_are_read_with_continuations_comments_includes_and_paths() -> None:
    found = requirements.parse(
        "services/a/requirements.txt",
        {
            "services/a/requirements.txt": (
                "# pinned by hand\n--index-url https://example.org/simple\n"
                "Pydantic_Core==2.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb  # via pydantic\n"
                "boto3==1.40.0\n-r ../../shared/base.txt\n-e ../../packages/common\n"
                "tool @ file:../tool\nidna==3.0 ; python_version < '4'\n"
            ),
            "shared/base.txt": "h2==4.0\n./local\n",
        },
        without=python.SUPPLIED_BY_LAMBDA,
    )
    assert found.text() == (
        "--index-url https://example.org/simple\nh2==4.0\nidna==3.0 ; python_version < '4'\n"
        "Pydantic_Core==2.1 --hash=sha256:aa --hash=sha256:bb\n"
    )
    assert found.folders == ("shared/local", "packages/common", "services/tool")


def test_a_line_that_is_not_pinned_is_refused_with_file_line_and_remedy() -> None:
    with pytest.raises(BuildFailed) as caught:
        requirements.parse("a/requirements.txt", {"a/requirements.txt": "h2==4.0\n\nhttpx>=0.28\n"})
    assert caught.value.where == "a/requirements.txt:3"
    assert "not pinned" in caught.value.what
    assert "uv pip compile a/requirements.in -o a/requirements.txt" in caught.value.hint


def test_an_included_file_that_is_missing_is_named() -> None:
    with pytest.raises(BuildFailed, match=r"base\.txt is not there"):
        requirements.parse("requirements.txt", {"requirements.txt": "-r base.txt\n"})


PYPROJECT = """
[project]
name = "a"
dependencies = ["h2"]
readme = "README.md"
[build-system]
requires = ["hatchling"]
[tool.ruff]
line-length = 80
[tool.hatch.build.targets.wheel]
packages = ["src/a"]
"""


def test_settings_of_tools_that_only_look_at_code_do_not_matter() -> None:
    first = manifest(PYPROJECT, where="p")
    assert first == manifest(PYPROJECT.replace("line-length = 80", "line-length = 99"), where="p")
    assert first.digest != manifest(PYPROJECT.replace("src/a", "src/b"), where="p").digest
    assert first.requires != manifest(PYPROJECT.replace("h2", "h3"), where="p").requires
    assert (first.buildable, first.files, first.depends) == (True, ("README.md",), True)


def test_a_project_without_a_build_backend_is_taken_as_it_is() -> None:
    assert not manifest('[project]\nname = "a"\n', where="p").buildable
    assert not manifest(PYPROJECT + "[tool.uv]\npackage = false\n", where="p").buildable


@pytest.mark.parametrize(
    ("version", "architecture", "tag"),
    [
        ("3.13", "arm64", "aarch64-manylinux_2_28"),
        ("3.12", "x86_64", "x86_64-manylinux_2_28"),
        ("3.11", "x86_64", "x86_64-manylinux_2_17"),
    ],
)
def test_wheels_are_taken_for_lambdas_own_c_library(version: str, architecture: str, tag: str) -> None:
    target = Target(language="python", version=version, architecture=architecture)  # type: ignore[arg-type]
    assert python.platform_tag(target) == tag
    listing, site = Path("/t/requirements.txt"), Path("/t/site")
    command = python.install_command(
        Path("uv"), listing, site, target, interpreter=Path("/python"), project=Path("/w"), offline=True
    )
    assert command.cwd == Path("/w")
    words = " ".join(command.argv)
    assert f"--python-version {version} --python-platform {tag} --no-deps --python /python --only-binary :all:" in words
    assert command.argv[-1] == "--offline"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("pydantic/main.py", True),
        ("pydantic/__pycache__/main.cpython-313.pyc", False),
        ("bin/jp.py", False),
        ("pydantic/bin/x.py", True),
        ("pydantic-2.dist-info/METADATA", True),
        ("pydantic-2.dist-info/licenses/LICENSE", True),
        ("pydantic-2.dist-info/entry_points.txt", True),
        ("pydantic-2.dist-info/RECORD", False),
        ("pydantic-2.dist-info/direct_url.json", False),
        ("a/.env", False),
        (".env.production", False),
        ("a/.env.example", True),
    ],
)
def test_nothing_that_names_the_machine_goes_into_the_zip(path: str, *, kept: bool) -> None:
    assert python.ships(path) is kept


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("a/b.py", "a/b.py"),
        ("a/", None),
        ("a-1.data/purelib/a/c.py", "a/c.py"),
        ("a-1.data/scripts/run", None),
        ("a-1.data/data/bin/run", None),
        ("bin/ffmpeg", "bin/ffmpeg"),
        ("a-1.dist-info/WHEEL", None),
        ("a-1.dist-info/METADATA", "a-1.dist-info/METADATA"),
    ],
)
def test_a_wheels_files_go_where_installers_put_them(path: str, place: str | None) -> None:
    assert python.place_of_wheel_member(path) == place


@pytest.mark.parametrize(
    "source",
    [
        "def handler(event, context): ...",
        "@awaited\nasync def handler(event, context): ...",
        "handler = make()",
        "first, handler = make()",
        "handler: object = make()",
        "from .core import handler",
        "from .core import run as handler",
        "from .core import *",
        "class handler: ...",
        "try:\n    import fast as handler\nexcept ImportError:\n    handler = None",
        "if x:\n    pass\nelse:\n    def handler(): ...",
        "def __getattr__(name): ...",
    ],
)
def test_a_handler_is_found_however_it_is_defined(source: str) -> None:
    check_python_handler("users.app.handler", {"users/app.py": source.encode()}, where="service.toml")
    check_python_handler("users.app.handler", {"users/app/__init__.py": source.encode()}, where="service.toml")


@pytest.mark.parametrize("source", ["def handle(): ...", "class A:\n    def handler(self): ...", "handler: object", ""])
def test_a_handler_that_is_not_defined_is_refused(source: str) -> None:
    with pytest.raises(BuildFailed, match="does not define handler"):
        check_python_handler("users.app.handler", {"users/app.py": source.encode()}, where="service.toml")


def test_a_handler_module_that_is_not_there_is_refused() -> None:
    assert python_handler_files("users/app.handler") == ("users/app.py", "users/app/__init__.py")
    with pytest.raises(BuildFailed, match=r"there is no users/app\.py in the ZIP"):
        check_python_handler("users.app.handler", {}, where="service.toml")


def test_a_syntax_error_is_told_with_file_and_line() -> None:
    fault = syntax_fault(b"x = 1\ndef f(:\n", sys.version_info[:2])
    assert fault is not None
    assert fault.error("a/b.py").where == "a/b.py:2"
    assert syntax_fault(b"x = 1\n", sys.version_info[:2]) is None


@pytest.mark.parametrize("folder", [
    ".git", "a/__pycache__", "node_modules", "x.egg-info", "tests", "dist", ".venv", ".serverless", "a/cdk.out",
    ".direnv",
])  # fmt: skip
def test_folders_that_never_reach_a_function(folder: str) -> None:
    assert skips_folder(folder)


@pytest.mark.parametrize("folder", ["src", "src/build", "src/a/tests", "data"])
def test_folders_that_may_reach_one(folder: str) -> None:
    assert not skips_folder(folder)


@pytest.mark.parametrize(("path", "skipped"), [
    (".env", True), ("src/.env.local", True), ("src/a.pyc", True), ("service.toml", True), ("README.md", True),
    ("src/README.md", False), ("src/a.py", False), ("template.toml", False), (".git", True), ("a/.envrc", True),
    ("a/b.tfvars", True), ("a/b.auto.tfvars.json", True), ("terraform.tfstate.backup", True), ("a/debug.log", True),
    ("ruff.toml", True), ("src/ruff.toml", False), ("tox.ini", True), ("a/log.py", False),
    ("terraform.tfvars.md", False),
])  # fmt: skip
def test_files_that_never_reach_a_function(path: str, *, skipped: bool) -> None:
    assert skips_file(path) is skipped


@pytest.mark.parametrize(("path", "excluded"), [
    ("a.bak", True), ("deep/b.bak", True), ("data/raw/x.csv", True), ("env/lib/python3.11/site.py", True),
    ("more/data/raw/x.csv", False), ("data/rawer.csv", False), ("data/x.csv", False), ("env.py", False),
    ("pyproject.toml", False), ("deep/x.toml", True), ("top.sql", True), ("deep/top.sql", False),
])  # fmt: skip
def test_files_that_a_service_excludes_by_name_or_by_path(path: str, *, excluded: bool) -> None:
    assert excludes(("*.bak", "data/raw", "env/", "*.toml", "/top.sql"), path) is excluded


def test_code_over_lambdas_quota_is_refused_with_what_weighs_most() -> None:
    files = [("numpy/core.so", 3000), ("app.py", 10)]
    assert check_size("a", files, limit=3010) == 3010
    with pytest.raises(BuildFailed, match="quota 'Deployment package") as caught:
        check_size("a", files, limit=3009)
    assert "numpy" in caught.value.hint


def test_uvs_words_are_passed_on_without_its_progress() -> None:
    assert python.diagnosis("Resolved 3 packages\nerror: No wheel\n  cause: x\n") == "No wheel\n  cause: x"
    assert python.stale_lock("error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.")


def test_folders_that_are_others_each_time_are_told_alike() -> None:
    said = 'error: no\n  File "/c/uv/builds-v0/.tmp{0}/lib/x.py"\n  /c/sdists-v11/.tmp{0}: no\n  /v1/tmp/tmpab{0}: no'
    told = python.diagnosis(said.format("qlx4ff"))
    assert told == python.diagnosis(said.format("izkxha"))
    assert told == 'no\n  File "/c/uv/builds-v0/.tmp/lib/x.py"\n  /c/sdists-v11/.tmp: no\n  /v1/tmp/tmp: no'


def test_of_a_traceback_its_end_is_told() -> None:
    frames = [f'  File "f{number}.py", line 1, in f\n    g{number}()\n    ^^^^\n' for number in range(9)]
    text = "cause: [stderr]\n" + f"Traceback (most recent call last):\n{''.join(frames)}OSError: File gone\nhint: x"
    for said in (text, text.replace("\n", "\n      ")):
        told = [line.strip() for line in python.diagnosis(said).splitlines()]
        assert told[:3] == [
            "Traceback (most recent call last):",
            "\N{HORIZONTAL ELLIPSIS}",
            'File "f6.py", line 1, in f',
        ]
        assert told[-2:] == ["OSError: File gone", "hint: x"]
    short = f"Traceback (most recent call last):\n{''.join(frames[:3])}OSError: gone"
    assert python.diagnosis(short) == short


@pytest.mark.parametrize(
    ("said", "is_native"),
    [
        ("error: command 'false' failed with exit code 1", True),
        ("error: command '/usr/bin/false' failed with exit code 1", True),
        (
            "The built wheel `crcmod-1.7-cp311-cp311-linux_x86_64.whl` is not compatible with\nthe target Python 3.12",
            True,
        ),
        ("configure: error: C compiler cannot create executables", True),
        ("error: command 'gcc' was not found", False),
        ("a test was false", False),
    ],
)
def test_sources_that_want_a_compiler_or_fit_this_machine_only_are_native_code(said: str, *, is_native: bool) -> None:
    assert python.is_native(said) is is_native


def test_an_index_out_of_reach_is_no_lack_of_a_backend() -> None:
    lacking = "Failed to resolve requirements from `build-system.requires`\n  No solution found when\nresolving: x\n"
    assert python.lacks_backend(lacking)
    assert not python.lacks_backend(f"{lacking}Request failed after 3 retries\n")
    assert python.is_unreachable("Request failed after\n3 retries")
