"""The part of CloudWatch metric math that alarms on rates need: arithmetic, comparisons, IF, FILL, MAX, MIN, ABS.

Reference: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import functools
import math
import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_IF_ARGUMENTS = 3


class MetricMathError(ValueError):
    """The expression is outside the part that is understood here."""


def compute(expression: str, values: Mapping[str, float | None]) -> float | None:
    """The value of an expression for one period; None where CloudWatch has no datapoint (missing data, division by 0).

    Raises:
        MetricMathError: a name or construct that is not understood.
    """
    return _value(_tree(expression).body, values)


@functools.lru_cache(maxsize=512)
def _tree(expression: str) -> ast.Expression:
    """Alarms ask for the same few expressions all the time."""
    try:
        return ast.parse(expression.replace("^", "**"), mode="eval")
    except SyntaxError as error:
        raise MetricMathError(f"{expression!r} cannot be read: {error.msg}") from error


def _value(node: ast.expr, values: Mapping[str, float | None]) -> float | None:  # noqa: PLR0911 - one return a kind
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.Name):
        if node.id not in values:
            raise MetricMathError(f"there is no metric with the id {node.id!r}")
        return values[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _value(node.operand, values)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _value(node.left, values), _value(node.right, values)
        if left is None or right is None:
            return None
        try:
            return float(_BINARY[type(node.op)](left, right))
        except ZeroDivisionError:
            return None
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
        left, right = _value(node.left, values), _value(node.comparators[0], values)
        return None if left is None or right is None else float(_COMPARE[type(node.ops[0])](left, right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node.func.id.upper(), node.args, values)
    raise MetricMathError(f"{ast.unparse(node)!r} is not understood by the embedded AWS")


def _call(name: str, arguments: list[ast.expr], values: Mapping[str, float | None]) -> float | None:
    if name == "FILL":
        first = _value(arguments[0], values)
        return _value(arguments[1], values) if first is None else first
    if name == "IF":
        condition = _value(arguments[0], values)
        if condition is None:
            return None
        if condition:
            return _value(arguments[1], values)
        return _value(arguments[2], values) if len(arguments) == _IF_ARGUMENTS else None
    if name in {"MAX", "MIN", "SUM", "ABS"}:
        items = [item for argument in arguments for item in _items(argument, values) if item is not None]
        if not items:
            return None
        functions: Mapping[str, Callable[[list[float]], float]] = {
            "ABS": lambda found: abs(found[0]),
            "MAX": max,
            "MIN": min,
            "SUM": math.fsum,
        }
        return functions[name](items)
    raise MetricMathError(f"the function {name} is not understood by the embedded AWS")


def _items(node: ast.expr, values: Mapping[str, float | None]) -> list[float | None]:
    if isinstance(node, ast.List):
        return [_value(element, values) for element in node.elts]
    return [_value(node, values)]
