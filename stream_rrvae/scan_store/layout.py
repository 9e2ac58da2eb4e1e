"""What lies where in a scan's block of shared memory."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOTE_BYTES = 16384
_MEASURED = ("sum", "com_y", "com_x", "bright_field", "annular_dark_field")
NAN_FIELDS = (*_MEASURED, "detectors", "rotation", "confidence", "latents", "misfit")


@dataclass(frozen=True, slots=True)
class StoreShape:
    """What sizes the block: positions are scan_shape[0] * scan_shape[1], row-major."""

    scan_shape: tuple[int, int]  # (y, x)
    frame_shape: tuple[int, int]  # (ky, kx)
    n_features: int
    n_latents: int
    n_detectors: int = 0  # virtual ones that settings name: channels

    @property
    def n_positions(self) -> int:
        return self.scan_shape[0] * self.scan_shape[1]


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    dtype: str
    shape: tuple[int, ...]


def fields_of(shape: StoreShape) -> tuple[Field, ...]:
    """Every array of the block, in order; those of `twin.Twin` have two slots."""
    n = shape.n_positions
    return (
        Field("sequence", "i8", (8,)),
        Field("account", "u1", (2, NOTE_BYTES)),
        Field("status", "u1", (2, NOTE_BYTES)),
        Field("coverage", "u1", (n,)),
        Field("visits", "u1", (n,)),
        Field("sum", "f4", (n,)),
        Field("com_y", "f4", (n,)),
        Field("com_x", "f4", (n,)),
        Field("bright_field", "f4", (n,)),
        Field("annular_dark_field", "f4", (n,)),
        Field("detectors", "f4", (n, shape.n_detectors)),
        Field("features", "f2", (n, shape.n_features)),
        Field("pattern", "f4", (2, *shape.frame_shape)),
        Field("pattern_number", "i8", (2,)),
        Field("maps_status", "u1", (2, NOTE_BYTES)),
        Field("rotation", "f4", (2, n)),
        Field("confidence", "f4", (2, n)),
        Field("latents", "f4", (2, shape.n_latents, n)),
        Field("misfit", "f4", (2, n)),
        Field("mean_pattern", "f4", (2, *shape.frame_shape)),
        Field("mean_frames", "i8", (2,)),
    )


def aligned(offset: int) -> int:
    """`offset` or the next multiple of a cache line."""
    return (offset + 63) // 64 * 64


def _bytes_of(field: Field) -> int:
    return int(np.prod(field.shape, dtype=np.int64)) * np.dtype(field.dtype).itemsize


def total_bytes(shape: StoreShape) -> int:
    """Bytes of all arrays with their alignment."""
    return sum(aligned(_bytes_of(field)) for field in fields_of(shape))


def map_fields(memory: mmap.mmap, offset: int, shape: StoreShape) -> dict[str, NDArray[Any]]:
    """The arrays as views of `memory`, the first at `offset`."""
    views: dict[str, NDArray[Any]] = {}
    for field in fields_of(shape):
        count = int(np.prod(field.shape, dtype=np.int64))
        views[field.name] = np.frombuffer(memory, field.dtype, count, offset).reshape(field.shape)
        offset += aligned(_bytes_of(field))
    return views
