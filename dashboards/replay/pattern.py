"""The diffraction pattern of a position of a recording, as columns for its figure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from dashboards.pictures.painting import painted_pattern
from dashboards.pictures.placement import Placement
from dashboards.pictures.wishes import Contrast
from dashboards.replay.recorded_run import Run
from dashboards.views.columns import Columns, box_columns, pattern_marks
from dashboards.views.labels import com_text, pattern_bar, saturated_text
from dashboards.views.pattern import LivePattern
from stream_rrvae.messages import Calibration


@dataclass(frozen=True, slots=True)
class ShownPattern:
    """The pattern of a scan position (y, x); where there is none, `problem` says why."""

    position: tuple[int, int]
    pattern: LivePattern
    problem: str = ""

    def box(self, run: Run) -> Placement:
        """Where it lies in its figure."""
        return self.pattern.placement(run.calibration)

    def columns(self, run: Run, contrast: Contrast | None = None) -> Columns:
        """The image, the beam's disc and the COM."""
        painted = painted_pattern(self.pattern.values, linear=False, contrast=contrast)
        told = {
            "has_pattern": self.pattern.values is not None, "problem": self.problem, "position": list(self.position),
            "pattern": pattern_bar(painted, linear=False), "com": com_text(run.maps, run.units, self.position),
            "saturated": saturated_text(self.pattern),
        }  # fmt: skip
        image = {"pattern": [painted.pixels], **box_columns("pattern", self.box(run))}
        return {**image, **pattern_marks(self.pattern, run.calibration), "labels": [json.dumps(told)]}


def no_pattern(position: tuple[int, int], problem: str) -> ShownPattern:
    """Of a position without a good frame."""
    return ShownPattern(position, LivePattern(None, position), problem)


def empty_pattern() -> Columns:
    """Columns before there is one."""
    nothing = LivePattern(None, None)
    told = {"has_pattern": False, "problem": "", "position": []}
    box, image = box_columns("pattern", Placement(0, 0, 1, 1, "px")), painted_pattern(None, linear=False).pixels
    labels = [json.dumps(told)]
    return {"pattern": [image], **box, **pattern_marks(nothing, Calibration()), "labels": labels}
