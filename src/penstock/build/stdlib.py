"""Which modules a Python version brings along, and what Lambda's runtime adds.

Source: `sys.stdlib_module_names` of each version, and the "Removed" and "New Modules" sections of
https://docs.python.org/3/whatsnew/.
"""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REMOVED: Mapping[int, frozenset[str]] = MappingProxyType(
    {
        10: frozenset({"formatter", "parser", "symbol"}),
        11: frozenset({"binhex"}),
        12: frozenset({"asynchat", "asyncore", "distutils", "imp", "smtpd"}),
        13: frozenset(
            {
                "aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap", "msilib", "nis",
                "nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib",
            }
        ),
    }
)  # fmt: skip
_ADDED: Mapping[int, frozenset[str]] = MappingProxyType(
    {11: frozenset({"tomllib"}), 14: frozenset({"annotationlib", "compression"})}
)
_OF_WINDOWS = frozenset({"_msi", "_overlapped", "_winapi", "_wmi", "msilib", "msvcrt", "nt", "winreg", "winsound"})
"""In `sys.stdlib_module_names` all the same, "regardless of the platform". Targets have another system."""
_PACKAGES = frozenset(
    {
        "_pyrepl", "asyncio", "collections", "compression", "concurrent", "ctypes", "curses", "dbm", "distutils",
        "email", "encodings", "ensurepip", "html", "http", "idlelib", "importlib", "json", "lib2to3", "logging",
        "multiprocessing", "pathlib", "pydoc_data", "re", "sqlite3", "string", "sysconfig", "test", "tkinter",
        "tomllib", "turtledemo", "unittest", "urllib", "venv", "wsgiref", "xml", "xmlrpc", "zipfile", "zoneinfo",
    }
)  # fmt: skip
"""In any version until Python 3.14."""
_PACKAGES_UNTIL = 14
_MADE_UP = frozenset({"os.path", "pyexpat.errors", "pyexpat.model"})
_MADE_UP_UNTIL_12 = frozenset({"typing.io", "typing.re"})
"""Parts that modules which are no packages put into `sys.modules`."""

SUPPLIED = frozenset(
    {
        "awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "snapshot_restore_py",
        "urllib3",
    }
)  # fmt: skip
"""Top-level modules on the path of Lambda's Python runtimes besides the standard library.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html, "Runtime-included SDK versions", and the
public base images (public.ecr.aws/lambda/python).
"""


def is_standard(name: str, version: str) -> bool:
    """Whether the top-level module `name` is part of Python `version` (`3.13`); private ones are those of ours."""
    minor = int(version.partition(".")[2])
    if any(name in gone for since, gone in _REMOVED.items() if since <= minor):
        return False
    if any(name in new for since, new in _ADDED.items() if since > minor):
        return False
    everything = sys.stdlib_module_names | {one for names in (*_REMOVED.values(), *_ADDED.values()) for one in names}
    return name in everything - _OF_WINDOWS or name == "__main__"


def has_no_part(module: str, version: str) -> bool:
    """Whether `os.nope` cannot be: its first name is the standard library's, and no package in Python `version`."""
    first, _, part = module.partition(".")
    minor = int(version.partition(".")[2])
    made_up = _MADE_UP | (_MADE_UP_UNTIL_12 if minor <= 12 else frozenset())  # noqa: PLR2004 - as it is called
    is_known = minor <= _PACKAGES_UNTIL and first in sys.stdlib_module_names
    return bool(part) and is_known and first not in _PACKAGES and module not in made_up
