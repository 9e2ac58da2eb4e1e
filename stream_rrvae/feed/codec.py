"""A snapshot as one msgpack message and back; whatever is odd about a message is a FeedError.

The message is a map with "p" and "v" (protocol and version) and the fields of
`messages.Snapshot`; arrays are {"dtype", "shape", "bytes"}, those of NaN alone without bytes but with "nothing". No
extension types, no classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stream_rrvae.errors import FeedError
from stream_rrvae.feed.array_codec import decode_map, decode_shape
from stream_rrvae.feed.message_of_arrays import message_of
from stream_rrvae.feed.plain_msgpack import check_plain, unpack_map
from stream_rrvae.messages import Float32Array, Snapshot
from stream_rrvae.plain import from_plain, to_plain

PROTOCOL = "stream-rrvae-feed"
VERSION = 1
MESSAGE_BYTES_LIMIT = 256 << 20
IMAGE_BYTES_LIMIT = 64 << 20
MAPS_LIMIT = 64
NAME_LIMIT = 64
_ARRAYS = ("maps", "pattern")
_WHAT = "a snapshot"


def encode_snapshot(snapshot: Snapshot) -> memoryview:
    """`snapshot` as one message. Raises FeedError when it holds what cannot be sent."""
    _check_consistent(snapshot)
    plain = {field: to_plain(getattr(snapshot, field)) for field in Snapshot.__slots__ if field not in _ARRAYS}
    check_plain(plain, _WHAT)
    arrays = {"maps": snapshot.maps, "pattern": snapshot.pattern}
    return message_of({"p": PROTOCOL, "v": VERSION, **plain, **arrays}, _WHAT)


def decode_snapshot(message: bytes | memoryview) -> Snapshot:
    """The snapshot in `message`; its arrays are read-only. Raises FeedError."""
    plain = unpack_map(message, MESSAGE_BYTES_LIMIT, IMAGE_BYTES_LIMIT, _WHAT)
    if plain.get("p") != PROTOCOL or plain.get("v") != VERSION:
        raise FeedError("not a snapshot of this version")
    maps = _decode_maps(plain.get("maps"))
    pattern = None if plain.get("pattern") is None else decode_map("the pattern", plain["pattern"], IMAGE_BYTES_LIMIT)
    check_plain({name: value for name, value in plain.items() if name not in _ARRAYS}, _WHAT)
    try:
        snapshot = from_plain(Snapshot, {**plain, "maps": maps, "pattern": pattern})
    except (TypeError, ValueError) as error:
        raise FeedError(f"the snapshot does not fit: {error}") from error
    _check_consistent(snapshot)
    return snapshot


def _decode_maps(plain: Any) -> dict[str, Float32Array]:
    if not isinstance(plain, dict) or len(plain) > MAPS_LIMIT:
        raise FeedError(f"the maps are a map of at most {MAPS_LIMIT}")
    for name in plain:
        if not isinstance(name, str) or not name.isidentifier() or len(name) > NAME_LIMIT:
            raise FeedError("a map's name is not an identifier")
    return {name: decode_map(name, image, IMAGE_BYTES_LIMIT) for name, image in plain.items()}


def _check_consistent(snapshot: Snapshot) -> None:
    shape = decode_shape("the scan", list(snapshot.scan_shape))
    for name, image in snapshot.maps.items():
        if image.shape != shape:
            raise FeedError(f"{name} has shape {image.shape}, the scan {shape}")
    _check_values("units", snapshot.units, str)
    _check_values("refusals", snapshot.counters.refusals, int)
    _check_values("skips", snapshot.counters.skips, int)
    _check_values("quality", snapshot.model.quality, int | float | list)
    _check_values("model", snapshot.model.model, str | int)
    _check_values("metadata", snapshot.metadata, object)
    _check_values("calibration_origin", snapshot.calibration_origin, str)
    _check_values("not_made", snapshot.not_made, str)
    position = snapshot.pattern_position
    if position and not all(0 <= index < side for index, side in zip(position, shape, strict=True)):
        raise FeedError(f"the pattern's position {position} lies outside the scan {shape}")
    if not math.isfinite(snapshot.published_unix_s):
        raise FeedError("the time of publication is not a number")


def _check_values(name: str, mapping: Any, kind: Any) -> None:
    """Mappings come through `from_plain` as they were sent, so they are looked at here."""
    if not isinstance(mapping, Mapping) or not all(isinstance(value, kind) for value in mapping.values()):
        raise FeedError(f"{name} is not what it should be")
