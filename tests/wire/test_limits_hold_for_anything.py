"""Whatever stands where a shape, type, number or size should be: it is within its bounds, or refused with a reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream_rrvae.errors import WireError
from stream_rrvae.messages import PIXEL_TYPES, Encoding
from stream_rrvae.wire import limits

NEAR = [-1, 0, 1, limits.MAX_SIDE_PX, limits.MAX_SIDE_PX + 1, limits.MAX_SCAN_SIDE + 1, 2**31, 2**63, 2**64]
WHOLE = st.integers() | st.sampled_from(NEAR)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
PAIRS = st.tuples(WHOLE, WHOLE) | st.lists(WHOLE, min_size=2, max_size=2)


def kept(check: Callable[..., Any], *given_values: Any) -> Any:
    """What a check lets through; None when it refuses, which it does by WireError alone."""
    try:
        return check(*given_values)
    except WireError as error:
        assert error.detail
        return None


@given(ANYTHING | PAIRS)
def test_frame_shapes(value: Any) -> None:
    shape = kept(limits.check_frame_shape, value)
    assert shape is None or all(type(side) is int and 1 <= side <= limits.MAX_SIDE_PX for side in shape)
    if shape is not None:
        assert shape == tuple(value)


@given(ANYTHING | PAIRS)
def test_scan_shapes(value: Any) -> None:
    shape = kept(limits.check_scan_shape, value)
    assert shape is None or 1 <= math.prod(shape) <= limits.MAX_POSITIONS


@given(ANYTHING | st.sampled_from(PIXEL_TYPES))
def test_pixel_types_and_encodings(value: Any) -> None:
    assert kept(limits.check_pixel_type, value) in (None, *PIXEL_TYPES)
    assert kept(limits.check_encoding, value) in (None, *Encoding)


@given(ANYTHING, st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_numbers(value: Any, low: float, high: float) -> None:
    number = kept(limits.check_number, value, "it", low, high)
    assert number is None or (type(number) is float and low <= number <= high and type(value) is not bool)


@given(st.tuples(*[st.integers(1, limits.MAX_SIDE_PX)] * 2), st.sampled_from(PIXEL_TYPES), st.integers(1, 2**40))
def test_a_frame_is_never_larger_than_its_limit(shape: tuple[int, int], pixel_type: str, limit_bytes: int) -> None:
    size = kept(limits.check_frame_bytes, shape, pixel_type, limit_bytes)
    whole = math.prod(shape) * limits.ITEM_BYTES[pixel_type]
    assert (size is None) == (whole > limit_bytes)
    assert size in (None, whole)


@given(st.integers(0, 2**40), st.integers(1, 2**34), st.sampled_from(Encoding))
def test_no_payload_is_believed_that_could_not_hold_its_frame(payload: int, frame: int, encoding: Encoding) -> None:
    try:
        limits.check_payload_bytes(payload, frame, encoding)
    except WireError:
        return
    assert payload == frame if encoding is Encoding.NONE else frame <= limits.MAX_RATIO * payload
