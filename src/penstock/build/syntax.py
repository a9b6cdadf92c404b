"""Python sources as syntax trees."""

from __future__ import annotations

import ast
import threading

_ONE_AT_A_TIME = threading.Lock()


def tree(content: bytes | str, path: str = "<unknown>") -> ast.Module:
    """The source's syntax tree. Raises SyntaxError, ValueError or RecursionError as `ast.parse` does.

    One at a time: in Python 3.11 threads that parse side by side disturb each other's count of nested nodes, which ends
    in a SystemError (https://github.com/python/cpython/issues/106905).
    """
    with _ONE_AT_A_TIME:
        return ast.parse(content, filename=path)
