"""A snapshot, or what changed since the one before, as one msgpack message and back; whatever is odd is a FeedError.

The message is a map with "p" and "v" (protocol and version) and the fields of
`messages.Snapshot`; arrays are {"dtype", "shape", "bytes"}, those of NaN alone without bytes but with "nothing". No
extension types, no classes. "stream" and "update" number the messages of one publisher. Changes have another "p",
"since", the update that they build on, and instead of "maps" "runs": by map {"first", "values": {"dtype", "bytes"}},
values from a row-major position on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from stream_rrvae.errors import FeedError, WireError
from stream_rrvae.feed.array_codec import decode_map, decode_run, decode_shape
from stream_rrvae.feed.message_of_arrays import message_of
from stream_rrvae.feed.plain_msgpack import check_plain, unpack_map
from stream_rrvae.feed.runs import Run
from stream_rrvae.messages import Float32Array, Snapshot
from stream_rrvae.plain import from_plain, to_plain
from stream_rrvae.wire.start_limits import check_path, check_shard

PROTOCOL = "stream-rrvae-feed"
PROTOCOL_OF_CHANGES = "stream-rrvae-feed-changes"
VERSION = 1
BEGINNING = b"\xde"  # of every message: msgpack's map of more than 15; whoever subscribes to it understands changes
MESSAGE_BYTES_LIMIT = 256 << 20
IMAGE_BYTES_LIMIT = 64 << 20
MAPS_LIMIT = 64
NAME_LIMIT = 64
_PATTERNS = ("pattern", "mean_pattern")
_ARRAYS = ("maps", "runs", *_PATTERNS)
_KIND_AT = 3  # behind the map's head
_WHAT = "a snapshot"


@dataclass(frozen=True, slots=True)
class Mark:
    """Which update of which publisher a message is; `since` the one that changes build on, None = it is whole."""

    stream: str = ""
    number: int = 0
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """A snapshot with all its maps."""

    snapshot: Snapshot
    mark: Mark


@dataclass(frozen=True, slots=True)
class Changes:
    """A snapshot without maps, and what changed of each since the update before."""

    snapshot: Snapshot
    mark: Mark
    runs: Mapping[str, Run]


def encode_snapshot(snapshot: Snapshot, mark: Mark | None = None) -> memoryview:
    """`snapshot` as one message. Raises FeedError when it holds what cannot be sent."""
    _check_consistent(snapshot)
    told = {} if mark is None else {"stream": mark.stream, "update": mark.number}
    return _message(PROTOCOL, snapshot, told, {"maps": snapshot.maps})


def encode_changes(snapshot: Snapshot, runs: Mapping[str, Run], mark: Mark) -> memoryview:
    """`snapshot` with what changed of its maps. Raises FeedError when it holds what cannot be sent."""
    _check_consistent(snapshot)
    told = {"stream": mark.stream, "update": mark.number, "since": mark.since}
    plain = {name: {"first": run.first, "values": run.values} for name, run in runs.items()}
    return _message(PROTOCOL_OF_CHANGES, snapshot, told, {"runs": plain})


def _message(protocol: str, snapshot: Snapshot, told: Mapping[str, Any], arrays: Mapping[str, Any]) -> memoryview:
    plain = {field: to_plain(getattr(snapshot, field)) for field in Snapshot.__slots__ if field not in _ARRAYS}
    check_plain(plain, _WHAT)
    patterns = {name: getattr(snapshot, name) for name in _PATTERNS}
    return message_of({"p": protocol, "v": VERSION, **plain, **told, **arrays, **patterns}, _WHAT)


def is_whole(message: bytes | memoryview) -> bool:
    """Whether `message` says that it is a whole snapshot; it may still be none at all."""
    return bytes(message[_KIND_AT : _KIND_AT + len(_WHOLE)]) == _WHOLE


_WHOLE = bytes(msgpack.packb("p") + msgpack.packb(PROTOCOL))


def decode_snapshot(message: bytes | memoryview) -> Snapshot:
    """The whole snapshot in `message`; its arrays are read-only. Raises FeedError."""
    update = decode_message(message)
    if isinstance(update, Changes):
        raise FeedError("changes of a snapshot, not a whole one")
    return update.snapshot


def decode_message(message: bytes | memoryview) -> Whole | Changes:
    """What is in `message`; its arrays are read-only. Raises FeedError."""
    plain = unpack_map(message, MESSAGE_BYTES_LIMIT, IMAGE_BYTES_LIMIT, _WHAT)
    protocol = plain.get("p")
    if protocol not in (PROTOCOL, PROTOCOL_OF_CHANGES) or plain.get("v") != VERSION:
        raise FeedError("not a snapshot of this version")
    if protocol == PROTOCOL:
        return Whole(_decode_fields(plain, _decode_maps(plain.get("maps"))), _decode_mark(plain, False))
    snapshot = _decode_fields(plain, {})
    return Changes(snapshot, _decode_mark(plain, True), _decode_runs(plain.get("runs"), math.prod(snapshot.scan_shape)))


def _decode_fields(plain: Mapping[str, Any], maps: Mapping[str, Float32Array]) -> Snapshot:
    given = {name: plain[name] for name in _PATTERNS if plain.get(name) is not None}
    patterns = {name: decode_map(f"the {name}", image, IMAGE_BYTES_LIMIT) for name, image in given.items()}
    check_plain({name: value for name, value in plain.items() if name not in _ARRAYS}, _WHAT)
    try:
        snapshot = from_plain(Snapshot, {**plain, "maps": maps, **patterns})
    except (TypeError, ValueError) as error:
        raise FeedError(f"the snapshot does not fit: {error}") from error
    _check_consistent(snapshot)
    return snapshot


def _decode_mark(plain: Mapping[str, Any], has_since: bool) -> Mark:
    """Older services send none, and whole snapshots only."""
    stream, number = plain.get("stream", ""), plain.get("update", 0)
    since = plain.get("since") if has_since else None
    if not isinstance(stream, str) or type(number) is not int or (has_since and type(since) is not int):
        raise FeedError("the message does not say which update it is")
    return Mark(stream, number, since)


def _decode_runs(plain: Any, n_positions: int) -> dict[str, Run]:
    _check_names(plain, "the runs")
    return {name: decode_run(name, run, n_positions) for name, run in plain.items()}


def _decode_maps(plain: Any) -> dict[str, Float32Array]:
    _check_names(plain, "the maps")
    return {name: decode_map(name, image, IMAGE_BYTES_LIMIT) for name, image in plain.items()}


def _check_names(plain: Any, what: str) -> None:
    if not isinstance(plain, dict) or len(plain) > MAPS_LIMIT:
        raise FeedError(f"{what} are a map of at most {MAPS_LIMIT}")
    for name in plain:
        if not isinstance(name, str) or not name.isidentifier() or len(name) > NAME_LIMIT:
            raise FeedError("a map's name is not an identifier")


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
    _check_lines(snapshot)


def _check_lines(snapshot: Snapshot) -> None:
    """Whoever merges shards reckons with these."""
    try:
        check_shard(snapshot.shard_id, snapshot.shard_count, snapshot.shard_lines)
        check_path(snapshot.path, snapshot.scan_shape)
    except WireError as error:
        raise FeedError(f"the scan is told of as it cannot be: {error.detail}") from error


def _check_values(name: str, mapping: Any, kind: Any) -> None:
    """Mappings come through `from_plain` as they were sent, so they are looked at here."""
    if not isinstance(mapping, Mapping) or not all(isinstance(value, kind) for value in mapping.values()):
        raise FeedError(f"{name} is not what it should be")
