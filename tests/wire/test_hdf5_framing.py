"""Compressed payloads: HDF5 itself agrees on the format, lies in the framing are found beforehand."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stream_rrvae.errors import WireError
from stream_rrvae.messages import PIXEL_TYPES, Encoding, Frame, Refusal
from stream_rrvae.wire.packing import check_packing
from stream_rrvae.wire.pixels import decode_pixels, encode_bslz4, encode_lz4, encode_raw

Packers = dict[Encoding, Callable[[Any], bytes]]
COMPRESSED = [Encoding.BSLZ4, Encoding.LZ4]
SHAPES = st.tuples(st.integers(1, 130), st.integers(1, 130))


def framed(payload: bytes, pixels: Any, encoding: Encoding) -> Frame:
    return Frame(1, 42, pixels.shape, pixels.dtype.name, encoding, memoryview(payload))


def refusal(payload: bytes, pixels: Any, encoding: Encoding) -> Refusal:
    with pytest.raises(WireError) as refused:
        decode_pixels(framed(payload, pixels, encoding))
    assert refused.value.frame_number == 42
    return refused.value.reason


@pytest.mark.parametrize("encoding", list(Encoding))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_frame_survives_the_round_trip(packers: Packers, encoding: Encoding, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(PIXEL_TYPES))
    pixels = data.draw(arrays.arrays(dtype, SHAPES))
    decoded = decode_pixels(framed(packers[encoding](pixels), pixels, encoding))
    assert decoded.dtype == pixels.dtype
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("pixel_type", PIXEL_TYPES)
@pytest.mark.parametrize("encoding", COMPRESSED)
def test_hdf5_reads_our_bytes_and_we_read_its(tmp_path: Path, encoding: Encoding, pixel_type: str) -> None:
    pixels = np.random.default_rng(3).poisson(2.0, (77, 131)).astype(pixel_type)
    pack, options = {
        Encoding.BSLZ4: (encode_bslz4, hdf5plugin.Bitshuffle()),
        Encoding.LZ4: (encode_lz4, hdf5plugin.LZ4(nbytes=8192)),
    }[encoding]
    with h5py.File(tmp_path / "chunks.h5", "w") as file:
        ours = file.create_dataset("ours", pixels.shape, pixel_type, chunks=pixels.shape, **options)
        ours.id.write_direct_chunk((0, 0), pack(pixels))
        theirs = file.create_dataset("theirs", data=pixels, chunks=pixels.shape, **options)
        np.testing.assert_array_equal(ours[...], pixels)
        _, chunk = theirs.id.read_direct_chunk((0, 0))
    np.testing.assert_array_equal(decode_pixels(framed(chunk, pixels, encoding)), pixels)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_decodes_into_the_array_that_is_given(packers: Packers, encoding: Encoding) -> None:
    pixels = np.random.default_rng(4).poisson(2.0, (20, 30)).astype(np.uint16)
    batch = np.zeros((3, 20, 30), np.uint16)
    assert decode_pixels(framed(packers[encoding](pixels), pixels, encoding), batch[1]).base is batch
    np.testing.assert_array_equal(batch, [np.zeros_like(pixels), pixels, np.zeros_like(pixels)])
    with pytest.raises(ValueError, match="out"):
        decode_pixels(framed(packers[encoding](pixels), pixels, encoding), np.zeros((20, 30), np.uint32))


def test_unaligned_payloads_give_aligned_pixels() -> None:
    pixels = np.arange(12, dtype=np.uint32).reshape(3, 4)
    odd = memoryview(b"x" + encode_raw(pixels))[1:]
    decoded = decode_pixels(Frame(1, 0, (3, 4), "uint32", Encoding.NONE, odd))
    assert decoded.flags.aligned
    np.testing.assert_array_equal(decoded, pixels)


def test_senders_may_have_big_endian_pixels_but_no_other_types() -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    for pack in (encode_raw, encode_bslz4, encode_lz4):
        assert pack(pixels.astype(">u2")) == pack(pixels)
        with pytest.raises(TypeError):
            pack(pixels.astype(np.int16))


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize(
    ("announced", "block", "reason"),
    [
        (2**63, 8192, Refusal.SIZE),
        (32_766, 8192, Refusal.SIZE),
        (32_768, 0, Refusal.DECODE),
        (32_768, 16, Refusal.DECODE),
        (32_768, 4096, Refusal.DECODE),
        (32_768, 16_384, Refusal.DECODE),
    ],
)
def test_a_header_that_lies(packers: Packers, encoding: Encoding, announced: int, block: int, reason: Refusal) -> None:
    pixels = np.random.default_rng(5).poisson(2.0, (128, 128)).astype(np.uint16)
    honest = packers[encoding](pixels)
    assert refusal(struct.pack(">QI", announced, block) + honest[12:], pixels, encoding) is reason


@pytest.mark.parametrize(("block", "blocks"), [(8200, 4), (512, 64), ((1 << 20) + 16, 1)])
def test_block_sizes_are_refused_before_the_decompressor_is_called(block: int, blocks: int) -> None:
    fitting = struct.pack(">QI", 32_768, block) + struct.pack(">IB", 1, 0) * blocks
    with pytest.raises(WireError, match="block size"):
        check_packing(memoryview(fitting), Encoding.BSLZ4, 32_768, 2)


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_blocks_must_fill_the_payload_exactly(packers: Packers, encoding: Encoding) -> None:
    pixels = np.random.default_rng(6).poisson(2.0, (100, 99)).astype(np.uint16)
    honest = packers[encoding](pixels)
    (first,) = struct.unpack_from(">I", honest, 12)
    liars = [
        honest + b"\x00",
        honest[:-1],
        honest[:12],
        honest[:13],
        honest[:12] + struct.pack(">I", first + 1) + honest[16:],
        honest[:12] + struct.pack(">I", 0) + honest[16:],
        honest[:12] + struct.pack(">I", 0xFFFFFFFF) + honest[16:],
    ]
    for liar in liars:
        assert refusal(liar, pixels, encoding) in (Refusal.DECODE, Refusal.SIZE)


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_an_impossible_ratio_is_refused(encoding: Encoding) -> None:
    pixels = np.zeros((2048, 2048), np.uint32)
    assert refusal(struct.pack(">QI", pixels.nbytes, 1 << 20) + bytes(60_000), pixels, encoding) is Refusal.SIZE


@pytest.mark.parametrize("encoding", COMPRESSED)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_payloads_raise_only_wire_errors(packers: Packers, encoding: Encoding, data: st.DataObject) -> None:
    pixels = np.random.default_rng(7).poisson(0.5, (71, 131)).astype(data.draw(st.sampled_from(PIXEL_TYPES)))
    payload = bytearray(packers[encoding](pixels))
    for _ in range(data.draw(st.integers(1, 5))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_pixels(framed(bytes(payload), pixels, encoding))
    except WireError as error:
        assert error.frame_number == 42
    else:
        assert decoded.shape == pixels.shape


@pytest.mark.parametrize("shape", [(0, 5), (5, -1), (8193, 1)])
def test_frames_of_impossible_shape_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(WireError) as refused:
        decode_pixels(Frame(1, 0, shape, "uint8", Encoding.NONE, memoryview(bytes(5))))
    assert refused.value.reason is Refusal.SHAPE


def test_frames_of_unknown_pixel_type_are_refused() -> None:
    with pytest.raises(WireError) as refused:
        decode_pixels(Frame(1, 0, (1, 1), "float64", Encoding.NONE, memoryview(bytes(8))))
    assert refused.value.reason is Refusal.PIXEL_TYPE
