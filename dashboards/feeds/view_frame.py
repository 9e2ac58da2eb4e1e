"""One snapshot made ready for browsers, once for all of them: nothing here belongs to a session."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dashboards.pictures import placement
from dashboards.pictures.arrows import Columns, arrow_segments, no_arrows
from dashboards.pictures.latent_points import LatentPoints, latent_points
from dashboards.pictures.map_styles import choosable, style_of
from dashboards.pictures.painting import EMPTY, Painted, painted_map, painted_pattern
from dashboards.pictures.palettes import ROTATION, rgb_table
from dashboards.pictures.quantise import SIDE_LIMIT, angle_rgba, thinned
from stream_rrvae.messages import Snapshot

__all__ = ["EMPTY", "EMPTY_RGBA", "Painted", "ViewFrame"]

EMPTY_RGBA = np.zeros((1, 1), np.uint32)
_ROTATION_TABLE = rgb_table(ROTATION)


class ViewFrame:
    """What pages draw of `snapshot`; each image is quantised at its first use and kept.

    `received_s` is this process' monotonic clock; `model_generation` changes whenever the
    learner's maps do.
    """

    def __init__(self, snapshot: Snapshot, received_s: float, model_generation: int) -> None:
        self.snapshot = snapshot
        self.received_s = received_s
        self.model_generation = model_generation
        self._painted: dict[str, Painted] = {}
        self._latents: dict[tuple[str, str], LatentPoints] = {}

    def map(self, name: str) -> Painted:
        """The map `name`, or an empty image where the service has no such map."""
        if name not in self._painted:
            self._painted[name] = self._paint(name)
        return self._painted[name]

    def _paint(self, name: str) -> Painted:
        return painted_map(self.snapshot.maps.get(name), self.snapshot.units.get(name, ""), style_of(name))

    @cached_property
    def pattern(self) -> Painted:
        """The latest pattern, log10 counts; `limits` are logarithms."""
        return painted_pattern(self.snapshot.pattern, linear=False)

    @cached_property
    def linear_pattern(self) -> Painted:
        """The latest pattern, counts."""
        return painted_pattern(self.snapshot.pattern, linear=True)

    @cached_property
    def rotation(self) -> NDArray[np.uint32]:
        """The rotation as colours whose opacity is the confidence."""
        return self.rotation_at(SIDE_LIMIT)

    def rotation_at(self, side: int) -> NDArray[np.uint32]:
        """The same with at most `side` pixels a side; not kept."""
        angles = self.snapshot.maps.get("rotation")
        if angles is None or not angles.size:
            return EMPTY_RGBA
        confidence = self.snapshot.maps.get("rotation_confidence")
        opacity = np.ones_like(angles) if confidence is None else confidence
        return angle_rgba(thinned(angles, side), thinned(opacity, side), _ROTATION_TABLE)

    def latents(self, first: str, second: str) -> LatentPoints:
        """Latent space of two latent maps, coloured by COM magnitude."""
        if (first, second) not in self._latents:
            maps, limits = self.snapshot.maps, self.map("com_magnitude").limits
            points = latent_points(maps.get(first), maps.get(second), maps.get("com_magnitude"), limits)
            self._latents[first, second] = points
        return self._latents[first, second]

    @cached_property
    def arrows(self) -> Columns:
        """COM vectors in the coordinates of the maps."""
        com_y, com_x = (self.snapshot.maps.get(name) for name in ("com_y", "com_x"))
        if com_y is None or com_x is None or not com_y.size:
            return no_arrows()
        return arrow_segments(com_y, com_x, self.map_placement)

    @cached_property
    def choices(self) -> list[str]:
        return choosable(list(self.snapshot.maps))

    @property
    def map_placement(self) -> placement.Placement:
        return placement.scan_placement(self.snapshot.scan_shape, self.snapshot.calibration)
