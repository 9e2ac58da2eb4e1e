"""The senders' side of the native protocol; see native_protocol.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Encoding, Refusal, ScanEnd, ScanStart
from stream_rrvae.plain import to_plain
from stream_rrvae.scan_path import RASTER

NAME = "stream-rrvae"
VERSION = 1
PATH_VERSION = 2  # of a start whose frames' numbers are not their positions: an older receiver refuses it
START_HEADER_BYTES = 64 << 10
FRAMES_HEADER_BYTES = 4 << 10
MAX_BATCH = 256


def encode_start(start: ScanStart) -> list[bytes]:
    """The start's message parts; the pixel mask, when there is one, is the second.

    Raises WireError when its metadata makes the header too long.
    """
    plain = to_plain(replace(start, pixel_mask=None))
    del plain["pixel_mask"]
    if start.path == RASTER:
        del plain["path"]
    version = VERSION if start.path.is_raster and not start.path.endless else PATH_VERSION
    parts = [_header("start", plain, START_HEADER_BYTES, version)]
    if start.pixel_mask is not None:
        parts.append(np.asarray(start.pixel_mask, np.uint8).tobytes())
    return parts


def encode_frames(
    series: int,
    numbers: Sequence[int],
    payloads: Sequence[bytes | memoryview],
    shape: tuple[int, int],
    pixel_type: str,
    encoding: Encoding,
    seq: int = 0,
) -> list[bytes]:
    """1 to 256 frames of one shape [ky, kx] as message parts; `seq` counts the messages of a series."""
    if len(numbers) != len(payloads) or not 1 <= len(numbers) <= MAX_BATCH:
        raise ValueError(f"{len(numbers)} numbers and {len(payloads)} payloads for 1..{MAX_BATCH} frames")
    fields = {
        "series": series,
        "numbers": list(numbers),
        "sizes": [memoryview(payload).nbytes for payload in payloads],
        "shape": list(shape),
        "dtype": pixel_type,
        "encoding": str(encoding),
        "seq": seq,
    }
    return [_header("frames", fields, FRAMES_HEADER_BYTES), b"".join(payloads)]


def encode_end(end: ScanEnd) -> list[bytes]:
    """The end's one message part."""
    return [_header("end", {"series": end.series, "scan_id": end.scan_id}, FRAMES_HEADER_BYTES)]


def _header(kind: str, fields: Mapping[str, Any], limit_bytes: int, version: int = VERSION) -> bytes:
    header: bytes = msgpack.packb({"p": NAME, "v": version, "t": kind, **fields})
    if len(header) > limit_bytes:
        raise WireError(Refusal.HEADER, f"a {kind!r} header of {len(header)} bytes is over the limit of {limit_bytes}")
    return header
