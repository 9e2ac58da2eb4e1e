"""Frames in the order in which a detector exposes them: with flyback, line after line, scan after scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from detector_sim.encoding import EncodedFrame
from stream_rrvae.scan_path import NOWHERE, ScanPath

STRIDE = 7919  # flyback frames show some other position: who takes them for the scan's gets a wrong map


def frames_along(path: ScanPath, frames: Sequence[EncodedFrame], shape: tuple[int, int]) -> list[EncodedFrame]:
    """`frames` of a scan of `shape` (y, x) by position, numbered as they are exposed; payloads are shared."""
    if path.is_raster:
        return list(frames)
    places = path.positions(np.arange(path.frames_due(shape)), shape).tolist()
    return [
        replace(frames[number * STRIDE % len(frames) if place == NOWHERE else place], number=number)
        for number, place in enumerate(places)
    ]


def counted_on(frames: Iterable[EncodedFrame], before: int) -> Iterator[EncodedFrame]:
    """`frames` of one scan as they come in a series after `before` others."""
    for frame in frames:
        number = before + frame.number
        yield EncodedFrame(number, frame.shape, frame.pixel_type, frame.encoding, frame.payload, recurs=False)
