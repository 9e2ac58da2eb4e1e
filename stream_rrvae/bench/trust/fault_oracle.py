"""What a scan with faults in it has to come to, worked out from what was sent and apart from the service."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector_sim.encoding import EncodedFrame
from detector_sim.message_format import MessageFormat, Parts
from detector_sim.truth import InjectedFault
from stream_rrvae.messages import BoolArray, Counters, Frame, ScanStart, ScanState
from stream_rrvae.scan_store import ScanStore
from stream_rrvae.wire.pixels import decode_pixels

DESTROYED = frozenset({"truncate", "corrupt", "oversize", "wrong_shape", "wrong_dtype"})  # refused, each
CUT_SHORT = frozenset({"abort", "restart", "stall", "second_consumer"})  # which frames come is not known beforehand
TOLERANCE = 2e-5

Values = NDArray[np.float64]


class Witness:
    """A message format that remembers every frame as it was put into a message; see MessageFormat."""

    def __init__(self, form: MessageFormat) -> None:
        self._form = form
        self.largest_batch = form.largest_batch
        self.sent: dict[int, EncodedFrame] = {}

    @property
    def clock_offset_s(self) -> float:
        """See MessageFormat."""
        return self._form.clock_offset_s

    @clock_offset_s.setter
    def clock_offset_s(self, offset_s: float) -> None:
        self._form.clock_offset_s = offset_s

    def start(self, start: ScanStart) -> Parts:
        """See MessageFormat."""
        self.sent = {}
        return self._form.start(start)

    def frames(self, frames: Sequence[EncodedFrame]) -> Parts:
        """See MessageFormat."""
        self.sent.update((frame.number, frame) for frame in frames)
        return self._form.frames(frames)

    def end(self) -> Parts:
        """See MessageFormat."""
        return self._form.end()


@dataclass(frozen=True)
class SentScan:
    """One scan that went out, and what was done to it."""

    start: ScanStart
    frames: dict[int, EncodedFrame]
    faults: tuple[InjectedFault, ...]
    _pixels: dict[int, NDArray[Any]] = field(default_factory=dict)

    def numbers(self, *names: str) -> set[int]:
        """The frames that suffered one of these faults."""
        return {fault.number for fault in self.faults if fault.name in names}

    def values(self, number: int, center_px: tuple[float, float], usable: BoolArray) -> Values:
        """Sum, COM (ky, kx) and the sum within the disc of a frame, by NumPy in float64."""
        frame = self.frames[number]
        payload = memoryview(frame.payload)
        pixels = decode_pixels(Frame(0, number, frame.shape, frame.pixel_type, frame.encoding, payload))
        most = math.inf if self.start.saturation is None else self.start.saturation
        kept = np.where(usable & np.isfinite(pixels) & (pixels <= most), pixels, 0).astype(np.float64)
        ky, kx = (axis - at for axis, at in zip(np.indices(kept.shape), center_px, strict=True))
        total, radius_px = kept.sum(), self.start.calibration.disc_radius_px or 0.0
        com = [float((kept * axis).sum() / total) if total else math.nan for axis in (ky, kx)]
        return np.array([total, *com, kept[np.hypot(ky, kx) < radius_px].sum()])


def unexplained(counters: Counters) -> int:
    """By how many frames the account's two identities fail."""
    told = counters.processed + counters.refused + counters.duplicate + counters.skipped
    return abs(counters.expected - counters.received - counters.missing) + abs(counters.received - told)


def problems_of(store: ScanStore, sent: SentScan) -> list[str]:
    """What of a closed scan is not as it has to be; nothing when all is well."""
    return [*_of_account(store, sent), *_of_maps(store, sent)]


def _of_account(store: ScanStore, sent: SentScan) -> Iterator[str]:
    account = store.read_account()
    counters, covered = account.counters, int(np.count_nonzero(store.coverage))
    if unexplained(counters):
        yield f"{unexplained(counters)} frames are unexplained in {counters}"
    if covered != counters.processed:
        yield f"{covered} positions are covered and {counters.processed} processed"
    if sent.numbers(*CUT_SHORT):
        return
    wanted = {
        "refused": len(sent.numbers(*DESTROYED)),
        "duplicate": len(sent.numbers("duplicate")),
        "missing": len(sent.numbers("drop")),
        "processed": store.shape.n_positions - len(sent.numbers("drop", *DESTROYED)),
    }
    found = {name: getattr(counters, name) for name in wanted}
    if found != wanted:
        yield f"the account says {found}, and {wanted} happened"
    if account.state is not ScanState.COMPLETE:
        yield f"the scan is {account.state}, not complete"


def _of_maps(store: ScanStore, sent: SentScan) -> Iterator[str]:
    covered = np.flatnonzero(store.coverage)
    lost = sent.numbers("drop", *DESTROYED)
    filled = lost.intersection(covered.tolist())
    if filled:
        yield f"positions {sorted(filled)} have values, and their frames never came"
    if not sent.numbers(*CUT_SHORT) and len(covered) + len(lost) != store.shape.n_positions:
        yield "there are holes that nothing accounts for"
    holes = np.flatnonzero(store.coverage == 0)
    if np.isfinite(store.sum[holes]).any():
        yield "a hole of the map has a value"
    center_px = store.start.calibration.beam_center_px or (math.nan, math.nan)
    usable = np.ones(store.start.frame_shape, np.bool_) if sent.start.pixel_mask is None else sent.start.pixel_mask
    wanted = np.array([sent.values(int(number), center_px, usable) for number in covered]).reshape(-1, 4)
    found = np.stack([store.sum, store.com_y, store.com_x, store.bright_field], 1)[covered]
    unlike = ~np.isclose(found, wanted, TOLERANCE, TOLERANCE, equal_nan=True).all(axis=1)
    if unlike.any():
        at = int(np.flatnonzero(unlike)[0])
        yield f"{int(unlike.sum())} positions differ, the first {covered[at]}: {found[at]}, not {wanted[at]}"
