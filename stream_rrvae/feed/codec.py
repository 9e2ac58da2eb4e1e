"""A snapshot as one msgpack message and back; whatever is odd about a message is a FeedError.

The message is a map with "p" and "v" (protocol and version) and the fields of
`messages.Snapshot`; arrays are {"dtype", "shape", "bytes"}. No extension types, no classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import msgpack

from stream_rrvae.errors import FeedError
from stream_rrvae.feed.array_codec import decode_array, decode_shape, encode_array
from stream_rrvae.messages import Float32Array, Snapshot
from stream_rrvae.plain import from_plain, to_plain

PROTOCOL = "stream-rrvae-feed"
VERSION = 1
MESSAGE_BYTES_LIMIT = 256 << 20
IMAGE_BYTES_LIMIT = 64 << 20
TEXT_LIMIT = 16384
ITEMS_LIMIT = 1024  # of one list or map
DEPTH_LIMIT = 8
MAPS_LIMIT = 64
NAME_LIMIT = 64
_ARRAYS = ("maps", "pattern")


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """`snapshot` as one message. Raises FeedError when it holds what cannot be sent."""
    _check_consistent(snapshot)
    plain = {field: to_plain(getattr(snapshot, field)) for field in Snapshot.__slots__ if field not in _ARRAYS}
    _check_plain(plain)
    plain["maps"] = {name: encode_array(image) for name, image in snapshot.maps.items()}
    plain["pattern"] = None if snapshot.pattern is None else encode_array(snapshot.pattern)
    try:
        return bytes(msgpack.packb({"p": PROTOCOL, "v": VERSION, **plain}))
    except (TypeError, ValueError, OverflowError) as error:
        raise FeedError(f"the snapshot holds what msgpack cannot carry: {error}") from error


def decode_snapshot(message: bytes | memoryview) -> Snapshot:
    """The snapshot in `message`; its arrays are read-only. Raises FeedError."""
    plain = _unpack(message)
    if plain.get("p") != PROTOCOL or plain.get("v") != VERSION:
        raise FeedError("not a snapshot of this version")
    maps = _decode_maps(plain.get("maps"))
    pattern = None if plain.get("pattern") is None else decode_array("the pattern", plain["pattern"])
    _check_plain({name: value for name, value in plain.items() if name not in _ARRAYS})
    try:
        snapshot = from_plain(Snapshot, {**plain, "maps": maps, "pattern": pattern})
    except (TypeError, ValueError) as error:
        raise FeedError(f"the snapshot does not fit: {error}") from error
    _check_consistent(snapshot)
    return snapshot


def _unpack(message: bytes | memoryview) -> dict[str, Any]:
    if len(message) > MESSAGE_BYTES_LIMIT:
        raise FeedError(f"a snapshot of {len(message)} bytes is longer than {MESSAGE_BYTES_LIMIT}")
    try:
        plain = msgpack.unpackb(
            message,
            raw=False,
            strict_map_key=True,
            max_str_len=TEXT_LIMIT,
            max_bin_len=IMAGE_BYTES_LIMIT,
            max_array_len=ITEMS_LIMIT,
            max_map_len=ITEMS_LIMIT,
            max_ext_len=0,
            ext_hook=_no_extension,
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise FeedError(f"not msgpack within the limits: {error}") from error
    if not isinstance(plain, dict):
        raise FeedError("a snapshot is a map")
    return plain


def _no_extension(code: int, _data: bytes) -> NoReturn:
    raise FeedError(f"extension type {code} is not part of a snapshot")


def _decode_maps(plain: Any) -> dict[str, Float32Array]:
    if not isinstance(plain, dict) or len(plain) > MAPS_LIMIT:
        raise FeedError(f"the maps are a map of at most {MAPS_LIMIT}")
    for name in plain:
        if not isinstance(name, str) or not name.isidentifier() or len(name) > NAME_LIMIT:
            raise FeedError("a map's name is not an identifier")
    return {name: decode_array(name, image) for name, image in plain.items()}


def _check_plain(value: Any, depth: int = 0) -> None:
    """No nesting without end and only text as keys, so that viewers may walk the tree."""
    if depth > DEPTH_LIMIT:
        raise FeedError(f"the snapshot nests deeper than {DEPTH_LIMIT}")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise FeedError("a key is not text")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_plain(item, depth + 1)
    elif value is not None and not isinstance(value, bool | int | float | str | bytes):
        raise FeedError(f"a {type(value).__name__} is not part of a snapshot")


def _check_consistent(snapshot: Snapshot) -> None:
    shape = decode_shape("the scan", list(snapshot.scan_shape))
    for name, image in snapshot.maps.items():
        if image.shape != shape:
            raise FeedError(f"{name} has shape {image.shape}, the scan {shape}")
    _check_values("units", snapshot.units, str)
    _check_values("refusals", snapshot.counters.refusals, int)
    _check_values("quality", snapshot.model.quality, int | float | list)
    _check_values("model", snapshot.model.model, str | int)
    _check_values("metadata", snapshot.metadata, object)
    position = snapshot.pattern_position
    if position and not all(0 <= index < side for index, side in zip(position, shape, strict=True)):
        raise FeedError(f"the pattern's position {position} lies outside the scan {shape}")
    if not math.isfinite(snapshot.published_unix_s):
        raise FeedError("the time of publication is not a number")


def _check_values(name: str, mapping: Any, kind: Any) -> None:
    """Mappings come through `from_plain` as they were sent, so they are looked at here."""
    if not isinstance(mapping, Mapping) or not all(isinstance(value, kind) for value in mapping.values()):
        raise FeedError(f"{name} is not what it should be")
