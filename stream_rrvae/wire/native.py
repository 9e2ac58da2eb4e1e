"""The native protocol, version 1: a msgpack header and raw payload parts; see native_protocol.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Frame, Message, Refusal, ScanEnd, ScanStart
from stream_rrvae.plain import from_plain
from stream_rrvae.wire import limits
from stream_rrvae.wire.fields import integer, integers, required, text
from stream_rrvae.wire.native_encode import (
    FRAMES_HEADER_BYTES,
    MAX_BATCH,
    NAME,
    PATH_VERSION,
    START_HEADER_BYTES,
    VERSION,
    encode_end,
    encode_frames,
    encode_start,
)
from stream_rrvae.wire.protocol import DEFAULT_LIMIT_BYTES
from stream_rrvae.wire.start_limits import check_start

_MAX_ARRAY = 1024  # msgpack allocates a list of the announced length: at most 8 kB a level
_PARTS = {"start": (1, 2), "frames": (2, 2), "end": (1, 1)}
_HEADER_BYTES = {"start": START_HEADER_BYTES, "frames": FRAMES_HEADER_BYTES, "end": FRAMES_HEADER_BYTES}


class NativeProtocol:
    """Decodes version 1; frames carry one channel, so `channel` has no meaning here."""

    name = "native"

    def __init__(self, channel: str | None = None, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._series = -1

    def decode(self, parts: Sequence[memoryview]) -> Sequence[Message]:
        """See DetectorProtocol."""
        header, kind = _read_header(parts, self._limit_bytes)
        if kind == "frames":
            return self._frames(header, parts[1])
        if kind == "start":
            start = _read_start(header, parts, self._limit_bytes)
            self._series = start.series
            return (start,)
        return (ScanEnd(integer(header, "series"), text(header, "scan_id") if "scan_id" in header else ""),)

    def _frames(self, header: Mapping[str, Any], payloads: memoryview) -> Sequence[Frame]:
        series = integer(header, "series")
        numbers = integers(header, "numbers", MAX_BATCH)
        try:
            return _read_frames(header, series, numbers, payloads, self._limit_bytes)
        except WireError as error:
            # A number of another series would fill the wrong hole; of several frames none is the bad one.
            known = len(numbers) == 1 and series == self._series
            raise WireError(error.reason, error.detail, numbers[0] if known else None) from error


def _read_header(parts: Sequence[memoryview], limit_bytes: int) -> tuple[Mapping[str, Any], str]:
    if not 1 <= len(parts) <= 2:
        raise WireError(Refusal.PARTS, f"{len(parts)} message parts, not 1 or 2")
    if len(parts[0]) > START_HEADER_BYTES:
        raise WireError(Refusal.HEADER, f"a header of {len(parts[0])} bytes is over the limit of {START_HEADER_BYTES}")
    header = _unpack(parts[0])
    _check_version(header)
    kind = text(header, "t")
    if kind not in _PARTS:
        raise WireError(Refusal.TYPE, f"a message of type {kind!r} is not known")
    if not _PARTS[kind][0] <= len(parts) <= _PARTS[kind][1]:
        raise WireError(Refusal.PARTS, f"{len(parts)} message parts in a message of type {kind!r}")
    if len(parts[0]) > _HEADER_BYTES[kind]:
        raise WireError(Refusal.HEADER, f"a {kind!r} header of {len(parts[0])} bytes, over {_HEADER_BYTES[kind]}")
    limits.check_message_bytes(parts, limit_bytes)
    return header, kind


def _unpack(part: memoryview) -> Mapping[str, Any]:
    try:
        header = msgpack.unpackb(
            part, raw=False, strict_map_key=True, max_array_len=_MAX_ARRAY, max_map_len=_MAX_ARRAY, max_ext_len=0
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise WireError(Refusal.HEADER, f"the header is not msgpack within its bounds: {error}") from error
    if not isinstance(header, dict):
        raise WireError(Refusal.HEADER, "the header is not a map")
    return header


def _check_version(header: Mapping[str, Any]) -> None:
    if header.get("p") != NAME:
        raise WireError(Refusal.VERSION, f"the header does not say that it is {NAME}")
    version = header.get("v")
    known = (VERSION, PATH_VERSION) if header.get("t") == "start" else (VERSION,)
    if type(version) is not int or version not in known:
        raise WireError(Refusal.VERSION, f"version {str(version)[:20]} is not known, only {VERSION}")


def _read_start(header: Mapping[str, Any], parts: Sequence[memoryview], limit_bytes: int) -> ScanStart:
    plain = {key: value for key, value in header.items() if key != "pixel_mask"}
    shape = limits.check_frame_shape(required(header, "frame_shape"))
    if len(parts) == 2:
        plain["pixel_mask"] = _read_mask(parts[1], shape)
    try:
        start = from_plain(ScanStart, plain)
    except (TypeError, ValueError) as error:
        raise WireError(Refusal.TYPE, str(error)) from error
    return check_start(start, limit_bytes)


def _read_mask(part: memoryview, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if len(part) != shape[0] * shape[1]:
        raise WireError(Refusal.SIZE, f"a pixel mask of {len(part)} bytes for a frame of {shape}")
    usable: NDArray[np.bool_] = np.frombuffer(part, np.uint8).reshape(shape) != 0
    return usable


def _read_frames(
    header: Mapping[str, Any], series: int, numbers: list[int], payloads: memoryview, limit_bytes: int
) -> Sequence[Frame]:
    sizes = integers(header, "sizes", MAX_BATCH, low=1)
    shape = limits.check_frame_shape(required(header, "shape"))
    pixel_type = limits.check_pixel_type(required(header, "dtype"))
    encoding = limits.check_encoding(required(header, "encoding"))
    frame_bytes = limits.check_frame_bytes(shape, pixel_type, limit_bytes)
    if len(sizes) != len(numbers) or sum(sizes) != len(payloads):
        raise WireError(Refusal.SIZE, f"{len(sizes)} sizes for {len(numbers)} frames in {len(payloads)} bytes")
    if len(sizes) == 1:  # of several, decode_pixels refuses the bad one, and the others are not lost
        limits.check_payload_bytes(sizes[0], frame_bytes, encoding)
    if "seq" in header:
        integer(header, "seq")
    frames, begin = [], 0
    for number, size in zip(numbers, sizes, strict=True):
        frames.append(Frame(series, number, shape, pixel_type, encoding, payloads[begin : begin + size]))
        begin += size
    return frames


__all__ = ["NativeProtocol", "encode_end", "encode_frames", "encode_start"]
