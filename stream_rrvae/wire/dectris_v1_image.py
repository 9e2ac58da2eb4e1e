"""The image messages of DECTRIS Stream V1: what was taken, what the pixels are, the pixels, when it was taken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Encoding, Frame, Refusal
from stream_rrvae.wire import limits
from stream_rrvae.wire.fields import integer, required, text
from stream_rrvae.wire.json_part import read_json
from stream_rrvae.wire.packing import BLOCK_BYTES, HEADER, LENGTH

IMAGE_HEADER_BYTES = 4 << 10
# By `bit_depth_image`, which cannot say that pixels are floats.
PIXEL_TYPES_OF_BITS = {8: "uint8", 16: "uint16", 32: "uint32"}
PARTS = (4, 5)  # with `image_appendix`
# The digits after "bs" are the bits of the shuffled elements; > is big-endian.
_ENCODING = re.compile(r"(?:bs(8|16|32)-?)?(lz4)?([<>]?)")
_DESCRIPTIONS_KEPT = 1024  # they differ in the number of compressed bytes alone
_EMPTY_HEADER = bytes(limits.PACKING_HEADER_BYTES)


@dataclass(frozen=True, slots=True)
class _Described:
    shape: tuple[int, int]  # (ky, kx)
    pixel_type: str
    encoding: Encoding
    payload_bytes: int | None


def read_image(parts: Sequence[memoryview], series: int, number: int, limit_bytes: int) -> Frame:
    """The frame in an image's parts, of which the first has been read. Raises WireError."""
    if len(parts) not in PARTS:
        raise WireError(Refusal.PARTS, f"{len(parts)} message parts in an image, not 4 or 5")
    for part in (parts[1], *parts[3:]):
        if part.nbytes > IMAGE_HEADER_BYTES:
            raise WireError(
                Refusal.HEADER, f"a header of {part.nbytes} bytes is over the limit of {IMAGE_HEADER_BYTES}"
            )
    _check_times(parts[3])
    told = _described(bytes(parts[1]))
    payload, frame_bytes = parts[2], limits.check_frame_bytes(told.shape, told.pixel_type, limit_bytes)
    if told.payload_bytes not in (None, payload.nbytes):
        raise WireError(Refusal.SIZE, f"{payload.nbytes} bytes of pixels, {told.payload_bytes} were announced")
    payload = _framed(payload, told.encoding, frame_bytes)
    limits.check_payload_bytes(payload.nbytes, frame_bytes, told.encoding)
    return Frame(series, number, told.shape, told.pixel_type, told.encoding, payload)


def _check_times(part: memoryview) -> None:
    # Nothing is taken from the times, and to parse them would cost as much as all else; a cut message shows here.
    if part.nbytes < 2 or (part[0], part[-1]) != (0x7B, 0x7D):
        raise WireError(Refusal.HEADER, "the part with the times is not a JSON object")


@lru_cache(maxsize=_DESCRIPTIONS_KEPT)
def _described(part: bytes) -> _Described:
    fields = read_json(memoryview(part), IMAGE_HEADER_BYTES)
    if text(fields, "htype") != "dimage_d-1.0":
        raise WireError(Refusal.TYPE, "the second part of an image does not describe its pixels")
    pixel_type = limits.check_pixel_type(required(fields, "type"))
    if pixel_type not in PIXEL_TYPES_OF_BITS.values():
        whole = ", ".join(PIXEL_TYPES_OF_BITS.values())
        raise WireError(Refusal.PIXEL_TYPE, f"Stream V1 knows {whole}; {pixel_type} takes Stream V2 (dectris-v2)")
    shape = read_shape(required(fields, "shape"))
    encoding = _encoding(text(fields, "encoding"), limits.ITEM_BYTES[pixel_type])
    return _Described(shape, pixel_type, encoding, integer(fields, "size") if "size" in fields else None)


def read_shape(value: object) -> tuple[int, int]:
    """[width, height], as this stream writes it, as (ky, kx). Raises WireError."""
    columns, rows = limits.check_frame_shape(value)
    return rows, columns


def _encoding(name: str, item_bytes: int) -> Encoding:
    match = _ENCODING.fullmatch(name)
    bits, packed, order = match.groups() if match else (None, None, ">")
    if (bits and not packed) or (order == ">" and (match is None or item_bytes > 1)):
        raise WireError(Refusal.ENCODING, f"the encoding {name!r} is not known")
    if bits and int(bits) != 8 * item_bytes:
        raise WireError(Refusal.PIXEL_TYPE, f"elements of {item_bytes} bytes are shuffled as {bits} bits")
    return Encoding.BSLZ4 if bits else Encoding.LZ4 if packed else Encoding.NONE


def usual_name(encoding: Encoding, item_bytes: int) -> str:
    """How detectors write an encoding."""
    return {Encoding.NONE: "<", Encoding.LZ4: "lz4<", Encoding.BSLZ4: f"bs{8 * item_bytes}-lz4<"}[encoding]


def _framed(payload: memoryview, encoding: Encoding, frame_bytes: int) -> memoryview:
    """`payload` in the framing that the rest of the program knows; a copy only where the sender uses another one."""
    if encoding is Encoding.LZ4:  # here one bare block without any framing
        return memoryview(HEADER.pack(frame_bytes, frame_bytes) + LENGTH.pack(payload.nbytes) + payload)
    if encoding is Encoding.BSLZ4 and payload[: len(_EMPTY_HEADER)] == _EMPTY_HEADER:
        # LiberTEM's simulator leaves the header empty, and its receiver never looks at it.
        return memoryview(HEADER.pack(frame_bytes, BLOCK_BYTES) + payload[len(_EMPTY_HEADER) :])
    return payload
