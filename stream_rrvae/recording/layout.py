"""Names in a recording's folder and files, and what its flags mean; `format.md` beside this file tells the whole."""

from __future__ import annotations

from enum import IntFlag
from pathlib import Path
from typing import Any

import numpy as np

from stream_rrvae.messages import Encoding

FORMAT_VERSION = 1
PART_SUFFIX = ".part"
JOURNAL_NAME, MASTER_NAME, RESULTS_NAME = "journal.jsonl", "master.h5", "results.h5"
FRAMES, START = "entry/data/frames", "entry/start"
MASTER_FLAGS, SITE = "entry/frames/flags", "entry/site_calibration"
SIDES: dict[str, np.dtype[Any]] = {
    "frame_number": np.dtype(np.int64),
    "received_s": np.dtype(np.float64),
    "flags": np.dtype(np.uint8),
}
SIDE_CHUNK_FRAMES = 4096

# HDF5's registered filters; the frames bring their own block size in their first 12 bytes.
BITSHUFFLE_LZ4, LZ4 = 32008, 32004
FILTERS: dict[Encoding, tuple[tuple[int, tuple[int, ...]], ...]] = {
    Encoding.NONE: (),
    Encoding.BSLZ4: ((BITSHUFFLE_LZ4, (0, 2)),),
    Encoding.LZ4: ((LZ4, ()),),
}
MIXED_FILTERS = FILTERS[Encoding.BSLZ4] + FILTERS[Encoding.LZ4]
# Of a segment with both filters: which of them did not pack the chunk.
MIXED_SKIPPED = {Encoding.NONE: 0b11, Encoding.BSLZ4: 0b10, Encoding.LZ4: 0b01}
MIXED_ENCODINGS = {skipped: encoding for encoding, skipped in MIXED_SKIPPED.items()}


class Flag(IntFlag):
    """What is to be known of a recorded frame."""

    COPY = 1  # a frame of the same number came before
    OVERFLOW = 2  # its number lies outside the scan
    UNDECODABLE = 4  # its pixels could not be read when it was measured


def segment_name(index: int) -> str:
    """File name of a recording's segment, in arrival order."""
    return f"segment-{index:04d}.h5"


def is_complete(folder: Path) -> bool:
    """Whether a recording's folder was finished."""
    return folder.suffix != PART_SUFFIX and (folder / MASTER_NAME).is_file()
