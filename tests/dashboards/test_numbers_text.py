"""Numbers as operators read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboards.pictures.numbers_text import duration, fixed, scale_end, seconds, with_unit

THIN = "\u202f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (fixed(1234567.0), f"1{THIN}234{THIN}567"),
        (fixed(-0.01, 1), "0.0"),
        (fixed(-3.21, 1), "−3.2"),
        (fixed(math.nan), "–"),
        (fixed(None), "–"),
        (with_unit(7980, "fps"), f"7{THIN}980{THIN}fps"),
        (with_unit(-88.04, "°", 1), "−88.0°"),
        (with_unit(math.inf, "nm"), "–"),
        (seconds(0.0841), f"84{THIN}ms"),
        (seconds(1.94), f"1.9{THIN}s"),
        (seconds(math.nan), "–"),
        (duration(41.2), "0:41"),
        (duration(3725), "1:02:05"),
        (duration(1e9), "–"),
        (scale_end(0.0), "0"),
        (scale_end(2.5), "2.5"),
        (scale_end(0.004), "0.004"),
        (scale_end(-12345.0), f"−12{THIN}345"),
        (scale_end(1.25e6), "1.25×10⁶"),
        (scale_end(-2e-5), "−2×10⁻⁵"),
        (scale_end(math.nan), "–"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert text == expected


@given(st.floats())
@example(5e-324)
def test_the_end_of_a_scale_is_short_for_any_value(value: float) -> None:
    assert 1 <= len(scale_end(value)) <= 12
