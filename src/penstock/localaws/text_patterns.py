"""CloudWatch Logs' filter patterns for lines that are no JSON: words, and fields between spaces.

``ERROR "out of memory"`` has both, ``?ERROR ?WARN`` either, ``-DEBUG`` has it not, ``%5[0-9]{2}%`` is an expression,
and ``[ip, user, ..., status=5*, bytes>1000]`` names the fields of a line. Case counts.

Reference: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Test = Callable[[str], bool]

_WORD = re.compile(r'([-?]?)(?:"((?:[^"\\]|\\.)*)"|%([^%]+)%|(\S+))')
_FIELD = re.compile(r'\[([^\]]*)\]|"((?:[^"\\]|\\.)*)"|(\S+)')
_CONDITION = re.compile(r'\s*(\w[\w-]*|\.\.\.)?\s*(?:(!=|<=|>=|=|<|>)\s*(?:"([^"]*)"|%([^%]+)%|([^\s&|]+)))?\s*')
_ANY = "..."


def compiled(pattern: str) -> Test:
    """A test of log messages for a pattern that is not JSON.

    Raises:
        ValueError: the pattern cannot be read.
    """
    pattern = pattern.strip()
    if pattern.startswith("["):
        if not pattern.endswith("]"):
            raise ValueError(f"{pattern!r} does not end with a bracket")
        return _fields(pattern[1:-1].split(","))
    return _words(pattern)


def _words(pattern: str) -> Test:
    every: list[Test] = []
    some: list[Test] = []
    for sign, quoted, expression, bare in _WORD.findall(pattern):
        test = _has(quoted.replace('\\"', '"') or bare, expression)
        if sign == "?":
            some.append(test)
        elif sign == "-":
            every.append(lambda message, test=test: not test(message))  # type: ignore[misc]
        else:
            every.append(test)
    if every:
        some = []  # a word that may be there is no condition beside one that must
    return lambda message: all(test(message) for test in every) and (not some or any(test(message) for test in some))


def _has(word: str, expression: str) -> Test:
    if expression:
        found = re.compile(expression)
        return lambda message: found.search(message) is not None
    return lambda message: word in message


def _fields(conditions: Sequence[str]) -> Test:
    names = [condition.strip() for condition in conditions]
    gap = names.index(_ANY) if _ANY in names else None
    before = [_condition(text) for text in (names if gap is None else names[:gap])]
    after = [] if gap is None else [_condition(text) for text in names[gap + 1 :]]

    def matches(message: str) -> bool:
        values = ["".join(groups) for groups in _FIELD.findall(message)]
        if len(values) < len(before) + len(after) or (gap is None and len(values) != len(before)):
            return False
        last = values[len(values) - len(after) :]
        pairs = [*zip(before, values, strict=False), *zip(after, last, strict=True)]
        return all(test(value) for test, value in pairs)

    return matches


def _condition(text: str) -> Test:
    """Of one field: comparisons, joined by && or ||, the name left out after the first."""
    if "||" in text:
        either = [_condition(part) for part in text.split("||")]
        return lambda value: any(test(value) for test in either)
    if "&&" in text:
        both = [_condition(part) for part in text.split("&&")]
        return lambda value: all(test(value) for test in both)
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no condition of a field")
    operator, quoted, expression, bare = found.group(2, 3, 4, 5)
    if operator is None:
        return lambda _value: True
    if expression:
        has = _has("", expression)
        return lambda value: has(value) is (operator == "=")
    return lambda value: _compares(value, operator, quoted if bare is None else bare)


def _compares(value: str, operator: str, wanted: str) -> bool:
    if operator in {"=", "!="}:
        return fnmatch.fnmatchcase(value, wanted.replace("[", "[[]")) is (operator == "=")
    try:
        number, limit = float(value), float(wanted)
    except ValueError:
        return False
    return {"<": number < limit, "<=": number <= limit, ">": number > limit, ">=": number >= limit}[operator]
