"""Measured values to their places in the scan store, many frames in one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from stream_rrvae.ingest.sources import STAMP
from stream_rrvae.kernels.compiled import compiled_entry
from stream_rrvae.kernels.frame_pass import FrameResults
from stream_rrvae.kernels.memory import instruction
from stream_rrvae.messages import Float32Array
from stream_rrvae.scan_store import ScanStore

_BITS, _HALF = ir.IntType(32), ir.IntType(16)
_SIGN, _INFINITY = 1 << 31, 255 << 23
_TOO_LARGE = (127 + 16) << 23  # float32 bits of the first power of two beyond float16
_SMALLEST_NORMAL = (127 - 14) << 23
_ALIGNER = ((127 - 15) + (23 - 10) + 1) << 23  # a float32 that, added, leaves a subnormal's bits at the end


class Maps(NamedTuple):
    """The store's arrays in the order of `FrameResults`, float16 as its bits."""

    sum: Float32Array
    com_y: Float32Array
    com_x: Float32Array
    bright_field: Float32Array
    annular_dark_field: Float32Array
    detectors: Float32Array
    features: NDArray[np.uint16]


class Values(NamedTuple):
    """`FrameResults` as compiled code takes it."""

    sum: NDArray[np.float64]
    com_y: Float32Array
    com_x: Float32Array
    bright_field: Float32Array
    annular_dark_field: Float32Array
    detectors: Float32Array
    features: Float32Array


def maps_of(store: ScanStore) -> Maps:
    """Where `write_rows` writes to."""
    bits = store.features.view(np.uint16)
    dark, detectors = store.annular_dark_field, store.detectors
    return Maps(store.sum, store.com_y, store.com_x, store.bright_field, dark, detectors, bits)


def values_of(results: FrameResults) -> Values:
    """What `write_rows` writes."""
    return Values(*(getattr(results, name) for name in Values._fields))


def _half(builder: Any, value: Any) -> Any:
    """LLVM: float32 to the bits of the nearest float16, ties to even; beyond its range infinite.

    Source: F. Giesen, "float->half variants" (public domain, 2012), the rounding one.
    """
    bits = builder.bitcast(value, _BITS)
    sign = builder.and_(bits, _BITS(_SIGN))
    bits = builder.xor(bits, sign)
    special = builder.select(builder.icmp_unsigned(">", bits, _BITS(_INFINITY)), _BITS(0x7E00), _BITS(0x7C00))
    sum_ = builder.fadd(builder.bitcast(bits, ir.FloatType()), builder.bitcast(_BITS(_ALIGNER), ir.FloatType()))
    subnormal = builder.sub(builder.bitcast(sum_, _BITS), _BITS(_ALIGNER))
    odd = builder.and_(builder.lshr(bits, _BITS(13)), _BITS(1))
    rounded = builder.add(builder.add(bits, _BITS((((15 - 127) << 23) + 0xFFF) & 0xFFFFFFFF)), odd)
    normal = builder.lshr(rounded, _BITS(13))
    small = builder.select(builder.icmp_unsigned("<", bits, _BITS(_SMALLEST_NORMAL)), subnormal, normal)
    found = builder.select(builder.icmp_unsigned(">=", bits, _BITS(_TOO_LARGE)), special, small)
    return builder.trunc(builder.or_(found, builder.lshr(sign, _BITS(16))), _HALF)


to_half = instruction(types.uint16, (types.float32,), _half)


def _entry(stamp: int) -> Callable[[Maps, Values, NDArray[np.intp], NDArray[np.int64]], None]:
    @compiled_entry
    def write_rows(maps: Maps, values: Values, rows: NDArray[np.intp], numbers: NDArray[np.int64]) -> None:
        """Put row `rows[i]` of `values` to position `numbers[rows[i]]`, for every i."""
        _ = stamp
        for i in range(rows.size):
            row = rows[i]
            number = numbers[row]
            maps.sum[number] = values.sum[row]
            maps.com_y[number] = values.com_y[row]
            maps.com_x[number] = values.com_x[row]
            maps.bright_field[number] = values.bright_field[row]
            maps.annular_dark_field[number] = values.annular_dark_field[row]
            for k in range(maps.detectors.shape[1]):
                maps.detectors[number, k] = values.detectors[row, k]
            source, place = values.features[row], maps.features[number]
            for j in range(source.size):
                place[j] = to_half(source[j])

    return write_rows


write_rows = _entry(STAMP)


def warm_up_rows() -> None:
    """Compile `write_rows`, or load it from Numba's disk cache."""
    one, row = np.zeros(1, np.float32), np.zeros(1, np.intp)
    maps = Maps(one, one, one, one, one, np.zeros((1, 0), np.float32), np.zeros((1, 1), np.uint16))
    write_rows(maps, values_of(FrameResults.empty(1, 1)), row, np.zeros(1, np.int64))
