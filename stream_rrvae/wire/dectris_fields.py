"""What both DECTRIS streams say of the detector, in fields of the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stream_rrvae.errors import WireError
from stream_rrvae.messages import BoolArray, Calibration, Frame, Plain, Refusal
from stream_rrvae.wire import limits
from stream_rrvae.wire.appendix import Appendix
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.start_limits import fitting_metadata

DEFAULT_CHANNEL = "threshold_1"

Fields = Mapping[str, Any]


def choose_channel(channels: tuple[str, ...], wanted: str | None) -> str:
    """The wanted channel, else threshold_1, else the first. Raises WireError(CHANNEL)."""
    if wanted is not None and wanted in channels:
        return wanted
    if wanted is not None or not channels:
        there = ", ".join(channels)[: limits.MAX_TEXT] or "none"
        raise WireError(Refusal.CHANNEL, f"the channel {wanted or 'of the detector'} is not sent, there is: {there}")
    return DEFAULT_CHANNEL if DEFAULT_CHANNEL in channels else channels[0]


def known_calibration(fields: Fields, ignored: list[str]) -> Calibration:
    """Beam centre and energy, as far as they make sense; what does not is named in `ignored`."""
    return Calibration(
        beam_center_px=_beam_center(fields, ignored), beam_energy_ev=positive(fields, "incident_energy", ignored)
    )


def _beam_center(fields: Fields, ignored: list[str]) -> tuple[float, float] | None:
    ky, kx = (number(fields, name, ignored) for name in ("beam_center_y", "beam_center_x"))
    # The detector's own default is (0, 0): it was never set.
    return None if ky is None or kx is None or ky == kx == 0.0 else (ky, kx)


def positive(fields: Fields, name: str, ignored: list[str]) -> float | None:
    """A number above 0, None when it is absent or makes no sense."""
    return number(fields, name, ignored, low=0.0) or None


def number(fields: Fields, name: str, ignored: list[str], low: float = -8.0 * limits.MAX_SIDE_PX) -> float | None:
    """A number from `low` on, None when it is absent or makes no sense; that is said in `ignored`."""
    if fields.get(name) is None:
        return None
    try:
        return limits.check_number(fields[name], name, low, 2.0**32)
    except WireError as error:
        ignored.append(error.detail)
        return None


def usable_pixels(packed: Frame, shape: tuple[int, int]) -> BoolArray:
    """True where the detector's mask is zero: every bit of it names a defect. Raises WireError when it does not fit."""
    if packed.shape != shape:
        raise WireError(Refusal.SHAPE, f"{packed.shape} for frames of {shape}")
    usable: BoolArray = np.equal(decode_pixels(packed), 0)
    limits.check_pixel_mask(usable, shape)
    return usable


def noted_metadata(detector: Fields, appendix: Appendix, ignored: Sequence[str]) -> dict[str, Plain]:
    """The appendix' metadata, what was wrong with the start, and the detector's own words as far as there is room."""
    notes: dict[str, Any] = dict(appendix.metadata)
    if appendix.errors:
        notes["appendix_error"] = "; ".join(appendix.errors)
    if ignored:
        notes["ignored_fields"] = list(ignored)
    return fitting_metadata(notes, "detector", detector)
