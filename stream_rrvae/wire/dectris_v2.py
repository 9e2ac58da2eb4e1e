"""DECTRIS Stream V2 (CBOR), as the vendor documents it: github.com/dectris/documentation, stream_v2."""

from __future__ import annotations

from collections.abc import Sequence

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Frame, Message, Refusal, ScanEnd
from stream_rrvae.wire import limits
from stream_rrvae.wire.cbor_message import read_map
from stream_rrvae.wire.cbor_subset import Value
from stream_rrvae.wire.dectris_arrays import read_array
from stream_rrvae.wire.dectris_fields import choose_channel
from stream_rrvae.wire.dectris_start import NEEDED, read_start
from stream_rrvae.wire.fields import MAX_INTEGER, integer, required, text
from stream_rrvae.wire.protocol import DEFAULT_LIMIT_BYTES
from stream_rrvae.wire.start_limits import sanitised_id

_IMAGE_AND_END = frozenset({"type", "series_id", "image_id", "data"})


class DectrisV2Protocol:
    """Decodes one channel of the stream: `channel`, else threshold_1, else the first announced."""

    name = "dectris-v2"

    def __init__(self, channel: str | None = None, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._wanted = channel
        self._limit_bytes = limit_bytes
        self._series = -1
        self._channel: str | None = None

    def decode(self, parts: Sequence[memoryview]) -> Sequence[Message]:
        """See DetectorProtocol."""
        if len(parts) != 1:
            raise WireError(Refusal.PARTS, f"{len(parts)} message parts, not 1")
        limits.check_message_bytes(parts, self._limit_bytes + limits.MAX_HEADER_BYTES)
        fields: dict[str, Value] = {}
        try:
            return (self._message(parts[0], fields),)
        except WireError as error:
            raise WireError(error.reason, error.detail, self._frame_number(fields)) from error

    def _message(self, part: memoryview, fields: dict[str, Value]) -> Message:
        read_map(part, _IMAGE_AND_END, fields)
        kind = text(fields, "type")
        if kind == "image":
            return self._image(fields)
        if kind == "start":
            return self._start(part)
        if kind == "end":
            return _end(part)
        raise WireError(Refusal.TYPE, f"a message of type {kind!r} is not known")

    def _start(self, part: memoryview) -> Message:
        fields: dict[str, Value] = {}
        read_map(part, NEEDED, fields, others=True)
        start = read_start(fields, self._wanted, self._limit_bytes)
        self._series = start.series
        self._channel = choose_channel(start.channels, self._wanted)
        return start

    def _image(self, fields: dict[str, Value]) -> Frame:
        data = required(fields, "data")
        if type(data) is not dict:
            raise WireError(Refusal.TYPE, "the image data is not a map of channels")
        channel = choose_channel(tuple(data), self._channel or self._wanted)
        return read_array(data[channel], integer(fields, "series_id"), integer(fields, "image_id"), self._limit_bytes)

    def _frame_number(self, fields: dict[str, Value]) -> int | None:
        """The refused image's number, if it belongs to the announced series: another's would fill the wrong hole."""
        known = fields.get("type") == "image" and fields.get("series_id") == self._series
        number = fields.get("image_id")
        return number if known and type(number) is int and 0 <= number <= MAX_INTEGER else None


def _end(part: memoryview) -> ScanEnd:
    fields: dict[str, Value] = {}
    read_map(part, frozenset({"series_id", "series_unique_id"}), fields)
    scan_id = text(fields, "series_unique_id") if "series_unique_id" in fields else ""
    return ScanEnd(integer(fields, "series_id"), sanitised_id(scan_id))
