"""The ladder of a service: what it sees of acquisition, and whom it tells to leave something out."""

from __future__ import annotations

import logging
import time
from collections import deque

from stream_rrvae.config import Settings
from stream_rrvae.ingest.acquisition import Acquisition
from stream_rrvae.learner import Learner
from stream_rrvae.log import event
from stream_rrvae.messages import DegradeLevel, FrameSkip, LevelChange
from stream_rrvae.metrics import Metrics
from stream_rrvae.operations.degrader import Degrader
from stream_rrvae.operations.demand import Demand
from stream_rrvae.operations.ladder import Ladder, LadderRules, Load
from stream_rrvae.recording.recorder import Recorder

CHANGES_KEPT = 512
_SKIPS = {DegradeLevel.COM_EVERY_KTH: FrameSkip.EVERY_KTH, DegradeLevel.RECORD_ONLY: FrameSkip.RECORD_ONLY}


class Degradation:
    """From `start` to `stop` the level follows the load; `level` and `reason` are the present ones."""

    def __init__(
        self,
        settings: Settings,
        acquisition: Acquisition,
        learner: Learner | None,
        recorder: Recorder | None,
        metrics: Metrics,
    ) -> None:
        self._settings = settings.ladder
        self._acquisition, self._learner, self._recorder, self._metrics = acquisition, learner, recorder, metrics
        self._demand = Demand(acquisition.compute_threads)
        share = acquisition.leaving_out.computed_share
        rules = LadderRules(self._settings.lag_s, rest_s=self._settings.rest_s, computed_share=share)
        self._degrader = Degrader(Ladder(rules), self._load, self._act)
        self._changes: deque[LevelChange] = deque(maxlen=CHANGES_KEPT)

    @property
    def level(self) -> DegradeLevel:
        return self._degrader.level

    @property
    def reason(self) -> str:
        return self._degrader.reason

    def start(self) -> None:
        self._degrader.start()

    def stop(self) -> None:
        """No more changes."""
        self._degrader.stop()

    def since(self, unix_s: float) -> tuple[LevelChange, ...]:
        """Which levels held from then on; the first may have begun before. Empty where nothing was left out."""
        changes = list(self._changes)
        before = [change for change in changes if change.unix_s < unix_s][-1:]
        held = [change for change in before if change.level] + [each for each in changes if each.unix_s >= unix_s]
        return tuple(held)

    def _load(self) -> Load:
        acquisition = self._acquisition
        demand = self._demand.look(acquisition.work, time.monotonic())
        return Load(acquisition.lag_s, acquisition.fill, demand, self._may_leave_out())

    def _may_leave_out(self) -> bool:
        """Frames of the maps: what a recording has can be computed later, anything else is gone for good."""
        if self._settings.skip_frames == "recorded":
            return self._recorder is not None and not self._recorder.has_failed
        return self._settings.skip_frames == "always"

    def _act(self, level: DegradeLevel, reason: str) -> None:
        before = self._changes[-1].level if self._changes else DegradeLevel.ALL
        self._changes.append(LevelChange(time.time(), int(level), reason))
        self._acquisition.leaving_out.reason = _SKIPS.get(level)
        if self._learner is not None:
            self._learner.leave_out(level)
        if self._recorder is not None:
            self._recorder.note_level(int(level))
        self._metrics.degrade_level.set(int(level))
        self._metrics.degrade_changes.labels("down" if level > before else "up").inc()
        severity = logging.WARNING if level > before else logging.INFO
        event("degrade_level", severity, degrade_level=int(level), left_out=level.name.lower(), reason=reason)
