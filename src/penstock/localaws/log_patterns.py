"""CloudWatch Logs' JSON filter patterns, and metric filters that publish what they find.

``{ ($.status >= 500) && ($.path = "/users*") && ($.canary IS TRUE) }``: ministack lets every event match, and keeps
metric filters without ever asking them.

Reference: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.localaws import text_patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from penstock.localaws.ministack_api import Ministack, Response
    from penstock.localaws.settings import Settings

    Test = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<word>&&|\|\||\(|\)|!=|<=|>=|=|<|>|IS\b|NOT\b|EXISTS\b|NULL\b|TRUE\b|FALSE\b)
    |(?P<selector>\$(?:\.[A-Za-z0-9_-]+|\[\d+\]|\.?\[['"][^'"]+['"]\])*)
    |%(?P<regex>[^%]+)%
    |"(?P<text>(?:[^"\\]|\\.)*)"
    |(?P<bare>[^\s()&|=<>!]+))""",
    re.VERBOSE,
)
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
_UNESCAPED = re.compile(r'\\(["\\])')
_MISSING = object()


class PatternError(ValueError):
    """The pattern cannot be read."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a pattern: its kind (``word``, ``selector``, ``regex``, ``text``, ``bare``) and its text."""

    kind: str
    text: str


def install(ministack: Ministack, _settings: Settings) -> None:
    """Match JSON patterns; publish the metrics of metric filters as events arrive."""
    logs = ministack.logs

    def compile_filter_pattern(raw: str) -> Callable[[str], bool]:
        try:
            return _test(raw or "")
        except (ValueError, re.error):
            return lambda _message: False

    def around_put(original: Callable[..., Any]) -> Callable[..., Any]:
        def put_metric_filter(data: dict[str, Any]) -> Response:
            try:
                _test(data.get("filterPattern") or "")
            except (ValueError, re.error) as error:
                return ministack.error("InvalidParameterException", f"Invalid metric filter pattern: {error}", 400)
            answer: Response = original(data)
            return answer

        return put_metric_filter

    def around_fanout(original: Callable[..., Any]) -> Callable[..., Any]:
        def fanout(group_name: str, stream_name: str, events: list[dict[str, Any]]) -> None:
            for (group, _), metric_filter in logs._metric_filters.items():
                if group == group_name:
                    _publish(ministack, metric_filter, events)
            original(group_name, stream_name, events)

        return fanout

    ministack.wrap(logs, "_put_metric_filter", "(data)", around_put)
    ministack.wrap(logs, "_compile_filter_pattern", "(raw)", lambda _: compile_filter_pattern)
    ministack.wrap(logs, "_fanout_to_subscription_filters", "(group_name, stream_name, events)", around_fanout)


def _test(raw: str) -> Callable[[str], bool]:
    pattern = raw.strip()
    return compiled(pattern) if pattern.startswith("{") else text_patterns.compiled(pattern)


def _publish(ministack: Ministack, metric_filter: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> None:
    """Each match is a data point at its event's own time."""
    matches = ministack.logs._compile_filter_pattern(metric_filter.get("filterPattern") or "")
    for given in events:
        message = str(given["message"])
        if not matches(message):
            continue
        event = _json(message)
        for metric in metric_filter.get("metricTransformations") or []:
            value = _number(_selected(event, metric["metricValue"]))
            dimensions = {
                name: _selected(event, selector) for name, selector in (metric.get("dimensions") or {}).items()
            }
            if value is None or _MISSING in dimensions.values():
                continue
            ministack.cloudwatch.record_metric(
                metric["metricNamespace"],
                metric["metricName"],
                value,
                metric.get("unit") or "None",
                {name: str(found) for name, found in dimensions.items()},
                at=float(given["timestamp"]) / 1000,
            )


def _selected(event: Any, given: str) -> Any:
    return look_up(event, given) if str(given).startswith("$") else given


@functools.lru_cache(maxsize=512)
def compiled(pattern: str) -> Callable[[str], bool]:
    """A test of log messages for a JSON pattern.

    Raises:
        PatternError: the pattern cannot be read.
    """
    if not pattern.endswith("}"):
        raise PatternError(f"{pattern!r} does not end with a brace")
    tokens = _tokens(pattern[1:-1])
    test = _either(tokens)
    if tokens:
        raise PatternError(f"{tokens[0].text!r} is too much in {pattern!r}")

    def matches(message: str) -> bool:
        event = _json(message)
        return event is not _MISSING and test(event)

    return matches


def look_up(event: Any, selector: str) -> Any:
    """The value at ``$.a.b[0]``; a marker when there is none."""
    for name, index, quoted in _STEP.findall(selector):
        if index:
            if not isinstance(event, list) or int(index) >= len(event):
                return _MISSING
            event = event[int(index)]
        else:
            if not isinstance(event, dict) or (name or quoted) not in event:
                return _MISSING
            event = event[name or quoted]
    return event


def _tokens(text: str) -> list[Token]:
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None or found.end() == at:
            raise PatternError(f"{text[at:].strip()!r} cannot be read")
        kind = str(found.lastgroup)
        word = found.group(kind)
        tokens.append(Token(kind, _readable(word) if kind == "regex" else _UNESCAPED.sub(r"\1", word)))
        at = found.end()
    return tokens


def _readable(expression: str) -> str:
    try:
        re.compile(expression)
    except re.error as error:
        raise PatternError(f"%{expression}% is no regular expression: {error}") from error
    return expression


def _either(tokens: list[Token]) -> Test:
    tests = [_both(tokens)]
    while tokens and tokens[0].text == "||":
        tokens.pop(0)
        tests.append(_both(tokens))
    return lambda event: any(test(event) for test in tests)


def _both(tokens: list[Token]) -> Test:
    tests = [_one(tokens)]
    while tokens and tokens[0].text == "&&":
        tokens.pop(0)
        tests.append(_one(tokens))
    return lambda event: all(test(event) for test in tests)


def _one(tokens: list[Token]) -> Test:
    if not tokens:
        raise PatternError("the pattern ends too early")
    first = tokens.pop(0)
    if first == Token("word", "("):
        inner = _either(tokens)
        if not tokens or tokens.pop(0) != Token("word", ")"):
            raise PatternError("a bracket is not closed")
        return inner
    if first.kind != "selector" or len(tokens) < 2:  # noqa: PLR2004 - an operator and a value
        raise PatternError(f"{first.text!r} stands where a selector such as $.status is needed")
    operator, operand = tokens.pop(0).text, tokens.pop(0)
    if operator in {"IS", "NOT"}:
        return _state(first.text, operator, operand.text)
    return functools.partial(_compare, first.text, operator, operand)


def _state(selector: str, operator: str, word: str) -> Test:
    states: Mapping[tuple[str, str], Test] = {
        ("IS", "NULL"): lambda value: value is None,
        ("IS", "TRUE"): lambda value: value is True,
        ("IS", "FALSE"): lambda value: value is False,
        ("NOT", "EXISTS"): lambda value: value is _MISSING,
    }
    if (operator, word) not in states:
        raise PatternError(f"{operator} {word} is not known")
    test = states[operator, word]
    return lambda event: test(look_up(event, selector))


def _compare(selector: str, operator: str, operand: Token, event: Any) -> bool:
    value = look_up(event, selector)
    if value is _MISSING:
        return False
    wanted = _number(operand.text) if operand.kind == "bare" else None
    if wanted is not None:
        number = _number(value) if not isinstance(value, bool) else None
        if number is None:
            return operator == "!="
        return {
            "!=": number != wanted,
            "<": number < wanted,
            "<=": number <= wanted,
            "=": number == wanted,
            ">": number > wanted,
            ">=": number >= wanted,
        }.get(operator, False)
    text = value if isinstance(value, str) else json.dumps(value)
    if operand.kind == "regex":
        same = re.search(operand.text, text) is not None
    else:
        same = fnmatch.fnmatchcase(text, operand.text.replace("[", "[[]"))
    return {"=": same, "!=": not same}.get(operator, False)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


@functools.lru_cache(maxsize=64)
def _json(message: str) -> Any:
    """As a rule read once for all filters of a group; nobody changes it."""
    try:
        return json.loads(message)
    except ValueError:
        return _MISSING
