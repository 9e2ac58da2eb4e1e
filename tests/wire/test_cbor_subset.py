"""The bounded parser agrees with cbor2 on its subset and refuses everything else."""

from __future__ import annotations

import gc
import math
import struct
import tracemalloc
from typing import Any

import cbor2
import pytest
from cbor2 import CBORTag
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Refusal
from stream_rrvae.wire.cbor_subset import KEPT_TAGS, MAX_DEPTH, MAX_ITEMS, parse

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=30)
    | st.binary(max_size=300)
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.dictionaries(st.text(max_size=30), inner, max_size=6)
        | st.builds(CBORTag, st.sampled_from(sorted(KEPT_TAGS)), inner)
    ),
    max_leaves=40,
)


def as_ours(value: Any) -> Any:
    """What cbor2 makes of an item, written as our parser writes it."""
    if isinstance(value, CBORTag):
        return value.tag, as_ours(value.value)
    if isinstance(value, list | tuple):
        return [as_ours(item) for item in value]
    if isinstance(value, dict) or hasattr(value, "items"):
        return {key: as_ours(item) for key, item in value.items()}
    return value


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value[1:] if isinstance(value, tuple) else value
    if not isinstance(value, dict | tuple | list):
        return 0
    return 1 + max((depth(item) for item in inner), default=0)


@settings(max_examples=400, deadline=None)
@given(tree=TREES, canonical=st.booleans())
def test_equals_cbor2(tree: Any, canonical: bool) -> None:
    data = cbor2.dumps(tree, canonical=canonical)  # canonical: the shortest floats, 16 bits included
    expected = as_ours(cbor2.loads(data))
    if depth(expected) > MAX_DEPTH:
        with pytest.raises(WireError):
            parse(memoryview(data))
    else:
        assert parse(memoryview(data)) == expected


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60))
def test_what_it_accepts_of_random_bytes_means_the_same_to_cbor2(data: bytes) -> None:
    try:
        ours = parse(memoryview(data))
    except WireError:
        return
    if b"\xc0" not in data:  # cbor2 turns dates into objects
        assert repr(plain(ours)) == repr(plain(as_ours(cbor2.loads(data))))


def plain(value: Any) -> Any:
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return tuple(plain(item) for item in value) if isinstance(value, tuple) else value


def test_nan_and_dates_and_the_self_describing_tag() -> None:
    data = cbor2.dumps(CBORTag(55799, {"nan": math.nan, "date": CBORTag(0, "2025-11-22T15:00:00Z")}))
    value = parse(memoryview(data))
    assert math.isnan(value["nan"])
    assert value["date"] == "2025-11-22T15:00:00Z"


def test_byte_strings_are_slices() -> None:
    data = cbor2.dumps({"a": b"12345"})
    assert parse(memoryview(data))["a"].obj is data


REFUSED = {
    "indefinite array": b"\x9f\x01\xff",
    "indefinite map": b"\xbf\xff",
    "indefinite text": b"\x7f\x61a\xff",
    "indefinite bytes": b"\x5f\x41a\xff",
    "break": b"\xff",
    "undefined": b"\xf7",
    "simple value": b"\xf8\xff",
    "reserved length": b"\x1c",
    "big number": cbor2.dumps(2**70),
    "epoch date": b"\xc1\x00",
    "date that is no text": b"\xc0\x00",
    "shared value": b"\xd8\x1c\x80",
    "big-endian array": b"\xd8\x41\x42ab",
    "key that is no text": b"\xa1\x01\x01",
    "key twice": b"\xa2\x61a\x01\x61a\x02",
    "text that is not UTF-8": b"\x62\xff\xfe",
    "trailing byte": b"\x01\x01",
    "nothing": b"",
    "long text": b"\x7a" + struct.pack(">I", 70_000) + b"a" * 70_000,
    "array beyond the message": b"\x9b" + b"\xff" * 8,
    "map beyond the message": b"\xbb" + b"\xff" * 8,
    "bytes beyond the message": b"\x5b" + b"\xff" * 8,
    "text beyond the message": b"\x78\xff",
    "half an integer": b"\x19\x01",
    "half a float": b"\xfb\x00",
    "deep arrays": b"\x81" * 100_000 + b"\x01",
    "deep tags": b"\xd9\xd9\xf7" * 100_000 + b"\x01",
    "many items": b"\x9a" + struct.pack(">I", MAX_ITEMS + 1) + bytes(MAX_ITEMS + 1),
    "many items in small arrays": b"\x99\x0f\xff" + (b"\x97" + bytes(23)) * 0xFFF,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_refused(data: bytes) -> None:
    gc.collect()
    tracemalloc.start()
    with pytest.raises(WireError) as refused:
        parse(memoryview(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.reason is Refusal.HEADER
    assert peak < 4 << 20


def test_depth_ends_exactly_at_the_limit() -> None:
    assert parse(memoryview(b"\x81" * MAX_DEPTH + b"\x01"))
    with pytest.raises(WireError, match="deeper"):
        parse(memoryview(b"\x81" * (MAX_DEPTH + 1) + b"\x01"))


def test_items_end_exactly_at_the_limit() -> None:
    head = b"\x9a" + struct.pack(">I", MAX_ITEMS)
    assert len(parse(memoryview(head + bytes(MAX_ITEMS)))) == MAX_ITEMS
