"""Frames that are not as they should be: what of a message is damaged, or wrong with its pixels."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector_sim.encoding import EncodedFrame, encode_frame
from detector_sim.message_format import MessageFormat, Parts
from stream_rrvae.messages import Encoding, Frame
from stream_rrvae.wire.pixels import decode_pixels

_OVERSIZE_PX = 1 << 16
_NAN_PART = 0.05
_HEADER = struct.Struct(">QI")

Alteration = Callable[[EncodedFrame, MessageFormat, np.random.Generator], Parts]


def _truncate(frame: EncodedFrame, form: MessageFormat, rng: np.random.Generator) -> Parts:
    """The message's last part is cut short."""
    parts = form.frames([frame])
    return [*parts[:-1], parts[-1][: int(rng.integers(1, len(parts[-1])))]]


def _corrupt(frame: EncodedFrame, form: MessageFormat, rng: np.random.Generator) -> Parts:
    """Damage that can be noticed: LZ4 carries no checksum, so the length of its first block is hit, else the header."""
    if frame.encoding is Encoding.NONE:
        first, *rest = form.frames([frame])
        return [rng.bytes(4) + b"\xff\xff\xff\xff" + first[8:], *rest]
    size = _HEADER.size
    return form.frames([replace(frame, payload=frame.payload[:size] + b"\xff\xff\xff\xff" + frame.payload[size + 4 :])])


def _oversize(frame: EncodedFrame, form: MessageFormat, _rng: np.random.Generator) -> Parts:
    """The frame announces 2^32 pixels in a payload as small as ever."""
    return form.frames([replace(frame, shape=(_OVERSIZE_PX, _OVERSIZE_PX))])


def _wrong_shape(frame: EncodedFrame, form: MessageFormat, _rng: np.random.Generator) -> Parts:
    """One column more than was announced."""
    pixels = _pixels(frame)
    return form.frames([encode_frame(frame.number, np.pad(pixels, ((0, 0), (0, 1))), frame.encoding)])


def _wrong_dtype(frame: EncodedFrame, form: MessageFormat, _rng: np.random.Generator) -> Parts:
    """Another pixel type than was announced."""
    other = "uint16" if frame.pixel_type != "uint16" else "uint32"
    return form.frames([encode_frame(frame.number, np.zeros(frame.shape, other), frame.encoding)])


def _nodata(frame: EncodedFrame, form: MessageFormat, _rng: np.random.Generator) -> Parts:
    """No pixel holds data."""
    floating = frame.pixel_type == "float32"
    nothing = np.nan if floating else np.iinfo(frame.pixel_type).max
    return form.frames([encode_frame(frame.number, np.full(frame.shape, nothing, frame.pixel_type), frame.encoding)])


def _nan(frame: EncodedFrame, form: MessageFormat, rng: np.random.Generator) -> Parts:
    """One pixel in twenty is NaN or infinite."""
    pixels = _pixels(frame).copy()
    hit = rng.random(frame.shape) < _NAN_PART
    pixels[hit] = rng.choice(np.array([np.nan, np.inf, -np.inf], pixels.dtype), int(hit.sum()))
    return form.frames([encode_frame(frame.number, pixels, frame.encoding)])


def _pixels(frame: EncodedFrame) -> NDArray[Any]:
    return decode_pixels(
        Frame(0, frame.number, frame.shape, frame.pixel_type, frame.encoding, memoryview(frame.payload))
    )


ALTERATIONS: Mapping[str, Alteration] = {
    "truncate": _truncate,
    "corrupt": _corrupt,
    "oversize": _oversize,
    "wrong_shape": _wrong_shape,
    "wrong_dtype": _wrong_dtype,
    "nodata": _nodata,
    "nan": _nan,
}
