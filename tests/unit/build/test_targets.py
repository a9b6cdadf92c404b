"""What is built for what."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from penstock.build.targets import choose, targets
from penstock.build.units import select, units
from penstock.model.artifact import Target
from penstock.model.errors import UsageError
from penstock.model.workspace import Architecture, Environment, Function, Service, Workspace


class Machine:
    """Interpreters of a made-up machine."""

    def __init__(self, *runtimes: str, architecture: str = "x86_64") -> None:
        self.runtimes = runtimes
        self.architecture = architecture

    def find(self, runtime: str) -> Path | None:
        return Path("/bin", runtime) if runtime in self.runtimes else None

    def host_architecture(self) -> str:
        return self.architecture


def function(
    service: str, name: str | None = None, runtime: str = "python3.13", architecture: Architecture = "arm64"
) -> Function:
    return Function(
        name=name or service,
        service=service,
        physical=f"w-e-{service}-{name}",
        handler="app.handler",
        runtime=runtime,
        architecture=architecture,
        memory=128,
        timeout=3,
    )


def service(name: str, *functions: Function, language: Literal["python", "node"] = "python") -> Service:
    return Service(name=name, path=f"services/{name}", language=language, functions=functions)


def workspace(*services: Service, endpoint: str | None = "local") -> Workspace:
    environment = Environment(name="dev", account="1" * 12, region="eu-west-1", endpoint=endpoint)
    return Workspace(name="w", environment=environment, services=services)


def test_an_environment_on_aws_builds_for_what_is_declared() -> None:
    shop = workspace(service("a", function("a")), service("b", function("b", runtime="nodejs22.x"), language="node"))
    shop = workspace(*shop.services, endpoint=None)
    found, notes = targets(shop, Machine())
    assert found == {
        "a": Target(language="python", version="3.13", architecture="arm64"),
        "b": Target(language="node", version="22", architecture="arm64"),
    }
    assert notes == ()


def test_the_embedded_aws_runs_on_this_machine_so_its_architecture_counts() -> None:
    found, notes = targets(workspace(service("a", function("a"))), Machine("python3.13"))
    assert found == {"a": Target(language="python", version="3.13", architecture="x86_64")}
    assert notes == ()


def test_a_python_that_is_not_there_is_replaced_by_the_nearest_and_said_once() -> None:
    shop = workspace(service("a", function("a")), service("b", function("b")))
    found, notes = targets(shop, Machine("python3.11", "python3.12", "python3.10"))
    assert {target.version for target in found.values()} == {"3.12"}
    (note,) = notes
    assert note.startswith("python3.13 is not on this machine: built and run with python3.12 here")
    assert "uv python install 3.13" in note


def test_each_service_has_the_target_of_its_own_runtime() -> None:
    shop = workspace(service("a", function("a", runtime="python3.12")), service("b", function("b")))
    found, _ = targets(shop, Machine("python3.12", "python3.13"))
    assert [found["a"].version, found["b"].version] == ["3.12", "3.13"]


def test_without_any_interpreter_the_declared_version_is_built() -> None:
    assert choose("python3.13", Machine()).program is None
    assert choose("nodejs20.x", Machine()).runtime == "nodejs20.x"


def test_of_two_equally_near_versions_the_newer_is_taken() -> None:
    assert choose("nodejs22.x", Machine("nodejs20.x", "nodejs24.x")).runtime == "nodejs24.x"


def test_a_runtime_of_another_language_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ruby3\.3 is not a runtime"):
        choose("ruby3.3", Machine())


def test_a_python_service_has_one_unit_and_a_node_service_one_for_each_function() -> None:
    shop = workspace(
        service("mail", function("mail", "api"), function("mail", "worker")),
        service("site", function("site", "api", "nodejs20.x"), function("site", "jobs", "nodejs20.x"), language="node"),
        service("solo", function("solo", "main", "nodejs20.x"), language="node"),
    )
    assert {unit.name: [each.key for each in unit.functions] for unit in units(shop)} == {
        "mail": ["mail-api", "mail-worker"],
        "site-api": ["site-api"],
        "site-jobs": ["site-jobs"],
        "solo": ["solo-main"],
    }


def test_functions_of_a_python_service_with_different_runtimes_do_not_share_a_zip() -> None:
    shop = workspace(service("mail", function("mail", "api"), function("mail", "worker", "python3.12")))
    assert [unit.name for unit in units(shop)] == ["mail-api", "mail-worker"]


def test_a_service_name_selects_all_its_units() -> None:
    shop = workspace(
        service("a", function("a")),
        service("site", function("site", "api", "nodejs20.x"), function("site", "jobs", "nodejs20.x"), language="node"),
    )
    assert [unit.name for unit in select(units(shop), ["site"])] == ["site-api", "site-jobs"]
    assert [unit.name for unit in select(units(shop), ["site-jobs", "a"])] == ["a", "site-jobs"]
    assert len(select(units(shop), None)) == 3


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no service named b") as caught:
        select(units(workspace(service("a", function("a")))), ["b"])
    assert caught.value.hint == "one of: a"


@pytest.mark.parametrize("asked", ["layers", "images", "layer", "container"])
def test_layers_and_images_are_said_to_be_for_later(asked: str) -> None:
    with pytest.raises(UsageError, match=f"penstock does not build {asked} yet \\(later\\)") as caught:
        select(units(workspace(service("a", function("a")))), [asked, "b"])
    assert 'layers = ["arn:…"]' in caught.value.hint
    called_so = units(workspace(service(asked, function(asked))))
    assert select(called_so, [asked]) == called_so, "a service of that name is a service"
