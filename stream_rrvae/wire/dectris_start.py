"""The start message of DECTRIS Stream V2 as a ScanStart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stream_rrvae.errors import WireError
from stream_rrvae.messages import BoolArray, Calibration, Plain, Refusal, ScanStart
from stream_rrvae.wire import limits
from stream_rrvae.wire.appendix import Appendix, read_appendix
from stream_rrvae.wire.cbor_subset import Value
from stream_rrvae.wire.dectris_arrays import read_array
from stream_rrvae.wire.fields import integer, required, text
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.start_limits import check_channels, check_start, fitting_metadata, sanitised_id

NEEDED = frozenset(
    {
        "type",
        "series_id",
        "series_unique_id",
        "number_of_images",
        "image_size_x",
        "image_size_y",
        "image_dtype",
        "channels",
    }
)
_ELSEWHERE = NEEDED | {"user_data", "pixel_mask"}  # of the start, what the metadata need not repeat
DEFAULT_CHANNEL = "threshold_1"

Fields = Mapping[str, Value]


def read_start(fields: Fields, wanted_channel: str | None, limit_bytes: int) -> ScanStart:
    """The announcement in a start message's fields. Raises WireError when what is needed is not acceptable.

    Optional fields that make no sense are left out, named in metadata["ignored_fields"];
    a wrong appendix is described in metadata["appendix_error"].
    """
    shape = (
        integer(fields, "image_size_y", 1, limits.MAX_SIDE_PX),
        integer(fields, "image_size_x", 1, limits.MAX_SIDE_PX),
    )
    channels = _channels(fields)
    channel = choose_channel(channels, wanted_channel)
    ignored: list[str] = []
    known = Calibration(
        beam_center_px=_beam_center(fields, ignored),
        beam_energy_ev=_positive(fields, "incident_energy", ignored),
    )
    appendix = read_appendix(fields.get("user_data"), known)
    start = ScanStart(
        scan_id=sanitised_id(text(fields, "series_unique_id")),
        series=integer(fields, "series_id"),
        frame_shape=shape,
        pixel_type=limits.check_pixel_type(required(fields, "image_dtype")),
        frames_expected=integer(fields, "number_of_images", 1, limits.MAX_POSITIONS),
        scan_shape=appendix.scan_shape,
        saturation=_positive(fields, "saturation_value", ignored),
        channels=channels,
        calibration=appendix.calibration,
        pixel_mask=_usable(fields, channel, shape, limit_bytes, ignored),
        metadata=_metadata(fields, appendix, ignored),
    )
    return check_start(start, limit_bytes)


def choose_channel(channels: tuple[str, ...], wanted: str | None) -> str:
    """The wanted channel, else threshold_1, else the first. Raises WireError(CHANNEL)."""
    if wanted is not None and wanted in channels:
        return wanted
    if wanted is not None or not channels:
        there = ", ".join(channels)[: limits.MAX_TEXT] or "none"
        raise WireError(Refusal.CHANNEL, f"the channel {wanted or 'of the detector'} is not sent, there is: {there}")
    return DEFAULT_CHANNEL if DEFAULT_CHANNEL in channels else channels[0]


def _channels(fields: Fields) -> tuple[str, ...]:
    names = required(fields, "channels")
    if type(names) is not list or not all(type(name) is str for name in names):
        raise WireError(Refusal.TYPE, "the channels are not a list of names")
    check_channels(tuple(names))
    return tuple(names)


def _beam_center(fields: Fields, ignored: list[str]) -> tuple[float, float] | None:
    ky, kx = (_number(fields, name, ignored) for name in ("beam_center_y", "beam_center_x"))
    # The detector's own default is (0, 0): it was never set.
    return None if ky is None or kx is None or ky == kx == 0.0 else (ky, kx)


def _positive(fields: Fields, name: str, ignored: list[str]) -> float | None:
    return _number(fields, name, ignored, low=0.0) or None


def _number(fields: Fields, name: str, ignored: list[str], low: float = -8.0 * limits.MAX_SIDE_PX) -> float | None:
    if fields.get(name) is None:
        return None
    try:
        return limits.check_number(fields[name], name, low, 2.0**32)
    except WireError as error:
        ignored.append(error.detail)
        return None


def _usable(
    fields: Fields, channel: str, shape: tuple[int, int], limit_bytes: int, ignored: list[str]
) -> BoolArray | None:
    """True where the channel's mask is zero: every bit of it names a defect."""
    masks = fields.get("pixel_mask")
    if not isinstance(masks, dict) or channel not in masks:
        return None
    try:
        packed = read_array(masks[channel], series=0, number=0, limit_bytes=limit_bytes)
        if packed.shape != shape:
            raise WireError(Refusal.SHAPE, f"{packed.shape} for frames of {shape}")
        usable: BoolArray = np.equal(decode_pixels(packed), 0)
        limits.check_pixel_mask(usable, shape)
    except WireError as error:
        ignored.append(f"pixel_mask: {error.detail}")
        return None
    return usable


def _metadata(fields: Fields, appendix: Appendix, ignored: list[str]) -> dict[str, Plain]:
    notes: dict[str, Any] = dict(appendix.metadata)
    if appendix.errors:
        notes["appendix_error"] = "; ".join(appendix.errors)
    if ignored:
        notes["ignored_fields"] = ignored
    detector = {key: value for key, value in fields.items() if key not in _ELSEWHERE}
    return fitting_metadata(notes, "detector", detector)
