"""The disc that the scan before had, for a scan whose own frames show none: one faint scan follows another."""

from __future__ import annotations

from dataclasses import dataclass

from stream_rrvae.calibration.disc import Disc
from stream_rrvae.calibration.site_file import camera_length_of
from stream_rrvae.found import PatternFound
from stream_rrvae.messages import ScanStart


@dataclass(frozen=True, slots=True)
class _Seen:
    start: ScanStart
    disc: Disc


class DiscBefore:
    """Any thread may remember and ask."""

    def __init__(self) -> None:
        self._seen: _Seen | None = None

    def remember(self, start: ScanStart, pattern: PatternFound) -> None:
        """The scan of `start` showed this pattern."""
        self._seen = _Seen(start, Disc(pattern.center_px, pattern.radius_px))

    def of(self, start: ScanStart) -> Disc | None:
        """That of the scan before, where nothing says that the optics are others; None = not known."""
        seen = self._seen
        if seen is None or seen.start.frame_shape != start.frame_shape:
            return None
        told = zip(_optics(seen.start), _optics(start), strict=True)
        return None if any(one != other for one, other in told if None not in (one, other)) else seen.disc


def _optics(start: ScanStart) -> tuple[float | None, ...]:
    calibration = start.calibration
    return (calibration.semiangle_mrad, calibration.beam_energy_ev, camera_length_of(start.metadata))
