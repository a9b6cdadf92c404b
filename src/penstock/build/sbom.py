"""Components → CycloneDX 1.6 JSON: what is in an artifact, and what its runtime adds.

Written by hand because the library takes a quarter of a second to import; the tests hold it against the library's own
schema. No times, and a serial number that is made of the content: the same artifact has the same SBOM, and one that was
changed is known by it.
Format: https://cyclonedx.org/docs/1.6/json/, purls: https://github.com/package-url/purl-spec.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import tomllib
import uuid
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from penstock.build.requirements import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.model.artifact import Target

Index = Literal["pypi", "npm"]
_ALGORITHMS = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+|[(]?[A-Za-z0-9.+-]+( (AND|OR|WITH) [(]?[A-Za-z0-9.+-]+[)]?)+")
_NO_LICENCE = frozenset({"UNKNOWN", "UNLICENSED", "NONE"})
_LONGEST_NAME = 80
"""Characters; a longer `License` field is the licence's whole text."""
_CLASSIFIER = "License :: "
_SERIAL = ',\n"serialNumber": "urn:uuid:'
_BEFORE_SERIAL = ',\n"specVersion": '
"""The line that follows, as keys are sorted. No text of a component can look like it: JSON has no line break in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One package. `index` is None for a package of the workspace; hashes are hex, by `sha256` and the like."""

    name: str
    version: str = ""
    index: Index | None = None
    licence: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    supplied: bool = False
    """Not in the artifact: the runtime has it. The version is then the one that was locked, not the one that runs."""

    @property
    def purl(self) -> str:
        """`pkg:pypi/idna@3.10`, `pkg:npm/%40scope/name@1.0.0`; empty for a package of the workspace."""
        if self.index is None:
            return ""
        name = re.sub(r"[-_.]+", "-", self.name).lower() if self.index == "pypi" else self.name
        place = "/".join(quote(part, safe=".-_~") for part in name.split("/"))
        return f"pkg:{self.index}/{place}" + (f"@{quote(self.version, safe='.-_~')}" if self.version else "")


def document(unit: str, digest: str, target: Target, components: Iterable[Component], *, version: str = "") -> str:
    """The SBOM of an artifact, as canonical JSON.

    Args:
        unit: the artifact's name.
        digest: its SHA-256, hex.
        target: what it was built for.
        components: what is in it, and what its runtime adds.
        version: the service's own, empty when it has none.
    """
    known = {_reference(each): each for each in components}
    about = {"type": "application", "bom-ref": unit, "name": unit, "hashes": _hashes({"sha256": digest})}
    content: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "penstock"}]},
            "component": about | ({"version": version} if version else {}),
            "properties": [{"name": "penstock:target", "value": str(target)}],
        },
        "components": [_component(reference, known[reference], target) for reference in sorted(known)],
        "dependencies": [{"ref": unit, "dependsOn": sorted(known)}, *({"ref": each} for each in sorted(known))],
    }
    # A line for each key, and for each component. Not `indent`, which leaves the encoding to Python code.
    lists = {key: ",\n".join(map(_canonical, content.pop(key))) for key in ("components", "dependencies")}
    lines = {key: _canonical(value) for key, value in content.items()} | {
        key: f"[\n{text}\n]" for key, text in lists.items()
    }
    whole = "{\n" + ",\n".join(f'"{key}": {text}' for key, text in sorted(lines.items())) + "\n}\n"
    return whole.replace(_BEFORE_SERIAL, f"{_serial(whole)}{_BEFORE_SERIAL}", 1)


def is_whole(text: str) -> bool:
    """Whether an SBOM is, to the last character, what `document` made."""
    before, found, after = text.partition(_BEFORE_SERIAL)
    begin, _, serial = before.rpartition(_SERIAL)
    whole = f"{begin}{found}{after}"
    return bool(found) and f"{_SERIAL}{serial}" == _serial(whole)


def _serial(whole: str) -> str:
    """The line of the serial number: a UUID (version 8, RFC 9562) of what all other lines say."""
    number = uuid.UUID(bytes=hashlib.sha256(whole.encode()).digest()[:16]).int
    told = uuid.UUID(int=number & ~(0xF000 << 64 | 0xC000 << 48) | 0x8000 << 64 | 0x8000 << 48)
    return f'{_SERIAL}{told}"'


# ------------------------------------------------------------------------------------------ Python


def distribution(metadata: str, *, index: Index | None, hashes: Mapping[str, str] | None = None) -> Component:
    """A package by its METADATA (https://packaging.python.org/en/latest/specifications/core-metadata/)."""
    headers = _headers(metadata)
    classifiers = [each for each in headers.get("classifier", ()) if each.startswith(_CLASSIFIER)]
    said = headers.get("license-expression") or [
        text for text in headers.get("license", ()) if 0 < len(text) <= _LONGEST_NAME and text not in _NO_LICENCE
    ]
    named = [each.rpartition(" :: ")[2] for each in classifiers]
    return Component(
        name=(headers.get("name") or [""])[0],
        version=(headers.get("version") or [""])[0],
        index=index,
        licence=said[0] if said else " AND ".join(sorted(set(named) - {"OSI Approved"})),
        hashes=hashes or {},
    )


def wheel_tags(wheel: str) -> frozenset[str]:
    """The tags that a WHEEL file names."""
    return frozenset(_headers(wheel).get("tag", ()))


def wheel_of(tags: frozenset[str], wheels: Mapping[str, str]) -> dict[str, str]:
    """Hashes of the wheel that was installed, among those that a lock names by file name; empty when it is not clear.

    A file name holds the product of its tag sets: `x-1-py2.py3-none-any.whl` is `py2-none-any` and `py3-none-any`.
    """
    fitting = {digest for name, digest in wheels.items() if tags and _tags_of_name(name) == tags}
    return integrity(fitting.pop()) if len(fitting) == 1 else {}


def only_hash(options: str) -> dict[str, str]:
    """The hash of `--hash=sha256:…` options when there is a single one; of several nobody knows which was taken."""
    found = set(re.findall(r"--hash[=\s](\S+)", options))
    return integrity(found.pop()) if len(found) == 1 else {}


def chosen_wheels(pylock: str, among: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """File name → hash of the wheels in a pylock.toml (PEP 751), by `name version`.

    `among` are the `--hash` options by `name==version`: a file that they do not know is not the one that was taken.
    Raises TOMLDecodeError.
    """
    found: dict[str, dict[str, str]] = {}
    for each in tomllib.loads(pylock).get("packages", ()):
        name, version = normalised(each["name"]), each.get("version", "")
        for wheel in each.get("wheels", ()):
            digest = f"sha256:{wheel.get('hashes', {}).get('sha256')}"
            if digest in among.get(f"{name}=={version}", ""):
                file = wheel.get("name") or wheel.get("url", "").rpartition("/")[2]
                found.setdefault(f"{name} {version}", {})[file] = digest
    return found


def poetry_packages(lock: str) -> dict[str, dict[str, Any]]:
    """What a poetry.lock says of each package, by `name version`: its groups, and file name → hash of its wheels.

    Raises TOMLDecodeError.
    """
    return {
        f"{normalised(each['name'])} {each['version']}": {
            "groups": each.get("groups", ["main"]),
            "wheels": {
                file["file"]: file["hash"]
                for file in each.get("files", ())
                if file.get("file", "").endswith(".whl") and "hash" in file
            },
        }
        for each in tomllib.loads(lock).get("package", ())
    }


def _tags_of_name(name: str) -> frozenset[str]:
    sets = name.removesuffix(".whl").split("-")[-3:]
    return frozenset("-".join(parts) for parts in product(*(each.split(".") for each in sets)))


def _headers(text: str) -> dict[str, list[str]]:
    """The lines before the first empty one, by lower-case name; folded lines are joined."""
    found: dict[str, list[str]] = {}
    last: list[str] = []
    for line in text.splitlines():
        if not line.strip():
            break
        if line[0] in " \t" and last:
            last[-1] += f" {line.strip()}"
            continue
        name, _, value = line.partition(":")
        last = found.setdefault(name.strip().lower(), [])
        last.append(value.strip())
    return found


# ------------------------------------------------------------------------------------------ Node.js


def installed(path: str) -> str | None:
    """The package whose package.json it is, of a file in the ZIP; None for any other file."""
    match = re.fullmatch(r"(?:.*/)?node_modules/((?:@[^/]+/)?[^@/][^/]*)/package\.json", path)
    return match[1] if match else None


def npm_package(text: str, name: str, *, integrities: Mapping[str, str]) -> Component:
    """A package by its package.json; `integrities` are the lock's, by `name@version`."""
    try:
        content = json.loads(text)
    except ValueError:
        content = {}
    content = content if isinstance(content, dict) else {}
    version, licence = content.get("version"), content.get("license")
    licence = licence.get("type") if isinstance(licence, dict) else licence
    version = version if isinstance(version, str) else ""
    return Component(
        name=name,
        version=version,
        index="npm",
        licence=licence if isinstance(licence, str) and licence not in _NO_LICENCE else "",
        hashes=integrity(integrities.get(f"{name}@{version}", "")),
    )


# ------------------------------------------------------------------------------------------ small things


def integrity(text: str) -> dict[str, str]:
    """Hashes, hex by algorithm, of `sha256:<hex>` or of `sha512-<base64>`; empty for anything else."""
    algorithm, colon, digest = text.partition(":")
    if colon:
        return {algorithm: digest} if algorithm in _ALGORITHMS else {}
    algorithm, _, encoded = text.partition("-")
    try:
        return {algorithm: base64.b64decode(encoded, validate=True).hex()} if algorithm in _ALGORITHMS else {}
    except (binascii.Error, ValueError):
        return {}


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _reference(component: Component) -> str:
    return component.purl or f"workspace:{component.name}"


def _component(reference: str, component: Component, target: Target) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "library", "bom-ref": reference, "name": component.name}
    if component.version:
        found["version"] = component.version
    if component.index is not None:
        found["purl"] = reference
    if component.licence:
        found["licenses"] = [_licence(component.licence)]
    if component.hashes:
        found["hashes"] = _hashes(component.hashes)
    if component.supplied:
        runtime = f"{target.language}{target.version}"
        found["properties"] = [
            {"name": "penstock:supplied-by", "value": f"the {runtime} runtime, in its own version; not in the artifact"}
        ]
    elif component.index is None:
        found["properties"] = [{"name": "penstock:source", "value": "workspace"}]
    return found


def _licence(text: str) -> dict[str, Any]:
    if _EXPRESSION.fullmatch(text):
        return {"expression": text}
    return {"license": {"name": text}}


def _hashes(hashes: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"alg": _ALGORITHMS[name], "content": digest} for name, digest in sorted(hashes.items())]
