"""What `validate` finds in the sources without building: the same that a build would refuse, in a moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from build.sites import Site

    from penstock.model.errors import Problem


def found(site: Site) -> tuple[Problem, ...]:
    return site.builder().problems(site.workspace)


def test_sound_python_sources_have_no_problem(site: Site) -> None:
    assert found(site) == ()


def test_sound_typescript_and_javascript_sources_have_no_problem(node_site: Site) -> None:
    assert found(node_site) == ()


def test_a_name_that_the_handlers_file_does_not_define_is_found_with_its_line(site: Site) -> None:
    (site.root / "services/users/service.toml").write_text('# users\nhandler = "users.app.handler"\n')
    (site.root / "services/users/src/users/app.py").write_text("def handle(event, context): ...\n")
    (problem,) = found(site)
    assert (problem.file, problem.line) == ("services/users/service.toml", 2)
    assert problem.what == "handler users.app.handler: users/app.py does not define handler"
    assert problem.hint


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("const handler = () => 1;\nexport const other = 2;\n", "src/app.ts does not export handler"),
        ("export const handler = 1;\n", "src/app.ts: handler is a number, which cannot be called"),
    ],
)
def test_a_name_that_a_typescript_file_does_not_export_as_a_function_is_found(
    source: str, what: str, node_site: Site
) -> None:
    (node_site.root / "services/catalog/service.toml").write_text('handler = "src/app.handler"\n')
    (node_site.root / "services/catalog/src/app.ts").write_text(source)
    (problem,) = found(node_site)
    assert (problem.file, problem.line) == ("services/catalog/service.toml", 1)
    assert problem.what == what


def test_a_service_that_is_not_in_the_lock_is_found(site: Site) -> None:
    site.write({"services/late/app.py": "def handler(event, context): ...\n"})
    (users, *_) = site.workspace.services
    late = replace(
        users,
        name="late",
        path="services/late",
        functions=tuple(replace(one, name="late", service="late", handler="app.handler") for one in users.functions),
    )
    workspace = replace(site.workspace, services=(*site.workspace.services, late))
    (problem,) = site.builder().problems(workspace)
    assert (problem.file, problem.what) == ("uv.lock", "services/late is not in the lock")


def test_a_lock_that_a_manifest_has_outgrown_is_found(site: Site) -> None:
    manifest = site.root / "packages/common/pyproject.toml"
    manifest.write_text(manifest.read_text().replace('"idna==3.10"', '"idna==3.10", "certifi>=2024"'))
    (problem,) = found(site)
    assert problem.file == "uv.lock"
    assert problem.what == "the lock does not fit the manifests any more: packages/common asks for certifi>=2024"
    assert problem.hint == "uv lock --directory ."
    site.uv_lock()
    assert found(site) == ()
