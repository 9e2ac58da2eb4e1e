"""The geometry that a recorded scan is analysed with."""

from __future__ import annotations

from stream_rrvae.calibration.override import over_recorded
from stream_rrvae.config import Settings
from stream_rrvae.recording.frame_file import FrameFile


def with_recorded_site(settings: Settings, frames: FrameFile) -> Settings:
    """What was set when it was recorded, where `settings` say nothing else; a site file given now says it all."""
    if settings.site is not None:
        return settings
    return settings.model_copy(update={"calibration": over_recorded(frames.site, settings.calibration)})
