"""The frames that all contestants get, and the COM that their answers are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from stream_rrvae.calibration.disc import Disc, find_disc
from stream_rrvae.errors import StreamRrvaeError
from stream_rrvae.messages import Float32Array, Frame, Message, ScanStart
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.registry import protocol

PATIENCE_MS = 60_000
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScanFrames:
    """Frames [n, ky, kx] as a detector gives them; `com` [n, 2] (y, x) is the true one where it is known."""

    frames: NDArray[Any]
    disc: Disc
    com: FloatArray
    described: str

    @property
    def counted(self) -> bool:
        """Whole numbers: the frames hold counting noise."""
        return bool(np.issubdtype(self.frames.dtype, np.integer))


def from_file(file: FrameFile, disc: Disc | None) -> ScanFrames:
    """All frames of `file`, compared with the COM measured from them. Raises CalibrationError without a disc."""
    frames = file.frames(0, file.n_frames)
    name = f"{file.n_frames} frames of {Path(file.name).name}, compared with their measured COM"
    return ScanFrames(frames, disc or _found(frames), measured_com(frames), name)


def received(endpoint: str) -> tuple[ScanStart, NDArray[Any]]:
    """One whole scan from a native sender at `endpoint`: announcement and frames [n, ky, kx] in order.

    Raises StreamRrvaeError when nothing comes for a minute, WireError when something malformed does.
    """
    starts: list[ScanStart] = []
    frames: dict[int, NDArray[Any]] = {}
    for message in _messages(endpoint):
        if isinstance(message, ScanStart):
            starts.append(message)
        elif isinstance(message, Frame):
            frames[message.number] = decode_pixels(message)
        elif frames:
            break
    return starts[-1], np.stack([frames[number] for number in sorted(frames)])


def _messages(endpoint: str) -> Iterator[Message]:
    decoder = protocol("native")
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
    try:
        socket.connect(endpoint)
        while socket.poll(PATIENCE_MS):
            yield from decoder.decode([memoryview(part) for part in socket.recv_multipart()])
        raise StreamRrvaeError(f"the sender at {endpoint} said nothing for {PATIENCE_MS // 1000} s")
    finally:
        socket.close(0)


def announced_disc(start: ScanStart, frames: NDArray[Any]) -> Disc:
    """The disc that the announcement tells, else the one found in `frames`."""
    told = start.calibration
    if told.beam_center_px is not None and told.disc_radius_px is not None:
        return Disc(told.beam_center_px, told.disc_radius_px)
    return _found(frames)


def measured_com(frames: NDArray[Any]) -> FloatArray:
    """COM [n, 2] (y, x) in px, less the scan's mean; by NumPy, independent of the frame pass."""
    ky, kx = np.indices(frames.shape[1:])
    total = frames.sum(axis=(1, 2), dtype=np.float64)
    moments = [np.tensordot(frames, axis, 2) / np.maximum(total, 1e-30) for axis in (ky, kx)]
    com = np.stack(moments, axis=1)
    return np.asarray(com - com.mean(axis=0))


Prepare = Callable[[], Float32Array]
"""Raw frames to what a model takes; what needs the whole scan (mean, scale) is known already."""


def centring(scan: ScanFrames, rms: float) -> Prepare:
    """The square around the disc of all frames [n, side, side] less its mean, its change scaled to `rms` a frame."""
    reach = scan.disc.radius_px
    rows, columns = (slice(max(0, math.floor(c - reach)), math.ceil(c + reach) + 1) for c in scan.disc.center_px)
    part = scan.frames[:, rows, columns]
    mean = part.mean(axis=0, dtype=np.float64)
    found = math.sqrt(float(np.square(part - mean).sum()) / len(part))
    return lambda: _scaled(part, mean.astype(np.float32), rms / max(found, 1e-30))


def zero_to_one(scan: ScanFrames) -> Prepare:
    """Frames [n, ky, kx] scaled to 0..1, as image models want them."""
    lowest, highest = float(scan.frames.min()), float(scan.frames.max())
    return lambda: _scaled(scan.frames, np.float32(lowest), 1.0 / max(highest - lowest, 1e-30))


def _scaled(frames: NDArray[Any], level: Any, factor: float) -> Float32Array:
    scaled: Float32Array = np.subtract(frames, level, dtype=np.float32)
    scaled *= np.float32(factor)
    return scaled


def _found(frames: NDArray[Any]) -> Disc:
    return find_disc(frames.mean(axis=0, dtype=np.float64), np.ones(frames.shape[1:], np.bool_))
