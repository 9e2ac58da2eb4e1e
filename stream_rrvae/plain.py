"""Messages to plain dicts and back, for JSON and msgpack: data only, nothing is looked up by name.

`from_plain` builds only the dataclass that the caller names; a field it does not know is
ignored, so a newer sender can say more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dataclasses as dicts, tuples as lists, enums as their text; arrays stay as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return value


def from_plain(cls: type[T], plain: Any) -> T:
    """`plain` as a `cls`. Raises TypeError or ValueError when it does not fit."""
    if not isinstance(plain, Mapping):
        raise TypeError(f"{cls.__name__} is written as a mapping, not {type(plain).__name__}")
    kinds = _field_types(cls)  # type: ignore[arg-type]  # every class is hashable
    return cls(**{name: _restore(kind, plain[name]) for name, kind in kinds.items() if name in plain})


@cache
def _field_types(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _restore(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_plain(kind, value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    origin = get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _restore_union(get_args(kind), value)
    if origin is tuple:
        return _restore_tuple(kind, value)
    if origin is list:
        return [_restore(get_args(kind)[0], item) for item in _items(value)]
    if origin is Mapping:
        return _restore_mapping(kind, value)
    if kind in (int, float, str, bool):
        return _restore_scalar(kind, value)
    return value


def _restore_union(kinds: tuple[Any, ...], value: Any) -> Any:
    """`value` as the first of `kinds` that it fits; the last one says why it fits none."""
    if value is None and type(None) in kinds:
        return None
    *others, last = [kind for kind in kinds if kind is not type(None)]
    for kind in others:
        with contextlib.suppress(TypeError, ValueError):
            return _restore(kind, value)
    return _restore(last, value)


def _restore_mapping(kind: Any, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"expected a mapping with texts as keys, got {type(value).__name__}")
    of = get_args(kind)[1]
    return {key: _restore(of, item) for key, item in value.items()}


def _restore_tuple(kind: Any, value: Any) -> tuple[Any, ...]:
    value = _items(value)
    parts = get_args(kind)
    if len(parts) == 2 and parts[1] is Ellipsis:
        return tuple(_restore(parts[0], item) for item in value)
    if len(parts) != len(value):
        raise ValueError(f"expected {len(parts)} values, got {len(value)}")
    return tuple(_restore(part, item) for part, item in zip(parts, value, strict=True))


def _items(value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected a list, got {type(value).__name__}")
    return value


def _restore_scalar(kind: type, value: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return _float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError("a whole number is too large for a float") from error
