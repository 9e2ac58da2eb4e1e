"""Arguments of a request are what they should be, or refused with their name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stream_rrvae.arguments import Arguments
from stream_rrvae.errors import RequestError


def test_what_fits_is_taken() -> None:
    given = Arguments({"a": 2, "b": 0.5, "c": "text", "d": True, "e": None})
    assert given.number("a") == 2.0 and isinstance(given.number("a"), float)
    assert given.number("b", 0, 1) == 0.5
    assert given.whole("a", 0, 2) == 2
    assert given.text("c") == given.choice("c", ("text", "other")) == "text"
    assert given.flag("d") is True
    absent: list[Any] = [
        given.number("e", default=None), given.whole("z", 0, 1, 7), given.text("z", default=""), given.flag("z", False),
        given.choice("z", ("x",), "x"),
    ]  # fmt: skip
    assert absent == [None, 7, "", False, "x"]


@pytest.mark.parametrize(
    ("take", "value", "says"),
    [
        (lambda g: g.number("n"), "1", "n must be a number, not '1'"),
        (lambda g: g.number("n"), True, "a number"),
        (lambda g: g.number("n"), float("nan"), "a number"),
        (lambda g: g.number("n"), float("inf"), "a number"),
        (lambda g: g.number("n"), 10**400, "a number"),
        (lambda g: g.number("n", 0), -1, "a number from 0, not -1"),
        (lambda g: g.number("n", most=5), 6, "a number up to 5"),
        (lambda g: g.number("n"), None, "not absent"),
        (lambda g: g.number("n", default=1.0), "x", "a number"),
        (lambda g: g.whole("n", 0, 9), 1.0, "a whole number from 0 to 9"),
        (lambda g: g.whole("n", 0, 9), 10, "a whole number"),
        (lambda g: g.whole("n", 0, 9), False, "a whole number"),
        (lambda g: g.text("n", 3), "long", "at most 3 characters"),
        (lambda g: g.text("n"), b"bytes", "a text"),
        (lambda g: g.flag("n"), 1, "true or false"),
        (lambda g: g.choice("n", ("a", "b")), "c", "one of a, b, not 'c'"),
        (lambda g: g.choice("n", ("a", "b")), ["a"], "one of a, b"),
    ],
)
def test_what_does_not_fit_is_refused(take: Callable[[Arguments], Any], value: Any, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        take(Arguments({"n": value}))
