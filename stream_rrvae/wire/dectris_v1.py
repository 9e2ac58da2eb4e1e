"""DECTRIS Stream V1, the legacy interface: JSON and pixels as parts of one ZeroMQ message.

Sources: DECTRIS, SIMPLON API reference 1.8, chapter "stream"; what public receivers of it expect; a recorded session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Message, Refusal, ScanEnd
from stream_rrvae.wire import limits
from stream_rrvae.wire.dectris_v1_image import read_image
from stream_rrvae.wire.dectris_v1_start import Header, check_scan_shape_is_told, read_header, read_start
from stream_rrvae.wire.fields import integer, text
from stream_rrvae.wire.json_part import read_json
from stream_rrvae.wire.protocol import DEFAULT_LIMIT_BYTES

Parts = Sequence[memoryview]


class DectrisV1Protocol:
    """Decodes the stream's one channel, threshold_1."""

    name = "dectris-v1"

    def __init__(self, channel: str | None = None, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._wanted = channel
        self._limit_bytes = limit_bytes
        self._series = -1
        self._head: memoryview | None = None  # a header's first part whose configuration comes as a message of its own
        self._unannounced: Header | None = None  # without configuration: the first image completes it

    def decode(self, parts: Parts) -> Sequence[Message]:
        """See DetectorProtocol."""
        if not parts:
            raise WireError(Refusal.PARTS, "a message without parts")
        limits.check_message_bytes(parts, self._limit_bytes)
        first = read_json(parts[0], limits.MAX_HEADER_BYTES)
        head, self._head = self._head, None
        if head is not None and len(parts) == 1 and "htype" not in first:
            return self._header([head, *parts])
        kind = text(first, "htype")
        if kind == "dimage-1.0":
            return self._image(first, parts)
        if kind == "dheader-1.0":
            return self._header(parts)
        if kind == "dseries_end-1.0":
            return self._end(first, parts)
        raise WireError(Refusal.TYPE, f"a message of type {kind!r} is not known")

    def _header(self, parts: Parts) -> Sequence[Message]:
        first = read_json(parts[0], limits.MAX_HEADER_BYTES)
        if len(parts) == 1 and text(first, "header_detail") != "none":
            self._head = memoryview(bytes(parts[0]))  # LiberTEM's simulator sends a header in two messages
            return ()
        header = read_header(parts, self._limit_bytes)
        self._unannounced = None
        if header.config is None:
            check_scan_shape_is_told(header)
            self._series, self._unannounced = header.series, header
            return ()
        start = read_start(header, self._wanted)
        self._series = start.series
        return (start,)

    def _image(self, first: Mapping[str, Any], parts: Parts) -> Sequence[Message]:
        series, number = integer(first, "series"), integer(first, "frame")
        try:
            frame = read_image(parts, series, number, self._limit_bytes)
            header = self._unannounced
            if header is None or header.series != series:
                return (frame,)
            start = read_start(header, self._wanted, frame)
            self._unannounced = None
            return (start, frame)
        except WireError as error:
            # A number of another series would fill the wrong hole.
            raise WireError(error.reason, error.detail, number if series == self._series else None) from error

    def _end(self, first: Mapping[str, Any], parts: Parts) -> Sequence[Message]:
        if len(parts) != 1:
            raise WireError(Refusal.PARTS, f"{len(parts)} message parts in an end, not 1")
        return (ScanEnd(integer(first, "series")),)
