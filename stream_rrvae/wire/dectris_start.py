"""The start message of DECTRIS Stream V2 as a ScanStart."""

from __future__ import annotations

from stream_rrvae.errors import WireError
from stream_rrvae.messages import BoolArray, Refusal, ScanStart
from stream_rrvae.wire import limits
from stream_rrvae.wire.appendix import read_appendix
from stream_rrvae.wire.dectris_arrays import read_array
from stream_rrvae.wire.dectris_fields import (
    Fields,
    choose_channel,
    known_calibration,
    noted_metadata,
    positive,
    usable_pixels,
)
from stream_rrvae.wire.fields import integer, required, text
from stream_rrvae.wire.start_limits import check_channels, check_frame_count, check_start, sanitised_id

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
    appendix = read_appendix(fields.get("user_data"), known_calibration(fields, ignored))
    start = ScanStart(
        scan_id=sanitised_id(text(fields, "series_unique_id")),
        series=integer(fields, "series_id"),
        frame_shape=shape,
        pixel_type=limits.check_pixel_type(required(fields, "image_dtype")),
        frames_expected=check_frame_count(required(fields, "number_of_images"), appendix.path, appendix.scan_shape),
        scan_shape=appendix.scan_shape,
        saturation=positive(fields, "saturation_value", ignored),
        channels=channels,
        calibration=appendix.calibration,
        pixel_mask=_usable(fields, channel, shape, limit_bytes, ignored),
        shard_id=appendix.shard[0],
        shard_count=appendix.shard[1],
        shard_lines=appendix.shard[2],
        path=appendix.path,
        metadata=noted_metadata(_of_the_detector(fields), appendix, ignored),
    )
    return check_start(start, limit_bytes)


def _channels(fields: Fields) -> tuple[str, ...]:
    names = required(fields, "channels")
    if type(names) is not list or not all(type(name) is str for name in names):
        raise WireError(Refusal.TYPE, "the channels are not a list of names")
    check_channels(tuple(names))
    return tuple(names)


def _usable(
    fields: Fields, channel: str, shape: tuple[int, int], limit_bytes: int, ignored: list[str]
) -> BoolArray | None:
    masks = fields.get("pixel_mask")
    if not isinstance(masks, dict) or channel not in masks:
        return None
    try:
        return usable_pixels(read_array(masks[channel], series=0, number=0, limit_bytes=limit_bytes), shape)
    except WireError as error:
        ignored.append(f"pixel_mask: {error.detail}")
        return None


def _of_the_detector(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if key not in _ELSEWHERE}
