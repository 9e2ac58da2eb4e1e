"""Typed reading of the fields of an untrusted header; every misfit is a WireError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Refusal

MAX_INTEGER = (1 << 63) - 1


def required(header: Mapping[str, Any], name: str) -> Any:
    """The field's value. Raises WireError(FIELD) when it is absent."""
    try:
        return header[name]
    except KeyError:
        raise WireError(Refusal.FIELD, f"the field {name!r} is absent") from None


def integer(header: Mapping[str, Any], name: str, low: int = 0, high: int = MAX_INTEGER) -> int:
    """A whole number in [low, high]. Raises WireError(FIELD or TYPE)."""
    value = required(header, name)
    if type(value) is not int:
        raise WireError(Refusal.TYPE, f"{name!r} is a {type(value).__name__}, not a whole number")
    if not low <= value <= high:
        raise WireError(Refusal.FIELD, f"{name!r} is {value}, outside {low}..{high}")
    return value


def integers(header: Mapping[str, Any], name: str, max_length: int, low: int = 0) -> list[int]:
    """1 to `max_length` whole numbers from `low` on. Raises WireError(FIELD or TYPE)."""
    values = required(header, name)
    if type(values) is not list or not all(type(value) is int for value in values):
        raise WireError(Refusal.TYPE, f"{name!r} is not a list of whole numbers")
    if not 1 <= len(values) <= max_length:
        raise WireError(Refusal.FIELD, f"{name!r} has {len(values)} entries, not 1..{max_length}")
    if min(values) < low or max(values) > MAX_INTEGER:
        raise WireError(Refusal.FIELD, f"an entry of {name!r} is outside {low}..{MAX_INTEGER}")
    return values


def text(header: Mapping[str, Any], name: str, max_length: int = 256) -> str:
    """A text of at most `max_length` characters. Raises WireError(FIELD or TYPE)."""
    value = required(header, name)
    if type(value) is not str:
        raise WireError(Refusal.TYPE, f"{name!r} is a {type(value).__name__}, not text")
    if len(value) > max_length:
        raise WireError(Refusal.FIELD, f"{name!r} is {len(value)} characters long, more than {max_length}")
    return value
