"""Where the provider comes from: the order of the places, and the configuration that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.adapters.terraform_mirror import holds_provider, provide, this_platform
from penstock.model.errors import ToolMissing

if TYPE_CHECKING:
    from pathlib import Path

REGISTRY = "registry.terraform.io"


def mirror(folder: Path, *, packed: bool = False, system: str | None = None) -> Path:
    system = system or this_platform()
    place = folder / REGISTRY / "hashicorp" / "aws"
    if packed:
        place.mkdir(parents=True)
        (place / f"terraform-provider-aws_5.100.0_{system}.zip").touch()
    else:
        (place / "5.100.0" / system).mkdir(parents=True)
        (place / "5.100.0" / system / "terraform-provider-aws_v5.100.0_x5").touch()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def environ(home: Path, tmp_path: Path) -> dict[str, str]:
    """A machine whose implied mirror folders are empty."""
    return {"HOME": str(home), "XDG_DATA_DIRS": str(tmp_path / "share")}


def test_without_any_mirror_the_registry_is_left(tmp_path: Path, environ: dict[str, str]) -> None:
    source = provide(environ, tmp_path / "own", REGISTRY, add_ons=tmp_path / "opt")
    assert source.origin == f"the registry {REGISTRY}"
    assert "provider_installation" not in source.config.read_text()


def test_a_mirror_among_the_add_on_software_is_found(tmp_path: Path, environ: dict[str, str]) -> None:
    folder = mirror(tmp_path / "opt" / "providers")
    source = provide(environ, tmp_path / "own", REGISTRY, add_ons=tmp_path / "opt")
    assert source.origin == str(folder)
    text = source.config.read_text()
    assert f'path    = "{folder}"' in text
    assert 'exclude = ["registry.terraform.io/hashicorp/aws"]' in text


def test_a_configuration_that_is_named_but_missing_breaks_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    folder = mirror(tmp_path / "opt" / "providers")
    missing = environ | {"TF_CLI_CONFIG_FILE": str(tmp_path / "no" / ".terraformrc")}
    assert provide(missing, tmp_path / "own", REGISTRY, add_ons=tmp_path / "opt").origin == str(folder)


def test_the_explicit_setting_wins_over_everything(tmp_path: Path, environ: dict[str, str], home: Path) -> None:
    mirror(tmp_path / "opt" / "providers")
    mirror(home / ".terraform.d" / "plugins")
    (home / ".terraformrc").write_text('provider_installation {\n  direct {}\n}\nplugin_cache_dir = "/cache"\n')
    chosen = mirror(tmp_path / "chosen")
    source = provide(
        environ | {"PENSTOCK_TERRAFORM_MIRROR": str(chosen)}, tmp_path / "own", REGISTRY, add_ons=tmp_path / "opt"
    )
    assert source.origin == str(chosen)
    assert source.config.read_text().count("provider_installation") == 1


def test_an_explicit_setting_without_the_provider_says_what_it_must_hold(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    wrong = mirror(tmp_path / "wrong", system="plan9_mips")
    with pytest.raises(ToolMissing) as caught:
        provide(environ | {"PENSTOCK_TERRAFORM_MIRROR": str(wrong)}, tmp_path / "own", REGISTRY)
    assert caught.value.where == "PENSTOCK_TERRAFORM_MIRROR"
    assert this_platform() in caught.value.hint


def test_terraforms_own_configuration_is_used_when_it_says_where_providers_come_from(
    tmp_path: Path, environ: dict[str, str], home: Path
) -> None:
    mirror(tmp_path / "opt" / "providers")
    own = home / ".terraformrc"
    own.write_text('provider_installation {\n  network_mirror { url = "https://mirror.example/" }\n}\n')
    assert provide(environ, tmp_path / "own", REGISTRY, add_ons=tmp_path / "opt").config == own


def test_other_settings_of_it_are_kept_but_tokens_are_not_copied(
    tmp_path: Path, environ: dict[str, str], home: Path
) -> None:
    mirror(tmp_path / "opt" / "providers")
    (home / ".terraformrc").write_text(
        'plugin_cache_dir = "/cache"\ncredentials "app.terraform.io" {\n  token = "very-secret"\n}\n'
    )
    text = provide(environ, tmp_path / "own", REGISTRY, add_ons=tmp_path / "opt").config.read_text()
    assert 'plugin_cache_dir = "/cache"' in text
    assert "very-secret" not in text
    assert "filesystem_mirror" in text


def test_an_implied_mirror_comes_before_add_on_software_and_needs_no_configuration(
    tmp_path: Path, environ: dict[str, str], home: Path
) -> None:
    mirror(tmp_path / "opt" / "providers")
    implied = mirror(home / ".terraform.d" / "plugins")
    source = provide(environ, tmp_path / "own", REGISTRY, add_ons=tmp_path / "opt")
    assert source.origin == str(implied)
    assert "provider_installation" not in source.config.read_text()


def test_a_mirror_for_other_machines_only_is_none(tmp_path: Path) -> None:
    assert not holds_provider(mirror(tmp_path, system="plan9_mips"), REGISTRY)


def test_a_packed_mirror_is_one(tmp_path: Path) -> None:
    assert holds_provider(mirror(tmp_path, packed=True), REGISTRY)


def test_the_file_is_left_alone_when_nothing_changed(tmp_path: Path, environ: dict[str, str]) -> None:
    first = provide(environ, tmp_path / "own", REGISTRY, add_ons=tmp_path / "opt").config
    before = first.stat().st_mtime_ns
    assert provide(environ, tmp_path / "own", REGISTRY, add_ons=tmp_path / "opt").config.stat().st_mtime_ns == before
