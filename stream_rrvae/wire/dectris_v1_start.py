"""The header of DECTRIS Stream V1 as a ScanStart: detector configuration, pixel mask, the site's appendix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stream_rrvae.errors import WireError
from stream_rrvae.messages import BoolArray, Encoding, Frame, Refusal, ScanStart
from stream_rrvae.wire import limits
from stream_rrvae.wire.appendix import Appendix, read_appendix
from stream_rrvae.wire.dectris_fields import (
    DEFAULT_CHANNEL,
    Fields,
    choose_channel,
    known_calibration,
    noted_metadata,
    positive,
    usable_pixels,
)
from stream_rrvae.wire.dectris_v1_image import PIXEL_TYPES_OF_BITS, read_shape
from stream_rrvae.wire.fields import integer, required, text
from stream_rrvae.wire.json_part import read_json
from stream_rrvae.wire.start_limits import check_start, sanitised_id

MOST_PARTS = 9  # header, configuration, three tables of two parts each, appendix
_ONE_IMAGE_A_TRIGGER = ("exte", "inte")
CHANNELS = (DEFAULT_CHANNEL,)  # this stream carries the first threshold and no other


@dataclass(frozen=True, slots=True)
class Header:
    """A series' header; `config` None = not sent (header_detail none)."""

    series: int
    config: Fields | None
    tables: tuple[tuple[memoryview, memoryview], ...]  # description, content
    appendix: str | None
    limit_bytes: int


def read_header(parts: Sequence[memoryview], limit_bytes: int) -> Header:
    """The parts of a header message, the first of which says so. Raises WireError."""
    if len(parts) > MOST_PARTS:
        raise WireError(Refusal.PARTS, f"{len(parts)} message parts in a header, more than {MOST_PARTS}")
    first = read_json(parts[0], limits.MAX_HEADER_BYTES)
    bare = text(first, "header_detail") == "none"
    config = None if bare else read_json(parts[1], limits.MAX_HEADER_BYTES)
    rest = parts[1:] if bare else parts[2:]
    tables = tuple(zip(rest[:-1:2], rest[1::2], strict=True))
    appendix = _appendix_text(rest[-1]) if len(rest) % 2 else None
    return Header(integer(first, "series"), config, tables, appendix, limit_bytes)


def _appendix_text(part: memoryview) -> str | None:
    if part.nbytes > limits.MAX_HEADER_BYTES:
        raise WireError(Refusal.HEADER, f"an appendix of {part.nbytes} bytes is over {limits.MAX_HEADER_BYTES}")
    return str(part, "utf-8", "replace") or None


def read_start(header: Header, wanted_channel: str | None, image: Frame | None = None) -> ScanStart:
    """The announcement in a header; the first `image` says what a header without configuration does not.

    Raises WireError when what is needed is not acceptable; what is wrong with the rest is said in the metadata,
    as in Stream V2.
    """
    choose_channel(CHANNELS, wanted_channel)
    ignored: list[str] = []
    config = header.config or {}
    appendix = read_appendix(header.appendix, known_calibration(config, ignored))
    shape, pixel_type = (image.shape, image.pixel_type) if image else _pixels(config)
    start = ScanStart(
        scan_id=appendix.scan_id or _scan_id(header.series, config),
        series=header.series,
        frame_shape=shape,
        pixel_type=pixel_type,
        frames_expected=_frames(config) if header.config else _told_frames(appendix),
        scan_shape=appendix.scan_shape,
        saturation=positive(config, "saturation_value", ignored),
        channels=CHANNELS,
        calibration=appendix.calibration,
        pixel_mask=_usable(header, shape, ignored),
        shard_id=appendix.shard[0],
        shard_count=appendix.shard[1],
        shard_lines=appendix.shard[2],
        path=appendix.path,
        metadata=noted_metadata(config, appendix, ignored),
    )
    return check_start(start, header.limit_bytes)


def check_scan_shape_is_told(header: Header) -> None:
    """A header without configuration must bring a scan shape. Raises WireError(FIELD)."""
    _told_frames(read_appendix(header.appendix, known_calibration({}, [])))


def _told_frames(appendix: Appendix) -> int:
    if appendix.scan_shape is None:
        detail = "the header does not say how many images will come: set header_detail to basic or all"
        raise WireError(Refusal.FIELD, f"{detail}, or put scan_shape into header_appendix")
    return appendix.path.frames_due(appendix.scan_shape)


def _scan_id(series: int, config: Fields) -> str:
    """The number begins anew when the detector restarts, the date does not."""
    date: Any = config.get("data_collection_date")
    return sanitised_id(f"series-{series}-{date}" if type(date) is str else f"series-{series}")


def _pixels(config: Fields) -> tuple[tuple[int, int], str]:
    columns, rows = (integer(config, f"{axis}_pixels_in_detector", 1, limits.MAX_SIDE_PX) for axis in "xy")
    bits = integer(config, "bit_depth_image")
    if bits not in PIXEL_TYPES_OF_BITS:
        raise WireError(Refusal.PIXEL_TYPE, f"images of {bits} bits are not supported")
    return (rows, columns), PIXEL_TYPES_OF_BITS[bits]


def _frames(config: Fields) -> int:
    triggers, images = (integer(config, name, 1, limits.MAX_SERIES_FRAMES) for name in ("ntrigger", "nimages"))
    return triggers if config.get("trigger_mode") in _ONE_IMAGE_A_TRIGGER else triggers * images


def _usable(header: Header, shape: tuple[int, int], ignored: list[str]) -> BoolArray | None:
    try:
        for description, content in header.tables:
            fields = read_json(description, limits.MAX_HEADER_BYTES)
            if fields.get("htype") == "dpixelmask-1.0" and content.nbytes:
                return usable_pixels(_mask(fields, content, header.limit_bytes), shape)
    except WireError as error:
        ignored.append(f"pixel_mask: {error.detail}")
    return None


def _mask(fields: Fields, content: memoryview, limit_bytes: int) -> Frame:
    pixel_type = limits.check_pixel_type(required(fields, "type"))
    shape = read_shape(required(fields, "shape"))
    limits.check_frame_bytes(shape, pixel_type, limit_bytes)
    return Frame(0, 0, shape, pixel_type, Encoding.NONE, content)
