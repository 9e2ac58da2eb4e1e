"""Where a dataset's frames lie in its file, if they can be read as they are: one chunk a frame, packed as on the wire.

Then HDF5 is not needed any more, and what was compressed can be sent again without being decoded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.messages import PIXEL_TYPES, Encoding
from stream_rrvae.recording.chunk_places import ChunkPlaces
from stream_rrvae.recording.description import ENCODINGS, ChunkIndex
from stream_rrvae.recording.formats.hdf5_checks import filters_of
from stream_rrvae.wire.packing import HEADER, MAX_BSLZ4_BLOCK_BYTES, MIN_BLOCK_BYTES

BITSHUFFLE, LZ4 = 32008, 32004
BITSHUFFLE_LZ4 = 2  # the last of bitshuffle's parameters
LARGEST_LZ4_BLOCK_BYTES = (1 << 31) - 1


def index_of(dataset: h5py.Dataset, count: int | None = None) -> ChunkIndex | None:
    """The place of every frame (of the first `count`); None when they have to be read through HDF5."""
    dtype = dataset.dtype
    if dtype.name not in PIXEL_TYPES or dtype.newbyteorder("<") != dtype or dataset.file.userblock_size:
        return None
    n = math.prod(dataset.shape[:-2]) if count is None else count
    if dataset.chunks is None:
        return _contiguous(dataset, n)
    by_mask = _encodings(dataset)
    if by_mask is None or dataset.chunks != (*(1,) * (dataset.ndim - 2), *dataset.shape[-2:]):
        return None
    return _chunked(dataset, n, by_mask)


def joined(parts: Sequence[ChunkIndex]) -> ChunkIndex:
    """One index over `parts`, each of one file, in their order."""
    files = tuple(part.files[0] for part in parts)
    file = np.repeat(np.arange(len(parts), dtype=np.uint32), [len(part.size) for part in parts])
    offset, size, encoding = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("offset", "size", "encoding")
    )
    return ChunkIndex(files, file, offset, size, encoding)


def _encodings(dataset: h5py.Dataset) -> dict[int, Encoding] | None:
    """What a chunk is packed in, by the mask of the filters that did not work on it; None = another packing."""
    match [_encoding(number, values, dataset.dtype.itemsize) for number, values in filters_of(dataset)]:
        case []:
            return {0: Encoding.NONE}
        case [Encoding() as only]:
            return {0: only, 1: Encoding.NONE}
        case [Encoding() as first, Encoding() as second]:
            return {0b10: first, 0b01: second, 0b11: Encoding.NONE}
    return None


def _encoding(number: int, values: tuple[int, ...], item_bytes: int) -> Encoding | None:
    if number == LZ4:
        return Encoding.LZ4
    fits = number == BITSHUFFLE and len(values) >= 5 and values[2] == item_bytes
    return Encoding.BSLZ4 if fits and values[4] == BITSHUFFLE_LZ4 else None


def _contiguous(dataset: h5py.Dataset, n: int) -> ChunkIndex | None:
    begin = dataset.id.get_offset()
    if begin is None:
        return None
    size = _frame_bytes(dataset)
    offset = np.uint64(begin) + np.arange(n, dtype=np.uint64) * np.uint64(size)
    return _index(dataset, offset, np.full(n, size, np.uint32), np.zeros(n, np.uint8))


def _chunked(dataset: h5py.Dataset, n: int, by_mask: dict[int, Encoding]) -> ChunkIndex | None:
    places = ChunkPlaces(n).find(dataset)
    encoding = np.full(n, len(ENCODINGS), np.uint8)
    for mask, packing in by_mask.items():
        encoding[places.skipped == mask] = ENCODINGS.index(packing)
    is_known = places.size.all() and (encoding < len(ENCODINGS)).all()
    if not is_known or not _first_is_readable(dataset, places.offset, encoding):
        return None
    return _index(dataset, places.offset, places.size, encoding)


def _first_is_readable(dataset: h5py.Dataset, offset: NDArray[np.uint64], encoding: NDArray[np.uint8]) -> bool:
    """Whether the first packed chunk's blocks are of sizes that the wire's decoder takes; all are of one writer."""
    packed = np.flatnonzero(encoding)
    if not packed.size:
        return True
    with Path(dataset.file.filename).open("rb") as file:
        file.seek(int(offset[packed[0]]))
        head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        return False
    frame_bytes, block = HEADER.unpack(head)
    is_bslz4 = ENCODINGS[encoding[packed[0]]] is Encoding.BSLZ4
    smallest = MIN_BLOCK_BYTES if is_bslz4 else min(MIN_BLOCK_BYTES, frame_bytes)
    largest = MAX_BSLZ4_BLOCK_BYTES if is_bslz4 else LARGEST_LZ4_BLOCK_BYTES
    return bool(frame_bytes == _frame_bytes(dataset) and smallest <= block <= largest)


def _frame_bytes(dataset: h5py.Dataset) -> int:
    sides: tuple[int, ...] = dataset.shape[-2:]
    return math.prod(sides) * int(dataset.dtype.itemsize)


def _index(
    dataset: h5py.Dataset, offset: NDArray[np.uint64], size: NDArray[np.uint32], encoding: NDArray[np.uint8]
) -> ChunkIndex:
    path = str(Path(dataset.file.filename).absolute())
    return ChunkIndex((path,), np.zeros(len(size), np.uint32), offset, size, encoding)
