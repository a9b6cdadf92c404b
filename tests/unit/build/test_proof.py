"""The proof before shipping: native libraries, names, secrets."""

from __future__ import annotations

import struct

import pytest

from penstock.build import proof
from penstock.build.archive import ArchiveError, Member, pack, write
from penstock.model.artifact import Target
from penstock.model.credentials import secret
from penstock.model.errors import BuildFailed


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, machine) + bytes(200)


def native(name: str, machine: int, version: str = "3.13", architecture: str = "x86_64", *more: Member) -> None:
    target = Target(language="python", version=version, architecture=architecture)  # type: ignore[arg-type]
    proof.check_native([pack(name, elf(machine)), *more], target, where="s")


@pytest.mark.parametrize(
    "name",
    ["a/_c.cpython-313-x86_64-linux-gnu.so", "a/_c.abi3.so", "a/_c.so", "a.libs/libz-1.so.1.2", "a/b.node"],
)
def test_native_libraries_for_the_target_pass(name: str) -> None:
    native(name, 62)
    native(name.replace("x86_64", "aarch64"), 183, "3.13", "arm64")


@pytest.mark.parametrize(
    ("name", "machine", "architecture", "message"),
    [
        ("a/_c.cpython-313-x86_64-linux-gnu.so", 62, "arm64", "made for x86_64, and the target is python3.13/arm64"),
        ("a/libz.so.1", 183, "x86_64", "made for arm64"),
        ("a/b.node", 40, "arm64", r"made for arm \(32 bits\)"),
        ("a/_c.cpython-312-x86_64-linux-gnu.so", 62, "x86_64", "made for Python 3.12, and the target is python3.13"),
        ("a/_c.cpython-313t-x86_64-linux-gnu.so", 62, "x86_64", "made for Python 3.13t"),
        ("a/_c.cpython-313-x86_64-linux-musl.so", 62, "x86_64", r"\(musl\)"),
    ],
)
def test_a_library_that_the_target_cannot_load_is_refused(
    name: str, machine: int, architecture: str, message: str
) -> None:
    with pytest.raises(BuildFailed, match=message):
        native(name, machine, "3.13", architecture)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (elf(62)[:40], "made for no processor .it is cut short."),
        (b"\x7fELF", "made for no processor .it is cut short."),
        (b"\x7fELF\x02\x02\x01" + bytes(9) + struct.pack(">HH", 3, 62) + bytes(200), r"x86_64 \(big-endian\)"),
        (b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HH", 3, 62) + bytes(200), r"x86_64 \(32 bits\)"),
    ],
)
def test_a_library_that_no_loader_takes_is_refused(content: bytes, message: str) -> None:
    target = Target(language="python", version="3.13", architecture="x86_64")
    with pytest.raises(BuildFailed, match=message):
        proof.check_native([pack("a/_c.so", content)], target, where="s")
    proof.check_native(
        [pack("a/_c.so", elf(62)), pack("a/empty.so", b""), pack("a/l.so", b"INPUT(-lc)")], target, where="s"
    )


def test_a_package_may_carry_libraries_for_several_pythons() -> None:
    other = pack("a/_c.cpython-313-x86_64-linux-gnu.so", elf(62))
    native("a/_c.cpython-312-x86_64-linux-gnu.so", 62, "3.13", "x86_64", other)


@pytest.mark.parametrize("head", [b"MZ\x90\x00", b"\xcf\xfa\xed\xfe"])
def test_a_library_of_another_system_is_refused(head: bytes) -> None:
    target = Target(language="node", version="22", architecture="arm64")
    with pytest.raises(BuildFailed, match="Lambda runs Linux"):
        proof.check_native([pack("a/b.node", head + bytes(100))], target, where="s")


@pytest.mark.parametrize(
    ("one", "other"), [("a/README.txt", "a/readme.txt"), ("straße.py", "STRASSE.py"), ("é.py", "e\u0301.py")]
)
def test_names_that_are_one_on_other_systems_are_refused(one: str, other: str) -> None:
    with pytest.raises(BuildFailed, match="would be one file"):
        proof.check_names([pack(one, b""), pack(other, b"")], where="s")


@pytest.mark.parametrize(
    ("one", "other"), [("thing", "thing/x.txt"), ("a/Data/x.txt", "a/data"), ("a", "a/b/c/d"), ("é", "e\u0301/x")]
)
def test_a_file_that_is_a_folders_namesake_is_refused(one: str, other: str) -> None:
    for both in ((one, other), (other, one)):
        with pytest.raises(BuildFailed, match="would be a file, and a folder with"):
            proof.check_names([pack(name, b"") for name in both], where="s")
    proof.check_names([pack(name, b"") for name in ("Data/x", "data/y", "thing", "things/thing")], where="s")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "C:\\x", "a//b", "", ".", "a\x00b", "a\nb", "a/."]
)
def test_names_that_would_escape_are_refused(name: str) -> None:
    with pytest.raises(ArchiveError):
        pack(name, b"")


def test_more_files_than_a_zip_holds_are_refused_before_anything_is_written() -> None:
    members = [Member(f"f{number}", 0, 0, 0, b"") for number in range(100_000)]
    with pytest.raises(ArchiveError, match="100000 files are more than a ZIP holds"):
        write(members, _Nowhere())


class _Nowhere:
    def write(self, data: bytes | memoryview, /) -> None:
        raise AssertionError(len(data))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx0\n", "a private key"),
        ("-----BEGIN PRIVATE KEY-----\r\nMIIEvQIBADANBgkqhk\n", "a private key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQdGBGUzO8QBEADc1pVx\n", "a private key"),
        (
            '{"private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"}',
            "a private key",
        ),
        (
            '"-----BEGIN EC PRIVATE KEY-----\\n"\n    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"',
            "a private key",
        ),
        ("github_pat_" + "1a" * 20, "a GitHub token"),
        ("aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY", "an AWS secret key"),
        ("aws = 'AKIAQ3EGUDPLZ5RXTWKB'", "an AWS access key"),
        ("ghp_" + "a" * 36, "a GitHub token"),
        ("sk_live_" + "1" * 24, "a Stripe key"),
    ],
)
def test_what_looks_like_a_secret_is_told_with_its_line(content: str, what: str) -> None:
    assert secret(f"\n\n{content}".encode()) == (what, 3)


@pytest.mark.parametrize(
    "content",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIE",
        "sk_test_1",
        "'-----BEGIN PRIVATE KEY-----', '-----END PRIVATE KEY-----'",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
def test_examples_and_certificates_are_no_secrets(content: str) -> None:
    assert secret(content.encode()) is None


@pytest.mark.parametrize(("path", "is_one"), [
    ("config/.env", True), (".env.production", True), ("a/id_rsa", True), (".env.example", False), ("env.py", False),
    (".envrc", True), ("prod.env", True), ("sample.env", False),
    ("a/live.auto.tfvars", True), ("terraform.tfvars.json", True), ("terraform.tfvars.md", False),
    ("terraform.tfstate", True), ("a.tfstate.backup", True), ("tfstate.py", False), ("envrc.py", False),
])  # fmt: skip
def test_files_that_hold_secrets_by_their_name(path: str, *, is_one: bool) -> None:
    assert proof.secret_file(path) is is_one
