"""Reading the wanted keys of a CBOR message and skipping the others."""

from __future__ import annotations

import struct
from typing import Any

import cbor2
import pytest
from cbor2 import CBORTag
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rrvae.errors import WireError
from stream_rrvae.wire.cbor_message import read_map
from stream_rrvae.wire.cbor_subset import MAX_ITEMS, parse

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=30) | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.dictionaries(st.text(max_size=30), inner, max_size=6)
        | st.builds(CBORTag, st.sampled_from([40, 64, 85]), inner)
    ),
    max_leaves=8,  # so never deeper than the parser goes
)


def read_whole(tree: Any) -> Any:
    return parse(memoryview(cbor2.dumps(tree)))


@settings(max_examples=200, deadline=None)
@given(known=TREES, unknown=TREES, others=st.booleans())
def test_read_map_takes_the_needed_keys_and_skips_the_others(known: Any, unknown: Any, others: bool) -> None:
    foreign = CBORTag(4711, [unknown, CBORTag(1, 5), CBORTag(30, [1, 3])])
    data = cbor2.dumps({"unknown": unknown, "foreign": foreign, "known": known, "last": 1})
    fields: dict[str, Any] = {}
    read_map(memoryview(data), frozenset({"known", "last"}), fields, others)
    expected = {"known": read_whole(known), "last": 1}
    if others:
        expected["unknown"] = read_whole(unknown)
    assert fields == expected


def test_read_map_leaves_what_it_read_before_the_fault() -> None:
    fields: dict[str, Any] = {}
    with pytest.raises(WireError):
        read_map(memoryview(b"\xa2\x61a\x05\x61b\xf7"), frozenset("ab"), fields)
    assert fields == {"a": 5}


def test_read_map_refuses_a_needed_key_that_occurs_twice() -> None:
    with pytest.raises(WireError, match="twice"):
        read_map(memoryview(b"\xa2\x61a\x05\x61a\x06"), frozenset("a"), {})


def test_what_could_not_be_kept_is_counted_once() -> None:
    foreign = b"\x99\x27\x10" + bytes(9_999) + b"\xf7"
    fields: dict[str, Any] = {}
    read_map(memoryview(b"\xa2\x61a" + foreign + b"\x61b\x05"), frozenset("b"), fields, others=True)
    assert fields == {"b": 5}


SKIPPED_FAULTS = {
    "indefinite": b"\x9f\x01\xff",
    "many items": b"\x9a" + struct.pack(">I", MAX_ITEMS + 1) + bytes(MAX_ITEMS + 1),
    "huge map": b"\xbb" + b"\xff" * 8,
    "huge array": b"\x9b" + b"\xff" * 8,
    "huge text": b"\x7b" + b"\xff" * 8,
    "endless tags": b"\xc6" * (MAX_ITEMS + 1) + b"\x01",
}


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("fault", SKIPPED_FAULTS.values(), ids=SKIPPED_FAULTS.keys())
def test_skipping_is_bounded_too(fault: bytes, others: bool) -> None:
    with pytest.raises(WireError):
        read_map(memoryview(b"\xa1\x61x" + fault), frozenset(), {}, others)
