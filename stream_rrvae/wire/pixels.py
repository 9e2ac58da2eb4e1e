"""A frame's payload as pixels, and back for senders."""

from __future__ import annotations

from typing import Any

import bitshuffle
import numpy as np
from dectris.compression import decompress
from numpy.typing import NDArray

from stream_rrvae.errors import WireError
from stream_rrvae.messages import PIXEL_TYPES, Encoding, Frame, Refusal
from stream_rrvae.wire import limits
from stream_rrvae.wire.packing import BLOCK_BYTES, HEADER, LENGTH, SHUFFLE_ELEMENTS, check_packing


def decode_pixels(frame: Frame, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The pixels [ky, kx], native-endian, in `out` when given (same shape and dtype).

    Without `out` the result may be a read-only view of the payload. Raises WireError with
    SIZE when the sizes do not fit, DECODE when the compressed bytes are damaged.
    """
    dtype = limits.wire_dtype(frame.pixel_type)
    shape = limits.check_frame_shape(frame.shape)
    frame_bytes = shape[0] * shape[1] * dtype.itemsize
    if out is not None and (out.shape != shape or out.dtype != dtype.newbyteorder("=")):
        raise ValueError(f"`out` is {out.dtype} {out.shape}, the frame {frame.pixel_type} {shape}")
    try:
        raw = _unpacked(frame, frame_bytes, dtype.itemsize)
    except WireError as error:
        raise WireError(error.reason, error.detail, frame.number) from error
    pixels = np.frombuffer(raw, dtype).reshape(shape)
    if out is None:
        native = pixels.astype(dtype.newbyteorder("="), copy=False)
        return native if native.flags.aligned else native.copy()
    out[...] = pixels
    return out


def _unpacked(frame: Frame, frame_bytes: int, item_bytes: int) -> memoryview | bytes:
    payload, encoding = frame.payload, frame.encoding
    limits.check_payload_bytes(len(payload), frame_bytes, encoding)
    if encoding is Encoding.NONE:
        return payload
    check_packing(payload, encoding, frame_bytes, item_bytes)
    try:
        raw: bytes = decompress(payload, encoding.value, elem_size=item_bytes)
    except (RuntimeError, ValueError) as error:
        raise WireError(Refusal.DECODE, str(error)) from error
    if len(raw) != frame_bytes:
        raise WireError(Refusal.DECODE, f"{len(raw)} bytes decoded, not {frame_bytes}")
    return raw


def encode_raw(array: NDArray[Any]) -> bytes:
    """The pixels as they go over the wire: row-major, little-endian. Raises TypeError for other dtypes."""
    if array.dtype.name not in PIXEL_TYPES:
        raise TypeError(f"pixels of type {array.dtype} cannot be sent")
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def encode_bslz4(array: NDArray[Any]) -> bytes:
    """Bitshuffled LZ4 in HDF5 framing, blocks of 8 KiB; its element size is that of the dtype."""
    raw = np.frombuffer(encode_raw(array), array.dtype.newbyteorder("<"))
    return _header(raw.nbytes) + _bytes(bitshuffle.compress_lz4(raw, BLOCK_BYTES // raw.itemsize))


def encode_lz4(array: NDArray[Any]) -> bytes:
    """LZ4 in HDF5 framing, blocks of 8 KiB."""
    raw = np.frombuffer(encode_raw(array), np.uint8)
    whole = raw.size - raw.size % BLOCK_BYTES
    rest = _literals(raw[whole:].tobytes()) if whole < raw.size else b""
    return _header(raw.nbytes) + _lz4_blocks(raw[:whole]) + rest


def encode_lz4_block(array: NDArray[Any]) -> bytes:
    """One bare LZ4 block without any framing, as DECTRIS Stream V1 has it."""
    raw = np.frombuffer(encode_raw(array), np.uint8)
    if raw.size % SHUFFLE_ELEMENTS:
        return _literals(raw.tobytes())[LENGTH.size :]
    packed = bitshuffle.compress_lz4(bitshuffle.bitunshuffle(raw, raw.size), raw.size)
    return _bytes(packed)[LENGTH.size :]


def _lz4_blocks(raw: NDArray[np.uint8]) -> bytes:
    if not raw.size:
        return b""
    # Unshuffled beforehand, what the library shuffles and compresses is the plain bytes.
    plain = bitshuffle.bitunshuffle(raw, BLOCK_BYTES)
    return _bytes(bitshuffle.compress_lz4(plain, BLOCK_BYTES))


def _literals(raw: bytes) -> bytes:
    """One LZ4 block that holds `raw` uncompressed (LZ4 block format: a last sequence of literals only)."""
    extra, last = divmod(len(raw) - 15, 255)
    head = bytes([len(raw) << 4]) if len(raw) < 15 else b"\xf0" + b"\xff" * extra + bytes([last])
    return LENGTH.pack(len(head) + len(raw)) + head + raw


def _header(frame_bytes: int) -> bytes:
    return HEADER.pack(frame_bytes, BLOCK_BYTES)


def _bytes(packed: NDArray[np.uint8]) -> bytes:
    return packed.tobytes()
