"""Columns of data sources as one message, which can go to many pages."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboards.views.columns import Columns

LENGTH = struct.Struct("<I")


def packed(sources: Mapping[str, Columns], number: int = 0) -> bytes:
    """`sources` by name, to be acknowledged by `number` unless that is 0.

    The length of a JSON text as uint32, the text, and the arrays behind it, all little-endian. In the text an array is
    where it begins behind the text, its dtype and its shape; numbers that are not finite are null.
    """
    arrays = _Arrays()
    told = {name: {column: arrays.told(values) for column, values in each.items()} for name, each in sources.items()}
    text = json.dumps({"number": number, "sources": told}, allow_nan=False, separators=(",", ":")).encode()
    return b"".join((LENGTH.pack(len(text)), text, *arrays.parts))


class _Arrays:
    """Takes arrays out of columns."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._length = 0

    def told(self, values: Any) -> Any:
        """What the text says of a column."""
        if isinstance(values, np.ndarray):
            return self._placed(values)
        return [self._placed(each) if isinstance(each, np.ndarray) else _finite(each) for each in values]

    def _placed(self, array: NDArray[Any]) -> dict[str, Any]:
        part = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        begin, self._length = self._length, self._length + len(part)
        self.parts.append(part)
        return {"at": begin, "dtype": array.dtype.name, "shape": array.shape}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
