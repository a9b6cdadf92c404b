"""Where an artifact comes from, as a signed statement: in-toto Statement v1, SLSA provenance v1, DSSE envelope.

Formats: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.0/provenance,
https://github.com/secure-systems-lab/dsse/blob/master/envelope.md. Pure: who signs is a port.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from penstock.ports import Signature

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
PAYLOAD = "application/vnd.in-toto+json"
BUILD_TYPE = "urn:penstock:build:v1"
BUILDER = "urn:penstock:builder"
SBOM = "application/vnd.cyclonedx+json"
SIGNATURES = 8
"""An envelope of ours has one signature for each environment that the bytes went through; more are not looked at."""


class Unsound(ValueError):
    """It is not a statement of ours; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is said about one artifact. Digests are SHA-256, hex; `size` in bytes."""

    workspace: str
    unit: str
    target: str
    artifact: str
    size: int
    recipe: str
    commit: str
    """Empty outside a git repository."""
    dirty: bool
    """Whether the working tree differed from the commit."""
    sbom: str
    """Empty when there is none."""
    run: str
    """The run of the command that signed it first; the ledger tells who that was."""
    version: str
    """Penstock's."""

    def payload(self) -> bytes:
        """The statement, as canonical JSON."""
        source = [
            {"name": "source", "digest": {"gitCommit": self.commit}, "annotations": {"uncommittedChanges": self.dirty}}
        ]
        sbom = [{"name": f"{self.artifact}.cdx.json", "digest": {"sha256": self.sbom}, "mediaType": SBOM}]
        content = {
            "_type": STATEMENT,
            "subject": [
                {
                    "name": f"{self.artifact}.zip",
                    "digest": {"sha256": self.artifact},
                    "annotations": {"size": self.size},
                }
            ],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {"workspace": self.workspace, "unit": self.unit, "target": self.target},
                    "internalParameters": {"recipe": {"sha256": self.recipe}},
                    "resolvedDependencies": source if self.commit else [],
                },
                "runDetails": {
                    "builder": {"id": BUILDER, "version": {"penstock": self.version}},
                    "metadata": {"invocationId": self.run},
                    "byproducts": sbom if self.sbom else [],
                },
            },
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def of(cls, payload: bytes) -> Provenance:
        """The inverse of `payload`. Raises Unsound for anything else."""
        try:
            return _read(json.loads(payload))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unsound("it is not a statement of ours") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A statement's bytes, and who signed them."""

    payload: bytes
    signatures: tuple[Signature, ...] = ()

    @property
    def message(self) -> bytes:
        """What is signed: DSSE's pre-authentication encoding of type and payload."""
        kind = PAYLOAD.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    def to_json(self) -> dict[str, Any]:
        """The envelope as it is stored."""
        return {
            "payloadType": PAYLOAD,
            "payload": _encoded(self.payload),
            "signatures": [{"keyid": each.key, "sig": _encoded(each.value)} for each in self.signatures],
        }

    @classmethod
    def from_json(cls, data: Any) -> Envelope:
        """The inverse of `to_json`. Raises Unsound."""
        try:
            if data["payloadType"] != PAYLOAD:
                raise Unsound("it is not a signed statement")
            return cls(
                payload=_decoded(data["payload"]),
                signatures=tuple(
                    Signature(key=str(each["keyid"]), value=_decoded(each["sig"]))
                    for each in data["signatures"][:SIGNATURES]
                ),
            )
        except (LookupError, TypeError, AttributeError, binascii.Error) as error:
            raise Unsound("it is not a signed statement") from error

    def to_text(self) -> bytes:
        """`to_json` as bytes."""
        return json.dumps(self.to_json(), sort_keys=True).encode()

    @classmethod
    def from_text(cls, text: bytes) -> Envelope:
        """The inverse of `to_text`. Raises Unsound."""
        try:
            return cls.from_json(json.loads(text))
        except Unsound:
            raise
        except (ValueError, RecursionError) as error:
            raise Unsound("it is not a signed statement") from error


def _read(content: Any) -> Provenance:
    if (content["_type"], content["predicateType"]) != (STATEMENT, PREDICATE):
        raise Unsound("it is not a statement of ours")
    (subject,) = content["subject"]
    definition, details = content["predicate"]["buildDefinition"], content["predicate"]["runDetails"]
    outer = definition["externalParameters"]
    source = (definition["resolvedDependencies"] or [{"digest": {"gitCommit": ""}, "annotations": {}}])[0]
    byproduct = (details["byproducts"] or [{"digest": {"sha256": ""}}])[0]
    return Provenance(
        workspace=str(outer["workspace"]),
        unit=str(outer["unit"]),
        target=str(outer["target"]),
        artifact=str(subject["digest"]["sha256"]),
        size=int(subject["annotations"]["size"]),
        recipe=str(definition["internalParameters"]["recipe"]["sha256"]),
        commit=str(source["digest"]["gitCommit"]),
        dirty=bool(source["annotations"].get("uncommittedChanges", False)),
        sbom=str(byproduct["digest"]["sha256"]),
        run=str(details["metadata"]["invocationId"]),
        version=str(details["builder"]["version"]["penstock"]),
    )


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
