"""A small image of few colours as PNG (ISO 15948), for thumbnails; nothing else of the format is needed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

from dashboards.pictures.quantise import Pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def palette_png(pixels: Pixels, colours: Sequence[str]) -> bytes:
    """`pixels` [rows, columns] as indices into `colours`, "#rrggbb" or "#rrggbbaa"."""
    rows, columns = pixels.shape
    table = [bytes.fromhex(colour[1:].ljust(8, "f")) for colour in colours]
    # Each row begins with the number of its filter: 0 = none.
    content = np.hstack([np.zeros((rows, 1), np.uint8), pixels]).tobytes()
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0),
        b"PLTE": b"".join(colour[:3] for colour in table),
        b"tRNS": b"".join(colour[3:] for colour in table),
        b"IDAT": zlib.compress(content),
        b"IEND": b"",
    }
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts.items())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
