"""What flows through the service: frozen values, no behaviour beyond their own checks.

Conventions, written once. Scan axes are (y, x); detector axes are (ky, kx), row and column
of the frame as it arrives; pixel centres lie at whole numbers. Angles are atan2(y, x) in
radians, in (-pi, pi]. The geometry between detector and scan is in `Calibration`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.found import CalibrationFound, DescanFound
from stream_rrvae.scan_path import RASTER, ScanPath

Plain = Any  # None, bool, int, float, str, bytes, or a list or dict of these: what msgpack and JSON carry
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

PIXEL_TYPES = ("uint8", "uint16", "uint32", "float32")


class Encoding(StrEnum):
    """How a frame's bytes are packed; both LZ4 forms use the HDF5 framing (12-byte header)."""

    NONE = "none"
    BSLZ4 = "bslz4"
    LZ4 = "lz4"


class Refusal(StrEnum):
    """Why a message or frame was refused; the label of a counter, so short and few."""

    PARTS = "parts"  # wrong number of message parts
    HEADER = "header"  # header too long or not parseable
    VERSION = "version"  # protocol version not known
    TYPE = "type"  # message type not known, or a field of the wrong type
    FIELD = "field"  # a required field is absent or out of bounds
    PIXEL_TYPE = "pixel_type"  # pixel type not supported or not the announced one
    SHAPE = "shape"  # frame shape not acceptable or not the announced one
    SIZE = "size"  # byte counts do not fit the shape
    ENCODING = "encoding"  # compression not known
    CHANNEL = "channel"  # the wanted detector channel is not in the message
    DECODE = "decode"  # compressed bytes could not be decoded
    NUMBER = "number"  # frame number outside the scan
    NO_SCAN = "no_scan"  # a frame without a running scan
    STALE = "stale"  # a frame or end of another series


class FrameSkip(StrEnum):
    """Why a frame was received and recorded, and left out of the maps; the label of a counter."""

    EVERY_KTH = "every_kth"  # only some positions were computed then
    RECORD_ONLY = "record_only"  # none was
    STOPPING = "stopping"  # the service was told to end, and had no time for them


class DegradeLevel(IntEnum):
    """What a service leaves out to keep up with its detector; every level leaves out what those before it do."""

    ALL = 0  # nothing
    NO_TRAINING = 1
    ENCODE_SELDOM = 2
    NO_ENCODING = 3
    COM_EVERY_KTH = 4
    RECORD_ONLY = 5


@dataclass(frozen=True, slots=True)
class LevelChange:
    """From then on so much was left out."""

    unix_s: float
    level: int  # DegradeLevel
    reason: str = ""


class ScanState(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    COMPLETE = "complete"  # the end was announced or every position is there
    ABORTED = "aborted"  # a new scan began, or frames stopped coming


@dataclass(frozen=True, slots=True)
class Calibration:
    """Geometry of detector and scan; None = not known.

    `detector_rotation_rad` and `detector_flip` say how the detector sees the scan axes:
    a vector v = (x, y) of the scan appears on the detector as R(+rotation) F v, with
    F = diag(1, -1) if `detector_flip` else 1. Hence v = F R(-rotation) v_detector.
    """

    mrad_per_px: float | None = None
    semiangle_mrad: float | None = None
    beam_center_px: tuple[float, float] | None = None  # (ky, kx)
    disc_radius_px: float | None = None
    scan_step_nm: tuple[float, float] | None = None  # (y, x)
    detector_rotation_rad: float | None = None
    detector_flip: bool = False
    beam_energy_ev: float | None = None
    thickness_nm: float | None = None  # of the specimen, along the beam


@dataclass(frozen=True, slots=True)
class ScanStart:
    """The announcement of a scan."""

    scan_id: str
    series: int
    frame_shape: tuple[int, int]  # (ky, kx)
    pixel_type: str  # one of PIXEL_TYPES
    frames_expected: int
    scan_shape: tuple[int, int] | None = None  # (y, x) of the positions; None = to be settled by the receiver
    saturation: float | None = None  # largest valid value; above it there is no data
    channels: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    pixel_mask: BoolArray | None = None  # [ky, kx], True = the pixel is usable
    shard_id: int = 0
    shard_count: int = 1
    shard_lines: int = 1  # scan lines that go to one shard together
    path: ScanPath = RASTER  # which frame lies where
    metadata: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came; the payload is still encoded and its sizes are checked."""

    series: int
    number: int  # 0-based, in the order of exposure: the row-major position, unless the scan's path says otherwise
    shape: tuple[int, int]  # (ky, kx)
    pixel_type: str
    encoding: Encoding
    payload: memoryview  # keeps the message it came in alive


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedFrames:
    """Frames [n] in the order they came, by where their bytes lie; all in one encoding.

    The bytes stay until `release` is called, which whoever was given these has to do, once.
    """

    addresses: NDArray[np.uint64]
    sizes: NDArray[np.int64]  # bytes
    numbers: NDArray[np.int64]  # may lie outside the scan
    received_s: NDArray[np.float64]  # monotonic clock
    encoding: Encoding
    size_bytes: int  # of memory that they keep
    release: Callable[[], object]


@dataclass(frozen=True, slots=True)
class ScanEnd:
    series: int
    scan_id: str = ""


Message = ScanStart | Frame | ScanEnd


@dataclass(frozen=True, slots=True)
class Counters:
    """The account of a scan; both identities hold at every moment.

    expected = received + missing
    received = processed + refused + duplicate + skipped

    `expected` counts the frames due so far (all of them once the scan has ended) plus
    every message beyond them (second copies, refusals that fill no hole).
    """

    expected: int = 0
    received: int = 0
    missing: int = 0
    processed: int = 0
    refused: int = 0
    duplicate: int = 0
    reordered: int = 0  # of the processed: came after a later frame
    refusals: Mapping[str, int] = field(default_factory=dict)  # refused, by reason
    skipped: int = 0  # good or not, not computed to keep up; not missing: a recording has them
    skips: Mapping[str, int] = field(default_factory=dict)  # skipped, by reason (FrameSkip)
    flyback: int = 0  # of the processed: lie nowhere in the scan


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What the learner says of its latest published maps; version 0 = none yet."""

    version: int = 0
    state: str = "off"  # off | waiting | training | ready | failed
    mode: str = "off"  # off | apply | finetune
    detail: str = ""
    quality: Mapping[str, float | list[float]] = field(default_factory=dict)
    model: Mapping[str, str | int] = field(default_factory=dict)  # what made the maps: see rrvae.identity


@dataclass(frozen=True, slots=True)
class Health:
    """How the service is doing, measured on its own monotonic clock."""

    rate_fps: float = 0.0
    latency_p50_s: float = float("nan")  # frame received -> value in the scan store
    latency_p95_s: float = float("nan")
    last_frame_age_s: float = float("nan")
    rejected_messages: int = 0  # outside any scan
    learner_restarts: int = 0
    frames_recorded: int = 0  # of the latest recording: acknowledged, no crash takes them away
    recording_fault: str = ""  # the first that ended a recording early
    other_consumers: int = 0  # that take frames of the running scan from the detector's stream
    degrade_level: int = 0  # DegradeLevel
    degrade_reason: str = ""  # why it is not 0


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """How one of several shards of a scan is doing, as whoever merges them sees it."""

    shard_id: int
    state: str  # waiting | running | complete | aborted | silent | lost | unlike
    counters: Counters = field(default_factory=Counters)
    silent_s: float = float("nan")  # since anything was heard of it


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a viewer needs at one moment.

    `maps` are float32 [scan_y, scan_x], NaN = not measured; their names and units are
    those of the results file. `axes` is "scan" or "detector": what the vectors refer to.
    """

    instrument: str
    serial: int
    published_unix_s: float
    state: ScanState
    scan_id: str
    scan_shape: tuple[int, int]
    calibration: Calibration
    counters: Counters
    health: Health
    model: ModelStatus
    axes: str
    maps: Mapping[str, Float32Array]
    units: Mapping[str, str]
    pattern: Float32Array | None = None  # [ky, kx], latest processed frame; NaN = no data, inf = saturated
    pattern_position: tuple[int, int] | None = None  # (y, x)
    metadata: Mapping[str, Plain] = field(default_factory=dict)
    shard_id: int = 0
    shard_count: int = 1
    shard_lines: int = 1
    shards: tuple[ShardStatus, ...] = ()  # of a merged scan
    found: CalibrationFound | None = None  # what the scan shows of its calibration: suggestions
    descan_removed: DescanFound | None = None  # what was taken out of the COM maps; None = nothing
    calibration_origin: Mapping[str, str] = field(default_factory=dict)  # of each value; see calibration.origin
    requests_url: str | None = None  # where the service answers; see feed.requests
    rotation_origin: str = ""  # who said how the detector is turned: stream | site file | operator | fitted
    rotation_locked: bool = False
    path: ScanPath = RASTER  # which way the scan goes, and where it lies in a larger one
    not_made: Mapping[str, str] = field(default_factory=dict)  # maps that cannot be made, and why
    mean_pattern: Float32Array | None = None  # [ky, kx] of a shard that is over, for who merges; NaN = no data
    mean_frames: int = 0  # that it is the mean of
