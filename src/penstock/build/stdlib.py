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
    return name in everything or name == "__main__"
