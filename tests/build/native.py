"""Addons, packages and a registry to install them from, made here so that tests know every byte of them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import struct
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

X86_64, ARM64 = 62, 183
NODE_API = ("napi_create_string_utf8",)
_HEADER = 64
_STRTAB, _RELA, _DYNAMIC, _DYNSYM, _PROGBITS = 3, 4, 6, 11, 1
_VERNEED = 0x6FFFFFFE
_DATA_AT = 0x4000


def addon(
    machine: int = X86_64,
    *,
    imports: tuple[str, ...] = NODE_API,
    exports: tuple[str, ...] = (),
    needs: tuple[str, ...] = ("libc.so.6",),
    node_module: int | None = None,
    versions: tuple[str, ...] = (),
    note: str = "",
) -> bytes:
    """A shared library with these dynamic symbols, and no code.

    `versions` are those of the C library's symbols that it needs, `~` before a weak one; `note` makes two differ.
    """
    strings = bytearray(b"\0")

    def named(text: str) -> int:
        strings.extend(text.encode() + b"\0")
        return len(strings) - 1 - len(text.encode())

    symbols = bytes(24)
    for home, names in ((0, imports), (1, exports)):
        symbols += b"".join(struct.pack("<IBBHQQ", named(name), 0x12, 0, home, 0, 0) for name in names)
    dynamic = b"".join(struct.pack("<qQ", 1, named(name)) for name in needs) + bytes(16)
    wanted = b""
    for each in versions:
        flags, further = 2 * each.startswith("~"), 16 if each != versions[-1] else 0
        wanted += struct.pack("<IHHII", 0, flags, 2, named(each.lstrip("~")), further)
    wanted = struct.pack("<HHIII", 1, len(versions), 1, 16, 0) + wanted if versions else b""
    named(note)
    data, moved = bytes(16), b""
    if node_module is not None:  # nm_version, nm_flags, then pointers to the file's name, two functions, its own name
        data += struct.pack("<iI", node_module, 0) + bytes(56)
        moved = b"".join(struct.pack("<QQq", _DATA_AT + 16 + at, 8, 0) for at in (16, 24, 40))
    parts = (
        (0, 0, 0, 0, b""),
        (_STRTAB, 2, 0, 0, bytes(strings)),
        (_DYNSYM, 2, 0, 1, symbols),
        (_DYNAMIC, 3, 0, 1, dynamic),
        (_RELA, 2, 0, 2, moved),
        (_PROGBITS, 3, _DATA_AT, 0, data),
        (_VERNEED, 2, 0, 1, wanted),
    )
    body, table = b"", b""
    for kind, flags, address, link, content in parts:
        table += struct.pack("<II4QII2Q", 0, kind, flags, address, _HEADER + len(body), len(content), link, 0, 8, 0)
        body += content
    begin = _HEADER + len(body)
    head = struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 0, begin, 0, 64, 0, 0, 64, len(parts), 0)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + head
    return head + body + table


def bound(version: int, machine: int = X86_64) -> bytes:
    """An addon for one NODE_MODULE_VERSION."""
    return addon(machine, imports=("node_module_register",), exports=(f"node_register_module_v{version}",))


class Registry:
    """An npm registry for the packages that were published to it, on a port of this machine."""

    def __init__(self) -> None:
        self.packages: dict[str, dict[str, tuple[dict[str, Any], bytes]]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def publish(
        self,
        name: str,
        version: str,
        files: Mapping[str, str | bytes],
        odd: tarfile.TarInfo | None = None,
        /,
        **manifest: object,
    ) -> None:
        """Publish a package; a version that is there already gets other content, as no honest registry would do it.

        `odd` is an entry that no package manager would write.
        """
        content = {"name": name, "version": version, **manifest}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, text in {"package.json": json.dumps(content), **files}.items():
                data = text.encode() if isinstance(text, str) else text
                info = tarfile.TarInfo(f"package/{path}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            if odd is not None:
                archive.addfile(odd, io.BytesIO(bytes(odd.size)))
        self.packages.setdefault(name, {})[version] = (content, gzip.compress(packed.getvalue(), mtime=0))

    def packument(self, name: str) -> bytes | None:
        """What the registry says of a package."""
        if name not in self.packages:
            return None
        versions = {}
        for version, (manifest, archive) in self.packages[name].items():
            digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
            place = f"{self.url}{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
            sha1 = hashlib.sha1(archive).hexdigest()  # noqa: S324 - npm's format
            versions[version] = {
                **manifest,
                "dist": {"tarball": place, "integrity": f"sha512-{digest}", "shasum": sha1},
            }
        return json.dumps({"name": name, "dist-tags": {"latest": list(versions)[-1]}, "versions": versions}).encode()

    def archive(self, name: str, file: str) -> bytes | None:
        """A package's archive, by the last part of its address."""
        found = (archive for version, (_, archive) in self.packages.get(name, {}).items() if f"-{version}.tgz" in file)
        return next(found, None)

    def close(self) -> None:
        """Go down."""
        self._server.shutdown()
        self._server.server_close()


def _handler(registry: Registry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, mark, file = unquote(self.path).strip("/").partition("/-/")
            content = registry.archive(name, file) if mark else registry.packument(name)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "application/octet-stream" if mark else "application/json")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
