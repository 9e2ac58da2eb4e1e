"""What is settled before a scan's first value: its calibration and where the bright disc lies.

The site's settings override the stream; what neither knows is found on the scan's first frames, and a centre
that these contradict is replaced where the stream gave it, kept where the site did, and noted.
A scan is never lost for want of a disc: a guess is taken and `metadata["calibration_note"]` says so.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.calibration import geometry
from stream_rrvae.calibration.center_check import seen_elsewhere
from stream_rrvae.calibration.disc import Disc, find_disc
from stream_rrvae.calibration.hot_pixels import hot_pixels
from stream_rrvae.calibration.override import override
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import CalibrationError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.log import event
from stream_rrvae.messages import BoolArray, Calibration, Float32Array, ScanStart

NOTE = "calibration_note"
HOT_PIXELS = "hot_pixels_masked"  # how many, in the metadata; absent where none was
SMALLEST_RADIUS_PX = 1.0
BASIS = BasisSpec()


@dataclass(frozen=True, slots=True)
class Known:
    """What settings and stream say of the disc; None = to be found."""

    center_px: tuple[float, float] | None  # (ky, kx)
    radius_px: float | None

    @property
    def disc(self) -> Disc | None:
        if self.center_px is None or self.radius_px is None:
            return None
        return Disc(self.center_px, self.radius_px)


@dataclass(frozen=True, slots=True)
class Settled:
    """A scan with everything decided that its measuring needs."""

    start: ScanStart  # calibration filled in
    disc: Disc
    com_reference: str  # "beam_center" if that was given, "scan_mean" if it was only estimated


def _known_disc(calibration: Calibration, frame_shape: tuple[int, int]) -> Known:
    """Centre and radius where they are given and can be: a centre off the detector is not believed."""
    center, radius = calibration.beam_center_px, calibration.disc_radius_px
    if center is not None and not all(-0.5 <= at <= side - 0.5 for at, side in zip(center, frame_shape, strict=True)):
        center = None
    if radius is None and calibration.semiangle_mrad and calibration.mrad_per_px:
        radius = calibration.semiangle_mrad / calibration.mrad_per_px
    if radius is not None and not SMALLEST_RADIUS_PX <= radius <= math.hypot(*frame_shape):
        radius = None
    return Known(center, radius)


def believable(start: ScanStart) -> ScanStart:
    """`start` without a saturation value that would leave no valid pixel."""
    if start.saturation is None or start.saturation > 0:
        return start
    note = f"the announced saturation value {start.saturation} is not used"
    return replace(start, saturation=None, metadata={**start.metadata, NOTE: note})


def is_told(start: ScanStart, site: CalibrationSettings) -> bool:
    """Whether the disc is known before the first frame, unless the first frames say otherwise."""
    return _known_disc(override(start.calibration, site), start.frame_shape).disc is not None


def needs_frames(start: ScanStart, site: CalibrationSettings) -> bool:
    """Whether the scan's first frames are looked at: for the disc, for hot pixels, for an announced centre.

    Only the site's own centre is believed unseen, and only with a mask that tells the bad pixels.
    """
    known = _known_disc(override(start.calibration, site), start.frame_shape)
    return known.disc is None or start.pixel_mask is None or site.beam_center_px is None


def settle(start: ScanStart, site: CalibrationSettings, mean: NDArray[np.float64], last: Disc | None = None) -> Settled:
    """Decide on `start`; `mean` [ky, kx] is looked at for the disc where it is not known, and for hot pixels.

    Where it shows none, the disc of the `last` scan on such frames is better than a guess.

    A scan that needs no frames has an empty mean: its store is there before its first frame, its mask is believed.
    """
    calibration = override(start.calibration, site)
    known = _known_disc(calibration, start.frame_shape)
    notes = _disbelieved(calibration, known)
    disc = known.disc
    if disc is None:
        found, note = _found(mean, usable_of(start), last)
        disc = Disc(known.center_px or found.center_px, known.radius_px or found.radius_px)
        notes += note
    reference = "scan_mean"
    if known.center_px:
        disc, reference, note = _checked(disc, start, site, mean)
        notes += note
    masked = _without_hot(start, mean, disc)
    return _settled(masked, calibration, disc, reference, notes)


def settle_without_disc(start: ScanStart, site: CalibrationSettings, reason: str) -> Settled:
    """The last resort: the whole detector is the disc, so that the scan is measured at all."""
    ky, kx = start.frame_shape
    disc = Disc(((ky - 1) / 2, (kx - 1) / 2), math.hypot(ky, kx))
    note = f"the whole detector is taken for the disc: {reason}"
    return _settled(start, override(start.calibration, site), disc, "scan_mean", [note])


def plan_of(settled: Settled, masks: BoolArray | None = None, gain: Float32Array | None = None) -> FramePlan:
    """How its frames are measured. Raises CalibrationError when no usable pixel lies in the disc.

    `masks` [K, ky, kx] are those of virtual detectors, `gain` [ky, kx] is the site's flat field, if it has one.
    """
    start, disc = settled.start, settled.disc
    mask = None if start.pixel_mask is None else start.pixel_mask.tobytes()
    packed = (0, b"") if masks is None else (len(masks), np.packbits(masks).tobytes())
    evened = None if gain is None else gain.astype(np.float32).tobytes()
    return _plan(start.frame_shape, disc.center_px, disc.radius_px, mask, start.saturation, packed, evened)


@lru_cache(maxsize=1)
def _plan(
    shape: tuple[int, int],
    center_px: tuple[float, float],
    radius_px: float,
    mask: bytes | None,
    saturation: float | None,
    detectors: tuple[int, bytes],
    gain: bytes | None,
) -> FramePlan:
    """The latest plan is kept: making it takes as long as thousands of frames, and scans are often alike."""
    usable = None if mask is None else np.frombuffer(mask, np.bool_).reshape(shape)
    count, packed = detectors
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=count * shape[0] * shape[1])
    masks = bits.astype(np.bool_).reshape(count, *shape)
    evened = None if gain is None else np.frombuffer(gain, np.float32).reshape(shape)
    return make_plan(shape, center_px, radius_px, BASIS, usable, saturation, masks=masks, gain=evened)


def _without_hot(start: ScanStart, mean: NDArray[np.float64], disc: Disc) -> ScanStart:
    """`start` with hot pixels taken out of its mask, and told how many."""
    hot = hot_pixels(mean, usable_of(start), disc)
    count = int(np.count_nonzero(hot))
    if not count:
        return start
    event("hot_pixels_left_out", logging.WARNING, scan_id=start.scan_id, count=count)
    return replace(start, pixel_mask=usable_of(start) & ~hot, metadata={**start.metadata, HOT_PIXELS: count})


def _found(mean: NDArray[np.float64], usable: BoolArray, last: Disc | None) -> tuple[Disc, list[str]]:
    try:
        disc = find_disc(mean, usable)
    except CalibrationError as error:
        reason = str(error)
    else:
        if math.isfinite(disc.radius_px) and disc.radius_px >= SMALLEST_RADIUS_PX:
            return disc, []
        reason = f"a disc of radius {disc.radius_px:.2g} px was found"
    if last is not None:
        return last, [f"beam centre and disc radius are those of the scan before, {_at(last)}: {reason}"]
    return _guess(mean, usable), [f"beam centre and disc radius are a guess: {reason}"]


def _checked(
    told: Disc, start: ScanStart, site: CalibrationSettings, mean: NDArray[np.float64]
) -> tuple[Disc, str, list[str]]:
    """A disc whose centre was given, beside what the first frames say: disc, COM reference, what to note."""
    seen = seen_elsewhere(told, mean, usable_of(start))
    if seen is None:
        return told, "beam_center", []
    if site.beam_center_px is not None:
        return told, "beam_center", [f"the disc is seen at {_at(seen)}; the beam centre is the site's, {_at(told)}"]
    note = f"the announced beam centre {_at(told)} is not used: the disc is seen at {_at(seen)}"
    return Disc(seen.center_px, told.radius_px), "scan_mean", [note]


def _at(disc: Disc) -> str:
    return f"({disc.center_px[0]:.1f}, {disc.center_px[1]:.1f}) px"


def _guess(mean: NDArray[np.float64], usable: BoolArray) -> Disc:
    """The detector's middle; an even disc's second moment is R^2 / 2, else a third of the detector."""
    shape = mean.shape
    middle = ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    weights = np.where(usable & (mean > 0), mean, 0.0)
    radius = min(shape) / 3
    if weights.sum() > 0:
        ky, kx = np.indices(shape)
        at_y, at_x = np.average(ky, weights=weights), np.average(kx, weights=weights)
        second = np.average((ky - at_y) ** 2 + (kx - at_x) ** 2, weights=weights)
        radius = min(radius, math.sqrt(2 * second)) if second > 0 else radius
    return Disc(middle, max(SMALLEST_RADIUS_PX, radius))


def _disbelieved(calibration: Calibration, known: Known) -> list[str]:
    if calibration.beam_center_px is not None and known.center_px is None:
        return [f"the given beam centre {calibration.beam_center_px} px lies off the detector and is not used"]
    return []


def _settled(
    start: ScanStart, calibration: Calibration, disc: Disc, com_reference: str, notes: Sequence[str]
) -> Settled:
    metadata = dict(start.metadata)
    if notes:
        metadata[NOTE] = "; ".join([*([str(metadata[NOTE])] if NOTE in metadata else []), *notes])
        event("geometry_doubtful", logging.WARNING, scan_id=start.scan_id, reason=metadata[NOTE])
    start = replace(start, calibration=geometry.settle(calibration, disc), metadata=metadata)
    return Settled(start, disc, com_reference)


def usable_of(start: ScanStart) -> BoolArray:
    """Which pixels [ky, kx] may be used."""
    return np.ones(start.frame_shape, np.bool_) if start.pixel_mask is None else start.pixel_mask
