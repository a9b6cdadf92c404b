"""Native code of Node.js: what goes into the ZIP can be loaded on its target, and what cannot is refused by name."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from build.native import ARM64, X86_64, Registry, addon, bound
from build.sites import Site, service, workspace
from build.test_node_inputs import lock, options
from disks import no_programs

from penstock.model.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from penstock.model.workspace import Architecture

PREBUILDS = {
    "linux-x64/node.napi.musl.node": addon(needs=("libc.musl-x86_64.so.1",)),
    "linux-x64/node.napi.glibc.node": addon(),
    "linuxglibc-arm64/node.napi.node": addon(ARM64),
    "linuxmusl-arm64/node.napi.node": addon(ARM64, needs=("libc.so",)),
    "darwin-x64+arm64/node.napi.node": b"\xca\xfe\xba\xbe" + bytes(100),
    "win32-x64/node.napi.node": b"MZ\x90\x00" + bytes(100),
}
VARIANTS = {
    f"bin/{system}/{cpu}/{version}/a.node": bound(version, machine)
    for system, cpu, machine in (("linux", "x64", X86_64), ("linux", "arm64", ARM64))
    for version in (108, 115, 127)
}
LIBRARIES = {
    "bin/linux/x64/libdeep.so.1": addon(),
    "bin/linux/arm64/libdeep.so.1": addon(ARM64),
    "bin/darwin/libdeep.dylib": b"\xcf\xfa\xed\xfe" + bytes(100),
    "bin/win32/deep.dll": b"MZ\x90\x00" + bytes(100),
}
NODE_GYP = {"binding.gyp": "{}", "index.js": "module.exports = require(`${__dirname}/build/Release/a.node`);\n"}
PACKAGES: Mapping[str, tuple[Mapping[str, str | bytes], Mapping[str, object]]] = {
    "prebuilt": ({"index.js": "", **{f"prebuilds/{path}": each for path, each in PREBUILDS.items()}}, {}),
    "variants": ({"index.js": "", **VARIANTS, **LIBRARIES}, {}),
    "elsewhere": ({"index.js": "", "prebuilds/linux-x64/a.node": addon()}, {}),
    "unsuspected": ({"index.js": "require('./lib/a.node');\n", "lib/a.node": addon()}, {}),
    "uncompiled": (NODE_GYP, {"gypfile": False}),
    "compiled": ({**NODE_GYP, "build/Release/a.node": bound(115)}, {"gypfile": False}),
    "quicker": (
        {"index.js": "try { require('@t/elsewhere') } catch {}\n"},
        {"optionalDependencies": {"@t/elsewhere": "1"}},
    ),
    "careless": (
        {"index.js": "", "a.node": addon(), ".env": "A=1", "conf/.env.local": "A=1", ".npmrc": "", "id_rsa": ""},
        {},
    ),
    "with-quicker": (
        {"index.js": "require('@t/quicker');\n", "a.node": addon(), "b.node": addon(ARM64)},
        {"dependencies": {"@t/quicker": "1"}},
    ),
}
"""Packages of the registry, by name: their files, and what else their package.json says."""
SPLIT = {"x64": X86_64, "arm64": ARM64}


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    made = Registry()
    for name, (files, manifest) in PACKAGES.items():
        made.publish(f"@t/{name}", "1.0.0", files, **{"main": "index.js", **manifest})
    yield made
    made.close()


def function(name: str) -> dict[str, str]:
    """A service that needs nothing but the package of that name."""
    manifest = {"name": f"service-{name}", "version": "1.0.0", "dependencies": {f"@t/{name}": "1.0.0"}}
    return {
        f"services/{name}/package.json": json.dumps(manifest),
        f"services/{name}/app.js": f"const it = require('@t/{name}');\nexports.handler = async () => typeof it;\n",
    }


@pytest.fixture(scope="module")
def npm_root(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of one service for each package, locked and installed."""
    services = [service(name, "app.handler", "node") for name in PACKAGES]
    site = Site(tmp_path_factory.mktemp("native"), workspace(*services))
    manifest = {"name": "w", "private": True, "workspaces": ["services/*"], "devDependencies": {"esbuild": "0.28.2"}}
    settings = f"@t:registry={registry.url}\nignore-scripts=true\n"  # as pnpm has it: nothing is compiled
    site.write({"package.json": json.dumps(manifest), ".npmrc": settings})
    for name in PACKAGES:
        site.write(function(name))
    lock(site, "npm", "install", "--package-lock-only", "--no-audit")
    site.build("prebuilt")  # installs
    return site.root


@pytest.fixture
def site(npm_root: Path, tmp_path: Path) -> Site:
    root = shutil.copytree(npm_root, tmp_path / "w", symlinks=True)
    return Site(root, workspace(*(service(name, "app.handler", "node") for name in PACKAGES)))


def built(site: Site, name: str, architecture: Architecture = "x86_64", version: str = "20") -> dict[str, bytes]:
    """What is in the ZIP of a service, for that target."""
    target = replace(site.targets[name], architecture=architecture, version=version)
    (artifact,) = site.builder().build(site.workspace, [name], {**site.targets, name: target})
    with zipfile.ZipFile(artifact.path) as archive:
        return {path: archive.read(path) for path in archive.namelist()}


def libraries(files: Mapping[str, bytes]) -> set[str]:
    """Paths of native code, without the package's own folder."""
    ends = (".node", ".so.1", ".dylib", ".dll")
    return {path.partition("@t/")[2].partition("/")[2] for path in files if path.endswith(ends)}


def test_of_prebuilt_binaries_go_those_that_the_target_loads(site: Site) -> None:
    assert libraries(built(site, "prebuilt")) == {"prebuilds/linux-x64/node.napi.glibc.node"}
    assert libraries(built(site, "prebuilt", "arm64")) == {"prebuilds/linuxglibc-arm64/node.napi.node"}


@pytest.mark.parametrize(("version", "number"), [("20", 115), ("22", 127)])
def test_of_binaries_for_several_nodes_goes_that_of_the_target(site: Site, version: str, number: int) -> None:
    x64 = {f"bin/linux/x64/{number}/a.node", "bin/linux/x64/libdeep.so.1"}
    assert libraries(built(site, "variants", version=version)) == x64
    assert libraries(built(site, "variants", "arm64", version)) == {path.replace("x64", "arm64") for path in x64}


def test_binaries_for_other_nodes_only_are_refused_with_what_to_do(site: Site) -> None:
    with pytest.raises(
        BuildFailed, match=r"@t/variants 1\.0\.0 cannot be loaded on node24/x86_64: bin/linux/"
    ) as caught:
        built(site, "variants", version="24")
    assert "made for Node.js 18 (NODE_MODULE_VERSION 108)" in caught.value.what
    assert "install the packages with Node.js 24" in caught.value.hint


def test_what_was_compiled_here_is_refused_where_it_would_not_load(site: Site) -> None:
    assert libraries(built(site, "compiled")) == {"build/Release/a.node"}
    with pytest.raises(BuildFailed, match=r"@t/compiled .*a\.node is made for Node\.js 20 \(NODE_MODULE_VERSION 115\)"):
        built(site, "compiled", version="22")
    with pytest.raises(
        BuildFailed, match=r"@t/compiled 1\.0\.0 .* node20/arm64: .*a\.node is made for x86_64"
    ) as caught:
        built(site, "compiled", "arm64")
    assert "prebuilt binary for linux arm64" in caught.value.hint


def test_a_package_whose_install_script_did_not_run_is_refused(site: Site) -> None:
    with pytest.raises(BuildFailed, match=r"@t/uncompiled 1\.0\.0 .*its install script has not run") as caught:
        built(site, "uncompiled")
    assert "pnpm approve-builds, npm rebuild @t/uncompiled" in caught.value.hint


def test_a_package_without_a_binary_for_the_target_is_refused_unless_a_person_says_that_it_can_do_without(
    site: Site,
) -> None:
    with pytest.raises(BuildFailed, match="@t/elsewhere") as caught:
        built(site, "elsewhere", "arm64")
    assert '[build] provided = ["@t/elsewhere"]' in caught.value.hint
    services = (
        replace(each, build=replace(each.build, provided=("@t/elsewhere",))) for each in site.workspace.services
    )
    site.workspace = replace(site.workspace, services=tuple(services))
    assert "node_modules/@t/elsewhere/index.js" in built(site, "elsewhere", "arm64")


def test_an_optional_package_without_a_binary_for_the_target_is_left_out(site: Site) -> None:
    assert "node_modules/@t/elsewhere/index.js" in built(site, "with-quicker")
    files = built(site, "with-quicker", "arm64")
    assert "node_modules/@t/quicker/index.js" in files
    assert not any(path.startswith("node_modules/@t/elsewhere/") for path in files)


def test_native_code_in_a_package_that_nothing_marks_as_native_is_shipped(site: Site) -> None:
    files = built(site, "unsuspected")
    assert files["node_modules/@t/unsuspected/lib/a.node"] == addon()
    assert b'require("@t/unsuspected")' in files["app.js"]
    with pytest.raises(BuildFailed, match=r"@t/unsuspected .*lib/a\.node is made for x86_64"):
        built(site, "unsuspected", "arm64")


def test_files_for_one_machine_or_person_stay_out_whoever_has_published_them(site: Site) -> None:
    files = [path for path in built(site, "careless") if path.startswith("node_modules/")]
    assert sorted(path.removeprefix("node_modules/@t/careless/") for path in files) == [
        "a.node",
        "index.js",
        "package.json",
    ]


def test_native_code_of_ones_own_is_refused_by_its_name(site: Site) -> None:
    (site.root / "services/prebuilt/mine.node").write_bytes(addon())
    site.write({"services/prebuilt/app.js": "exports.handler = async () => require('./mine.node');\n"})
    with pytest.raises(BuildFailed, match=r"takes in services/prebuilt/mine\.node, and native code") as caught:
        built(site, "prebuilt")
    assert "unbundled" in caught.value.hint


# ------------------------------------------------------------------------------------------ packages of other platforms


def publish_split(registry: Registry, version: str) -> None:
    for cpu, machine in SPLIT.items():
        files: dict[str, str | bytes] = {"a.node": addon(machine, note=version)}
        registry.publish(
            f"@t/split-linux-{cpu}", version, files, os=["linux"], cpu=[cpu], libc=["glibc"], main="a.node"
        )
    optional = {f"@t/split-linux-{cpu}": "^1.0.0" for cpu in SPLIT}
    registry.publish("@t/split", "1.0.0", {"index.js": ""}, main="index.js", optionalDependencies=optional)


MANAGERS: Mapping[str, tuple[str, tuple[str, ...], Mapping[str, object], Mapping[str, str]]] = {
    "npm": ("npm", ("install", "--package-lock-only", "--no-audit"), {}, {}),
    "pnpm": ("pnpm", ("install", "--lockfile-only"), {}, {"pnpm-workspace.yaml": 'packages: ["services/*"]\n'}),
    "yarn": ("yarn", ("install", "--ignore-scripts"), {}, {"yarn.lock": "# yarn lockfile v1\n"}),
    "berry": (
        "yarn",
        ("install", "--mode=update-lockfile"),
        {"packageManager": "yarn@4.9.2"},
        {
            "yarn.lock": "__metadata:\n  version: 8\n",
            ".yarnrc.yml": "nodeLinker: node-modules\nenableGlobalCache: false\nglobalFolder: ./.berry\n"
            "unsafeHttpWhitelist: [127.0.0.1]\nnpmScopes:\n  t:\n    npmRegistryServer: URL\n",
        },
    ),
}


def split_site(manager: str, root: Path, **top: object) -> tuple[Site, Registry]:
    """A locked workspace, whose one package has its native code in packages of their own, and its registry.

    `top` is what else the package.json at the root says.
    """
    registry = Registry()
    publish_split(registry, "1.0.0")
    registry.publish("@t/tool", "1.0.0", {"index.js": ""})
    site = Site(root, workspace(service("split", "app.handler", "node")))
    settings = f"@t:registry={registry.url}\ncache={root / '.npm'}\n"  # nothing that earlier runs have left
    name, words, more, files = MANAGERS[manager]
    manifest = {"name": "w", "private": True, "workspaces": ["services/*"], **more, **top}
    site.write({"package.json": json.dumps(manifest), ".npmrc": settings})
    site.write({path: text.replace("URL", registry.url) for path, text in files.items()})
    site.write(function("split"))
    lock(site, name, *words)
    return site, registry


def test_pnpm_hides_what_a_bundled_package_needs_and_the_zip_has_it_nevertheless(tmp_path: Path) -> None:
    registry = Registry()
    publish_split(registry, "1.0.0")
    registry.publish("@t/plain", "1.0.0", {"index.js": "require('@t/split');\n"}, dependencies={"@t/split": "1.0.0"})
    site = Site(tmp_path / "w", workspace(service("plain", "app.handler", "node")))
    site.write({"package.json": "{}", ".npmrc": f"@t:registry={registry.url}\n", **MANAGERS["pnpm"][3]})
    site.write(function("plain"))
    lock(site, "pnpm", "install", "--lockfile-only")
    files = built(site, "plain", "arm64")
    assert b'require("@t/split")' in files["app.js"]
    assert files["node_modules/@t/split-linux-arm64/a.node"] == addon(ARM64, note="1.0.0")
    registry.close()


def test_of_two_versions_only_one_can_lie_beside_a_bundle(tmp_path: Path) -> None:
    registry = Registry()
    for version in ("1.0.0", "2.0.0"):
        registry.publish("@t/native", version, {"index.js": "", "a.node": addon(note=version)}, main="index.js")
    registry.publish("@t/plain", "1.0.0", {"index.js": "require('@t/native');\n"}, dependencies={"@t/native": "2.0.0"})
    site = Site(tmp_path / "w", workspace(service("native", "app.handler", "node")))
    site.write({"package.json": '{"workspaces": ["services/*"]}', ".npmrc": f"@t:registry={registry.url}\n"})
    site.write(function("native"))
    manifest = {"name": "s", "dependencies": {"@t/native": "1.0.0", "@t/plain": "1.0.0"}}
    code = "require('@t/native'), require('@t/plain');\nexports.handler = async () => 1;\n"
    site.write({"services/native/package.json": json.dumps(manifest), "services/native/app.js": code})
    lock(site, "npm", "install", "--package-lock-only", "--no-audit")
    with pytest.raises(BuildFailed, match=r"@t/native in several versions \(1\.0\.0, 2\.0\.0\)"):
        built(site, "native")
    registry.close()


def test_a_package_that_is_to_lie_beside_the_bundle_and_is_not_there_is_told(site: Site) -> None:
    services = (
        replace(each, build=replace(each.build, unbundled=("@t/mistyped",))) for each in site.workspace.services
    )
    site.workspace = replace(site.workspace, services=tuple(services))
    with pytest.raises(BuildFailed, match="@t/mistyped is not installed"):
        built(site, "prebuilt")


@pytest.mark.parametrize("manager", MANAGERS)
def test_what_another_platform_needs_comes_as_it_is_locked_from_the_registry_or_the_cache(
    manager: str, tmp_path: Path
) -> None:
    site, registry = split_site(manager, tmp_path / "w")
    publish_split(registry, "1.1.0")
    place = "node_modules/@t/split-linux-{}/a.node"
    assert built(site, "split")[place.format("x64")] == addon(note="1.0.0")
    files = built(site, "split", "arm64")
    assert files[place.format("arm64")] == addon(ARM64, note="1.0.0"), "and not 1.1.0, which its range lets in"
    assert place.format("x64") not in files
    registry.close()
    shutil.rmtree(site.cache / "v1/index/artifact")
    assert built(site, "split", "arm64") == files


@pytest.mark.parametrize("manager", ["npm", "pnpm", "yarn"])
def test_what_bundles_is_installed_also_on_a_machine_that_is_set_to_production(
    manager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """esbuild and TypeScript are in no way missing for the bytes: else another esbuild would make them."""
    site, registry = split_site(manager, tmp_path / "w", devDependencies={"@t/tool": "1.0.0"})
    for name in ("production", "PRODUCTION"):
        monkeypatch.setenv(f"npm_config_{name}", "true")
    monkeypatch.setenv("NODE_ENV", "production")
    monkeypatch.setenv("npm_config_omit", "dev")
    monkeypatch.setenv("npm_config_optional", "false")
    files = built(site, "split")
    assert (site.root / "node_modules/@t/tool/index.js").is_file()
    assert "node_modules/@t/split-linux-x64/a.node" in files
    registry.close()


def test_what_the_registry_gives_now_is_checked_against_the_lock(tmp_path: Path) -> None:
    site, registry = split_site("pnpm", tmp_path / "w")
    built(site, "split")
    _, honest = registry.packages["@t/split-linux-arm64"]["1.0.0"]
    registry.publish(
        "@t/split-linux-arm64", "1.0.0", {"a.node": addon(ARM64, note="evil")}, os=["linux"], cpu=["arm64"]
    )
    with pytest.raises(BuildFailed, match=r"split-linux-arm64 1\.0\.0 is not what was locked") as caught:
        built(site, "split", "arm64")
    assert caught.value.where == "pnpm-lock.yaml"
    (manifest, evil) = registry.packages["@t/split-linux-arm64"]["1.0.0"]
    kept = site.cache / "v1/tools/npm/@t+split-linux-arm64-1.0.0.tgz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(evil)
    registry.packages["@t/split-linux-arm64"]["1.0.0"] = (manifest, honest)
    files = built(site, "split", "arm64")
    assert files["node_modules/@t/split-linux-arm64/a.node"] == addon(ARM64, note="1.0.0"), "nor is the cache believed"
    registry.close()


def test_a_lock_that_lacks_another_platforms_package_is_refused_with_what_to_type(tmp_path: Path) -> None:
    site, registry = split_site("npm", tmp_path / "w")
    path = site.root / "package-lock.json"
    content = json.loads(path.read_text())
    del content["packages"]["node_modules/@t/split-linux-arm64"]
    path.write_text(json.dumps(content))
    built(site, "split")
    with pytest.raises(
        BuildFailed, match=r"does not name @t/split-linux-arm64, which @t/split 1\.0\.0 needs on"
    ) as caught:
        built(site, "split", "arm64")
    assert caught.value.where == "package-lock.json"
    assert "npm install" in caught.value.hint
    registry.close()


def test_a_package_beside_the_bundle_on_request_needs_no_native_code(site: Site) -> None:
    plain = options(site, unbundled=("@t/quicker",))
    plain.write({"services/prebuilt/app.js": "require('@t/quicker');\nexports.handler = async () => 1;\n"})
    assert "node_modules/@t/quicker/index.js" in built(plain, "prebuilt", "arm64")


def test_a_file_system_that_runs_nothing_changes_no_mode(site: Site) -> None:
    installed = site.root / "node_modules/@t/with-quicker"
    (installed / "index.js").chmod(0o755)
    with no_programs(installed):
        (artifact,) = site.build("with-quicker").values()
    with zipfile.ZipFile(artifact.path) as archive:
        modes = {name: archive.getinfo(f"node_modules/@t/with-quicker/{name}").external_attr for name in MODES}
    assert {name: oct(mode >> 16 & 0o777) for name, mode in modes.items()} == MODES


MODES = {"index.js": "0o755", "package.json": "0o644"}


def test_a_package_of_far_too_many_files_beside_the_bundle_is_refused(site: Site) -> None:
    many = options(site, unbundled=("@t/quicker",))
    many.write({"services/prebuilt/app.js": "require('@t/quicker');\nexports.handler = async () => 1;\n"})
    folder = site.root / "node_modules/@t/quicker/many"
    folder.mkdir()
    for number in range(66_000):
        os.close(os.open(folder / f"{number}.js", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(BuildFailed, match=r"66,00\d files are more than a ZIP holds \(65,535\)"):
        built(many, "prebuilt")
