"""What a running service answers: patterns and virtual detectors of kept frames, and the detector's rotation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import sleep
from typing import Any, Protocol

from stream_rrvae.arguments import Arguments
from stream_rrvae.calibration.live_rotation import LiveRotation, Rotation
from stream_rrvae.config import Settings
from stream_rrvae.curve import server_keys
from stream_rrvae.detectors.area import DetectorArea
from stream_rrvae.errors import RequestError, WireError
from stream_rrvae.feed.request_server import OUTCOMES, QuickAnswer, RequestServer, SlowAnswer, names_told
from stream_rrvae.kept.binned import binned
from stream_rrvae.kept.frames import KeptFrames
from stream_rrvae.kept.view import KeptScan, KeptView
from stream_rrvae.kept.virtual_detector import detector_map
from stream_rrvae.maps.gaps import with_gaps
from stream_rrvae.messages import Frame, ScanStart
from stream_rrvae.metrics import Metrics
from stream_rrvae.security import make_key
from stream_rrvae.wire.pixels import decode_pixels

SHOWN_SIDE_PX = 256
REST_S = 0.02  # between some milliseconds of work
LONGEST_PX = 1e5
LARGEST_MRAD = 1e4
LARGEST_FRACTION = 1e3  # of the semi-angle


class RecordedFrames(Protocol):
    """A recorder, as far as it can be asked for what it recorded."""

    def recorded(self, start: ScanStart, number: int) -> Frame | None:
        """The first frame of a position in the scan's recording, None when there is none (any more)."""
        ...


def request_server(
    settings: Settings,
    metrics: Metrics,
    kept: KeptFrames,
    rotation: LiveRotation,
    recorded: RecordedFrames | None,
    is_behind: Callable[[], bool] = lambda: False,
    more: Mapping[str, QuickAnswer] | None = None,
) -> RequestServer | None:
    """The service's back channel, where one is wanted; `more` answers stand beside those that are here.

    While acquisition `is_behind`, slow answers take a tenth of a core at most.

    Raises SecurityError when the key file is not its owner's alone, or the address lies beyond this machine.
    """
    url = settings.requests.url
    if url is None:
        return None
    patterns = PatternAnswers(kept, recorded, is_behind)
    answers = {**patterns.quick(), **rotation_answers(rotation), **(more or {})}
    slow = patterns.slow()
    for name in names_told(answers, slow):
        for outcome in OUTCOMES:
            metrics.requests.labels(name, outcome)
    metrics.kept_bytes.set_function(lambda: float(kept.size_bytes))
    key = make_key(settings.requests.key)

    def count(name: str, outcome: str) -> None:
        metrics.requests.labels(name, outcome).inc()

    keys = server_keys(settings.curve.key, settings.curve.clients)
    return RequestServer(url, key, answers, slow, settings.allow_remote, count, keys)


class PatternAnswers:
    """Answers from frames that are kept, or recorded."""

    def __init__(self, kept: KeptFrames, recorded: RecordedFrames | None, is_behind: Callable[[], bool]) -> None:
        self._kept = kept
        self._is_behind = is_behind
        self._recorded = recorded

    def quick(self) -> dict[str, QuickAnswer]:
        return {"pattern": self._pattern, "kept": self._what_is_kept}

    def slow(self) -> dict[str, SlowAnswer]:
        return {"virtual_detector": self._virtual_detector}

    def _view(self) -> KeptView:
        view = self._kept.view()
        if view is None:
            raise RequestError("no scan has begun yet")
        return view

    def _what_is_kept(self, _arguments: Arguments) -> Mapping[str, Any]:
        view = self._view()
        stride_y, stride_x = view.strides
        return {
            "positions": int(view.numbers.size), "bytes": self._kept.size_bytes, "stride_y": stride_y,
            "stride_x": stride_x, "scan_id": view.scan.start.scan_id,
        }  # fmt: skip

    def _pattern(self, arguments: Arguments) -> Mapping[str, Any]:
        view = self._view()
        rows, columns = view.scan.scan_shape
        number = arguments.whole("y", 0, rows - 1) * columns + arguments.whole("x", 0, columns - 1)
        frame, source = self._frame(view, number, arguments.flag("exact", False))
        try:
            pattern, side = binned(with_gaps(decode_pixels(frame), view.scan.plan), SHOWN_SIDE_PX)
        except WireError as error:
            raise RequestError(f"the frame is damaged: {error.detail}") from error
        y, x = divmod(frame.number, columns)
        return {
            "pattern": pattern, "binning": side, "frame_number": frame.number, "y": y, "x": x,
            "exact": frame.number == number, "source": source, "scan_id": view.scan.start.scan_id,
        }  # fmt: skip

    def _frame(self, view: KeptView, number: int, exact: bool) -> tuple[Frame, str]:
        frame = view.frame(number)
        if frame is not None:
            return frame, "kept"
        if self._recorded is not None:
            start = view.scan.start
            frame = self._recorded.recorded(start, start.path.number_of(number, view.scan.scan_shape))
            if frame is not None:
                return replace(frame, number=number), "recording"
        self._kept.want(number)
        nearest = None if exact else view.nearest(number)
        frame = None if nearest is None else view.frame(nearest)
        if frame is None:
            raise RequestError("no frame of this position is kept; the next one will be")
        return frame, "kept"

    def _virtual_detector(self, arguments: Arguments, wanted: Callable[[], bool]) -> Mapping[str, Any]:
        view = self._view()
        detector = detector_of(arguments, view.scan)
        made = detector_map(view, detector, wanted, self._give_way)
        return {
            "map": made.counts, "coverage": made.coverage, "positions": made.positions, "unit": "counts",
            "inner_px": detector.inner_px, "outer_px": detector.outer_px, "center_ky": detector.center_px[0],
            "center_kx": detector.center_px[1], "scan_id": view.scan.start.scan_id,
        }  # fmt: skip

    def _give_way(self) -> None:
        if self._is_behind():
            sleep(REST_S)  # no event tells when it is over, and it may not be for long


def detector_of(arguments: Arguments, scan: KeptScan) -> DetectorArea:
    """The detector that is asked for. Raises RequestError."""
    scale, most = _scale_px(arguments.choice("unit", ("px", "mrad", "semi_angle"), "px"), scan)
    inner = arguments.number("inner", 0, most, 0.0) * scale
    outer = arguments.number("outer", 0, most) * scale
    if outer <= inner:
        raise RequestError("outer must be more than inner")
    center = tuple(
        arguments.number(name, -LONGEST_PX, LONGEST_PX, at)
        for name, at in zip(("center_ky", "center_kx"), scan.plan.disc_center_px, strict=True)
    )
    angle, width = 0.0, 360.0
    if arguments.choice("shape", ("annulus", "segment"), "annulus") == "segment":
        angle, width = arguments.number("angle_deg", -360, 360), arguments.number("width_deg", 0, 360)
    return DetectorArea((center[0], center[1]), inner, outer, math.radians(angle), math.radians(width))


def _scale_px(unit: str, scan: KeptScan) -> tuple[float, float]:
    """Pixels in one `unit`, and the most units that can be meant. Raises RequestError."""
    if unit == "semi_angle":
        return scan.plan.disc_radius_px, LARGEST_FRACTION
    if unit == "px":
        return 1.0, LONGEST_PX
    mrad_per_px = scan.start.calibration.mrad_per_px
    if not mrad_per_px:
        raise RequestError("how many mrad a pixel is is not known; say px or semi_angle")
    return 1.0 / mrad_per_px, LARGEST_MRAD


def rotation_answers(rotation: LiveRotation) -> dict[str, QuickAnswer]:
    """What is said of the detector's rotation, and who may say it: whoever asks here."""

    def set_it(arguments: Arguments) -> Mapping[str, Any]:
        degrees = arguments.number("degrees", -360, 360)
        return told(rotation.set(math.radians(degrees), arguments.flag("flip", None)))

    return {
        "rotation": lambda _arguments: told(rotation.now),
        "set_rotation": set_it,
        "lock_rotation": lambda _arguments: told(rotation.lock()),
        "unlock_rotation": lambda _arguments: told(rotation.unlock()),
    }


def told(rotation: Rotation) -> dict[str, Any]:
    """A rotation as an answer."""
    known = rotation.rotation_rad is not None
    return {
        "degrees": math.degrees(rotation.rotation_rad or 0.0) if known else None,
        "flip": rotation.flip, "origin": rotation.origin, "locked": rotation.locked,
    }  # fmt: skip
