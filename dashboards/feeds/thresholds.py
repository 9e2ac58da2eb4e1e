"""From when on an instrument counts as late, stale or gone."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

from stream_rrvae.errors import ConfigError

STALE_FRAME_PERIODS = 5.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Seconds. STALE waits at least five of the scan's own frame periods."""

    lag_s: float = 1.0  # frame received -> in the maps
    stale_s: float = 2.0  # no frame, or nothing from the service, while a scan runs
    unreachable_s: float = 10.0  # nothing from the service

    def checked(self) -> Thresholds:
        """These, if they make sense. Raises ConfigError."""
        if not all(math.isfinite(value) and value > 0 for value in astuple(self)):
            raise ConfigError("the seconds after which an instrument is late, stale or unreachable must be above 0")
        if self.unreachable_s < self.stale_s:
            raise ConfigError("an instrument cannot be unreachable before it is stale")
        return self

    def quiet_s(self, frame_period_s: float) -> float:
        """How long a scan with this frame period may be without a frame."""
        return max(self.stale_s, STALE_FRAME_PERIODS * frame_period_s)
