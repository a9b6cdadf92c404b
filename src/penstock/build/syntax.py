"""Python sources as syntax trees, and whether an older Python reads them."""

from __future__ import annotations

import ast
import io
import threading
import tokenize

_ONE_AT_A_TIME = threading.Lock()
_NESTED_SINCE = (3, 12)
_START, _MIDDLE, _END = (getattr(tokenize, f"FSTRING_{name}", -1) for name in ("START", "MIDDLE", "END"))
"""Of f-strings, for a Python that has these tokens, as it has what they are looked at for."""


def tree(
    content: bytes | str, path: str = "<unknown>", *, feature_version: tuple[int, int] | None = None
) -> ast.Module:
    """The source's syntax tree. Raises SyntaxError, ValueError or RecursionError as `ast.parse` does.

    One at a time: in Python 3.11 threads that parse side by side disturb each other's count of nested nodes, which ends
    in a SystemError (https://github.com/python/cpython/issues/106905).
    """
    with _ONE_AT_A_TIME:
        return ast.parse(content, filename=path, feature_version=feature_version)


def newer_than(version: tuple[int, int], content: bytes) -> tuple[str, int] | None:
    """What an older Python than ours refuses of a source that ours takes, and the line; None when nothing is seen.

    As far as Python's own parser tells versions apart (https://docs.python.org/3/library/ast.html#ast.parse), and what
    PEP 701 allows within f-strings.
    """
    try:
        tree(content, feature_version=version)
    except SyntaxError as error:
        return error.msg, error.lineno or 1
    return _nested(content) if version < _NESTED_SINCE else None


def _nested(content: bytes) -> tuple[str, int] | None:
    """A quote, backslash, comment or line's end within an f-string's braces, where no Python before 3.12 takes it."""
    around: list[str] = []
    for token in tokenize.tokenize(io.BytesIO(content).readline):
        text, enclosing = token.string, around
        if token.type == _START:
            around = [*around, text.lstrip("rRfFbBuU")]
        elif token.type in {_MIDDLE, _END}:
            enclosing = around[:-1]
            around = enclosing if token.type == _END else around
        ends_line = token.type in {tokenize.NL, tokenize.NEWLINE} and any(len(quote) == 1 for quote in enclosing)
        is_taken = token.type != tokenize.COMMENT and "\\" not in text and not ends_line
        if enclosing and (not is_taken or any(quote in text for quote in enclosing)):
            return "nested quotes, a backslash or a comment in an f-string need Python 3.12", token.start[0]
    return None
