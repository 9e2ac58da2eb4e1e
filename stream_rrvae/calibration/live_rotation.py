"""The detector's rotation and flip in use, who said so, and whether anybody may say otherwise.

The stream or the site's file says it when a scan begins, an operator at any time, and what is fitted on the maps only
where nobody else did. What an operator locked stays, whatever later scans announce; what he only set stays until a
scan announces something itself.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from stream_rrvae.config import CalibrationSettings
from stream_rrvae.errors import RequestError
from stream_rrvae.messages import Calibration, ScanStart

STREAM, SITE_FILE, OPERATOR, FITTED, NOBODY = "stream", "site file", "operator", "fitted", ""
SCANS_KEPT = 8  # whose results may still be written


@dataclass(frozen=True, slots=True)
class Rotation:
    """As `Calibration` has it; `origin` is one of the words above."""

    rotation_rad: float | None = None  # None = not known
    flip: bool = False
    origin: str = NOBODY
    locked: bool = False

    def applied(self, calibration: Calibration) -> Calibration:
        """`calibration` with this rotation."""
        return replace(calibration, detector_rotation_rad=self.rotation_rad, detector_flip=self.flip)


class LiveRotation:
    """One service's; its methods may be called from any thread."""

    def __init__(self, site: CalibrationSettings) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._now = Rotation()
        self._scans: OrderedDict[tuple[str, int], Rotation] = OrderedDict()  # the last is the one that runs or ran

    @property
    def now(self) -> Rotation:
        """Of the running or the last scan."""
        return self._now

    def begin(self, start: ScanStart, said_by: str = "") -> None:
        """A scan begins; `start` has the site's word over the stream's, `said_by` as `calibration.origin` words it."""
        with self._lock:
            announced = self._announced(start.calibration, said_by)
            if not self._now.locked and (announced.origin != NOBODY or self._now.origin == NOBODY):
                self._now = announced
            self._scans[_key(start)] = self._now
            while len(self._scans) > SCANS_KEPT:
                self._scans.popitem(last=False)

    def of(self, start: ScanStart) -> Calibration:
        """The calibration of a scan, running or past, with the rotation that it has or had."""
        with self._lock:
            rotation = self._scans.get(_key(start))
        return start.calibration if rotation is None else rotation.applied(start.calibration)

    def origin_of(self, start: ScanStart) -> str:
        """Who said the rotation of a scan."""
        with self._lock:
            return self._scans.get(_key(start), Rotation()).origin

    def set(self, rotation_rad: float, flip: bool | None = None) -> Rotation:
        """An operator's word; `flip` None = as it is. Raises RequestError while it is locked."""
        with self._lock:
            if self._now.locked:
                raise RequestError("the rotation is locked; unlock it first")
            mirrored = self._now.flip if flip is None else flip
            return self._put(Rotation(_wrapped(rotation_rad), mirrored, OPERATOR))

    def suggest(self, rotation_rad: float, flip: bool) -> bool:
        """What was fitted on the maps; whether it is used: not where anybody said anything."""
        with self._lock:
            if self._now.locked or self._now.origin not in (NOBODY, FITTED):
                return False
            self._put(Rotation(_wrapped(rotation_rad), flip, FITTED))
            return True

    def lock(self) -> Rotation:
        """Nobody changes it from now on. Raises RequestError where nothing is known that could be kept."""
        with self._lock:
            if self._now.rotation_rad is None:
                raise RequestError("no rotation is known yet; set one first")
            return self._put(replace(self._now, locked=True))

    def unlock(self) -> Rotation:
        """It may be changed again."""
        with self._lock:
            return self._put(replace(self._now, locked=False))

    def _put(self, rotation: Rotation) -> Rotation:
        self._now = rotation
        if self._scans:
            self._scans[next(reversed(self._scans))] = rotation
        return rotation

    def _announced(self, calibration: Calibration, said_by: str) -> Rotation:
        if calibration.detector_rotation_rad is None:
            return Rotation(flip=calibration.detector_flip)
        said_here = said_by in ("site file", "settings") or self._site.detector_rotation_deg is not None
        return Rotation(
            calibration.detector_rotation_rad, calibration.detector_flip, SITE_FILE if said_here else STREAM
        )


def _wrapped(angle_rad: float) -> float:
    """The same angle in (-pi, pi]."""
    wrapped = math.remainder(angle_rad, math.tau)
    return math.pi if wrapped == -math.pi else wrapped


def _key(start: ScanStart) -> tuple[str, int]:
    return start.scan_id, start.series
