"""Which positions of a scan belong to which shard: lines are dealt in blocks, so that all shards work all the time.

Line y belongs to shard (y // shard_lines) % shard_count. Senders and receivers both go by this rule.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.messages import BoolArray, ScanStart

Lines = TypeVar("Lines", int, NDArray[np.int64])


def shard_of_line(lines: Lines, shard_count: int, shard_lines: int) -> Lines:
    """The shard of a line, or of each."""
    return lines // shard_lines % shard_count


def name_of_files(start: ScanStart) -> str:
    """The scan's identity, with the shard if it is one: services of several may write into one folder."""
    return start.scan_id if start.shard_count == 1 else f"{start.scan_id}.shard-{start.shard_id}"


def own_positions(start: ScanStart, scan_shape: tuple[int, int]) -> BoolArray | None:
    """Which positions [n], row-major, the stream of `start` brings; None = all of them."""
    if start.shard_count == 1:
        return None
    shards = shard_of_line(np.arange(scan_shape[0]), start.shard_count, start.shard_lines)
    return np.repeat(shards == start.shard_id, scan_shape[1])


def line_ranks(start: ScanStart, lines: int) -> NDArray[np.int64]:
    """Of each line of the scan how many of the shard's own come before it."""
    own = shard_of_line(np.arange(lines), start.shard_count, start.shard_lines) == start.shard_id
    ranks: NDArray[np.int64] = np.cumsum(own) - own
    return ranks


def own_frames(start: ScanStart, scan_shape: tuple[int, int]) -> BoolArray | None:
    """The same of frames [n] in the order of exposure: those of the shard's lines, flyback too; None = all of them."""
    if start.shard_count == 1:
        return None
    lines = start.path.lines(scan_shape, start.path.frames_due(scan_shape, start.frames_expected))
    return np.asarray(shard_of_line(lines, start.shard_count, start.shard_lines) == start.shard_id)
