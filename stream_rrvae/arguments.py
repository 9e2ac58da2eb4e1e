"""The arguments of a request, taken one by one and never believed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from stream_rrvae.errors import RequestError

T = TypeVar("T")
_REQUIRED: Any = object()
TEXT_CHARS = 256


class Arguments:
    """Every method raises RequestError that names the argument and what it should be; `default` where it is absent."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    @property
    def given(self) -> Mapping[str, Any]:
        """All of them as they came, for whoever passes them on unseen."""
        return self._given

    def number(self, name: str, least: float = -math.inf, most: float = math.inf, default: T = _REQUIRED) -> float | T:
        """A finite number within both limits."""
        value = self._given.get(name)
        if value is None and default is not _REQUIRED:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_within(value, least, most):
            raise RequestError(f"{name} must be a number{_between(least, most)}, not {_short(value)}")
        return float(value)

    def whole(self, name: str, least: int, most: int, default: T = _REQUIRED) -> int | T:
        """A whole number within both limits."""
        value = self._given.get(name)
        if value is None and default is not _REQUIRED:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise RequestError(f"{name} must be a whole number{_between(least, most)}, not {_short(value)}")
        return value

    def flag(self, name: str, default: T = _REQUIRED) -> bool | T:
        """True or false."""
        value = self._given.get(name)
        if value is None and default is not _REQUIRED:
            return default
        if not isinstance(value, bool):
            raise RequestError(f"{name} must be true or false, not {_short(value)}")
        return value

    def text(self, name: str, most_chars: int = TEXT_CHARS, default: T = _REQUIRED) -> str | T:
        """A text of limited length."""
        value = self._given.get(name)
        if value is None and default is not _REQUIRED:
            return default
        if not isinstance(value, str) or len(value) > most_chars:
            raise RequestError(f"{name} must be a text of at most {most_chars} characters")
        return value

    def choice(self, name: str, options: Sequence[str], default: T = _REQUIRED) -> str | T:
        """One of `options`."""
        value = self._given.get(name)
        if value is None and default is not _REQUIRED:
            return default
        if not isinstance(value, str) or value not in options:
            raise RequestError(f"{name} must be one of {', '.join(options)}, not {_short(value)}")
        return value


def _is_within(value: float, least: float, most: float) -> bool:
    # A whole number too large for a float is compared as it is, and lies outside.
    return least <= value <= most and abs(value) < math.inf and _fits_a_float(value)


def _fits_a_float(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _between(least: float, most: float) -> str:
    if math.isinf(least) and math.isinf(most):
        return ""
    if math.isinf(most):
        return f" from {least:g}"
    return f" up to {most:g}" if math.isinf(least) else f" from {least:g} to {most:g}"


def _short(value: Any) -> str:
    return "absent" if value is None else repr(value)[:40]
