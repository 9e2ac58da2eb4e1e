"""Counted frames as payloads of the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from stream_rrvae.messages import Encoding
from stream_rrvae.wire.pixels import encode_bslz4, encode_lz4, encode_raw

_ENCODERS = {Encoding.NONE: encode_raw, Encoding.BSLZ4: encode_bslz4, Encoding.LZ4: encode_lz4}


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One frame ready for any protocol; `number` is its place in the series."""

    number: int
    shape: tuple[int, int]
    pixel_type: str
    encoding: Encoding
    payload: bytes
    recurs: bool = True  # in every scan under this number: what is made of it is worth keeping


def encode_frame(number: int, pixels: NDArray[Any], encoding: Encoding) -> EncodedFrame:
    """`pixels` [ky, kx] packed as `encoding` says."""
    shape = pixels.shape[0], pixels.shape[1]
    return EncodedFrame(number, shape, pixels.dtype.name, encoding, _ENCODERS[encoding](pixels))
