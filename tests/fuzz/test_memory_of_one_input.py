"""What one input takes is seen beside what larger ones took before it."""

from __future__ import annotations

from mmap import mmap

import numpy as np

from stream_rrvae.bench.trust.fuzz import MemoryOfOne

MIB = 1 << 20


def _takes(data: bytes) -> None:
    """Memory of its own: what `malloc` has kept of others would be no growth."""
    with mmap(-1, len(data) * MIB) as block:
        np.frombuffer(block, np.uint8)[:] = 1


def test_the_peak_of_an_input_is_its_own() -> None:
    MemoryOfOne().of(_takes, bytes(96))
    memory = MemoryOfOne()
    for size in (8, 32, 16):
        memory.of(_takes, bytes(size))
    assert 30 * MIB < memory.most_bytes < 40 * MIB
    assert memory.grown_bytes < 16 * MIB
