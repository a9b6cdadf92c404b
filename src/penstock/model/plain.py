"""Frozen values as plain JSON, and back: by their own annotations, so that no field can be forgotten.

For values that travel to another process of ours, such as the workspace that the controller function drives a rollout
by. Knows what the model is made of: dataclasses, `X | None` and other unions, `Literal`, `tuple[X, ...]`, mappings
with words as keys, and JSON's own scalars. Whatever does not fit its annotation is refused, so that a file which
somebody has edited is never half understood.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


def to_plain(value: Any) -> Any:
    """JSON for a value: dataclasses and mappings become objects, tuples lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(one) for one in value]
    return value


def from_plain(kind: type[Value], data: Any) -> Value:
    """The value that `to_plain` made this of. Raises TypeError, naming the place, for anything else."""
    found: Value = _read(kind, data, kind.__name__)
    return found


def _read(kind: Any, data: Any, where: str) -> Any:  # noqa: PLR0911 - one per kind of annotation
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return _one_of(get_args(kind), data, where)
    if origin is Literal:
        if data in get_args(kind):
            return data
        raise TypeError(f"{where} is {data!r}, not one of {get_args(kind)}")
    if origin is tuple:
        _expect(data, list, where)
        return tuple(_read(get_args(kind)[0], one, f"{where}[{at}]") for at, one in enumerate(data))
    if origin is Mapping:
        _expect(data, dict, where)
        return {key: _read(get_args(kind)[1], one, f"{where}.{key}") for key, one in data.items()}
    if is_dataclass(kind):
        return _instance(kind, data, where)
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    _expect(data, kind, where)
    return data


def _one_of(kinds: tuple[Any, ...], data: Any, where: str) -> Any:
    for kind in kinds:
        try:
            return _read(kind, data, where)
        except TypeError:
            continue
    raise TypeError(f"{where} fits none of {', '.join(str(kind) for kind in kinds)}")


def _instance(kind: Any, data: Any, where: str) -> Any:
    _expect(data, dict, where)
    known = {field.name for field in fields(kind)}
    if unknown := sorted(data.keys() - known):
        raise TypeError(f"{where} has no {', '.join(unknown)}")
    hints = _hints(kind)
    return kind(**{name: _read(hints[name], one, f"{where}.{name}") for name, one in data.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    # The model imports `Mapping` for type checkers only.
    return get_type_hints(kind, localns={"Mapping": Mapping})


def _expect(data: Any, kind: Any, where: str) -> None:
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise TypeError(f"{where} is {type(data).__name__}, not {getattr(kind, '__name__', kind)}")
