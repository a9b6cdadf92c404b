"""CloudWatch Logs Insights' `stats`: `filter … | fields … as … | stats count(*) as n by bin(1m), route | limit n`.

ministack answers queries that list events, and leaves out what it does not know; this evaluates those that count.
Fields are those of lines that are JSON objects, and `@timestamp`, `@message`. What cannot be read is refused, as AWS
does, and never taken for something else.

Reference: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Value = Callable[[Mapping[str, Any]], Any]

MOST = 10_000
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?(?![\w]))|(?P<period>\d+(?:ms|s|m|h|d))
    |(?P<name>@?[A-Za-z_][\w.]*)|(?P<sign>!=|<=|>=|[=<>+\-*/%(),\[\]]))""",
    re.VERBOSE,
)
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ADD = {"+": operator.add, "-": operator.sub}
_MULTIPLY = {"*": operator.mul, "/": operator.truediv, "%": operator.mod}
_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "abs": lambda value: _of_number(abs, value),
    "ceil": lambda value: _of_number(math.ceil, value),
    "floor": lambda value: _of_number(math.floor, value),
    "ispresent": lambda value: value is not None,
    "strlen": lambda value: None if value is None else len(_told(value)),
}


class QueryError(ValueError):
    """The query cannot be read (MalformedQueryException)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line: milliseconds since the epoch, and its text."""

    at: int
    message: str


def counts(text: str) -> bool:
    """Whether a query is one of those that this module answers."""
    return any(stage.lower().startswith("stats ") for stage in _stages(text))


def answer(text: str, events: Iterable[Event], limit: int | None = None) -> tuple[list[list[dict[str, str]]], int]:
    """The rows of an answer, and how many events matched. Raises QueryError."""
    rows = [_discovered(event) for event in events]
    matched = len(rows)
    counted: list[dict[str, Any]] | None = None
    most = min(limit or MOST, MOST)
    for stage in _stages(text):
        verb, _, rest = stage.partition(" ")
        reader = _Reader(rest)
        match verb.lower():
            case "filter":
                test = reader.whole(reader.condition)
                rows = [row for row in rows if test(row)]
                matched = len(rows)
            case "fields":
                named = reader.listed(reader.named)
                rows = [{**row, **{name: value(row) for name, value in named}} for row in rows]
            case "stats":
                counted = _counted(reader, rows)
            case "limit":
                if not re.fullmatch(r"[0-9]+", rest.strip()):
                    raise QueryError(f"limit {rest} is no number of rows")
                most = min(most, int(rest))
            case _:
                raise QueryError(f"{verb} is not known here")
    if counted is None:
        raise QueryError("there is no stats")
    return [
        [{"field": name, "value": _told(value)} for name, value in row.items() if value is not None]
        for row in counted[:most]
    ], matched


def _counted(reader: _Reader, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`count(*) as n by a, b`."""
    reader.expect("count", "(", "*", ")")
    name = reader.alias() or "count(*)"
    keys: list[tuple[str, Value]] = []
    if reader.takes("by"):
        keys = reader.listed(reader.named)
    reader.end()
    found = Counter(tuple(value(row) for _, value in keys) for row in rows)
    return [
        {**dict(zip((key for key, _ in keys), values, strict=True)), name: count}
        for values, count in found.most_common()
    ]


class _Reader:
    """Reads one stage from left to right; what it returns computes a value of a row."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                raise QueryError(f"unexpected {text[place:].strip()[:20]!r}")
            self._tokens.append((str(found.lastgroup), found[0].strip()))
            place = found.end()

    def whole(self, read: Callable[[], Value]) -> Value:
        found = read()
        self.end()
        return found

    def listed(self, read: Callable[[], Any]) -> list[Any]:
        found = [read()]
        while self.takes(","):
            found.append(read())
        return found

    def named(self) -> tuple[str, Value]:
        began = self._at
        value = self._sum()
        written = "".join(text for _, text in self._tokens[began : self._at])
        return self.alias() or written, value

    def alias(self) -> str | None:
        return self._next()[1] if self.takes("as") else None

    def condition(self) -> Value:
        parts = [self._all()]
        while self.takes("or"):
            parts.append(self._all())
        return lambda row: any(part(row) for part in parts)

    def takes(self, word: str) -> bool:
        if self._peek()[1].lower() != word or self._peek()[0] == "text":
            return False
        self._at += 1
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.takes(word):
                raise QueryError(f"{word!r} was expected instead of {self._peek()[1]!r}")

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise QueryError(f"unexpected {self._peek()[1]!r}")

    def _all(self) -> Value:
        parts = [self._not()]
        while self.takes("and"):
            parts.append(self._not())
        return lambda row: all(part(row) for part in parts)

    def _not(self) -> Value:
        if self.takes("not"):
            inner = self._not()
            return lambda row: not inner(row)
        return self._comparison()

    def _comparison(self) -> Value:
        left = self._sum()
        if self.takes("in"):
            self.expect("[")
            options = self.listed(self._sum)
            self.expect("]")
            return lambda row: any(_compared(operator.eq, left(row), option(row)) for option in options)
        for sign, compare in _COMPARE.items():
            if self.takes(sign):
                right = self._sum()
                return lambda row: _compared(compare, left(row), right(row))
        return left

    def _sum(self) -> Value:
        return self._chain(_ADD, lambda: self._chain(_MULTIPLY, self._single))

    def _chain(self, signs: Mapping[str, Callable[[Any, Any], Any]], read: Callable[[], Value]) -> Value:
        found = read()
        while self._peek()[1] in signs:
            found = _calculated(signs[self._next()[1]], found, read())
        return found

    def _single(self) -> Value:
        kind, text = self._next()
        if kind == "text":
            word = json.loads(text) if text[0] == '"' else text[1:-1]
            return lambda _: word
        if kind == "number":
            number = float(text)
            return lambda _: number
        if text == "(":
            inner = self.condition()
            self.expect(")")
            return inner
        if kind != "name":
            raise QueryError(f"unexpected {text!r}")
        return self._called(text.lower()) if self.takes("(") else lambda row: row.get(text)

    def _called(self, name: str) -> Value:
        if name == "bin":
            period = self._next()[1]
            self.expect(")")
            if not (found := re.fullmatch(r"(\d*[1-9]\d*)(ms|s|m|h|d)", period)):
                raise QueryError(f"{period!r} is no period")
            size = int(found[1]) * _UNITS[found[2]]
            return lambda row: datetime.fromtimestamp(row["@timestamp"] // size * size / 1000, UTC)
        if name not in _FUNCTIONS:
            raise QueryError(f"there is no function {name}")
        function, argument = _FUNCTIONS[name], self._sum()
        self.expect(")")
        return lambda row: function(argument(row))

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise QueryError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]


def _stages(text: str) -> list[str]:
    """The commands between pipes that stand in no quotes. A quote that nothing closes stays, to be refused."""
    parts = re.findall(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^|])+""", text)
    return [part.strip() for part in parts if part.strip()]


def _discovered(event: Event) -> dict[str, Any]:
    """The fields of a line: those inside others are called `a.b`, and `a.0` in lists, as AWS calls them."""
    row: dict[str, Any] = {"@timestamp": event.at, "@message": event.message}
    try:
        found = json.loads(event.message)
    except (ValueError, RecursionError):
        return row
    if not isinstance(found, dict):
        return row
    fields: dict[str, Any] = {}
    inside = list(found.items())
    while inside:
        name, value = inside.pop()
        if isinstance(value, dict):
            inside += [(f"{name}.{key}", one) for key, one in value.items()]
        elif isinstance(value, list):
            inside += [(f"{name}.{at}", one) for at, one in enumerate(value)]
        else:
            fields[name] = value
    return {**fields, **row}


def _compared(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> bool:
    """A field that is not there is equal to nothing, and different from nothing."""
    if left is None or right is None:
        return False
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return bool(compare(left, right) if numbers else compare(str(left), str(right)))


def _calculated(calculate: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    def value(row: Mapping[str, Any]) -> Any:
        try:
            return calculate(float(left(row)), float(right(row)))
        except (TypeError, ValueError, ArithmeticError):
            return None

    return value


def _of_number(function: Callable[[float], Any], value: Any) -> Any:
    """Of a text that is no number there is nothing to tell."""
    try:
        return function(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _told(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
