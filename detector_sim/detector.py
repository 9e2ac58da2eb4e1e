"""Detector models: how many pixels of which kind."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import PIXEL_TYPES

MAX_SIDE_PX = 4096


@dataclass(frozen=True, slots=True)
class DetectorModel:
    """`shape` is (ky, kx), `pixel_type` one of PIXEL_TYPES."""

    name: str
    shape: tuple[int, int]
    pixel_type: str

    @property
    def counting(self) -> bool:
        """Whether pixels are whole numbers."""
        return self.pixel_type != "float32"

    @property
    def saturation(self) -> int | None:
        """Largest valid value; one more means no data. None for floats, where NaN does."""
        return int(np.iinfo(self.pixel_type).max) - 1 if self.counting else None

    @property
    def no_data(self) -> float | int:
        """The value of a pixel without data."""
        return int(np.iinfo(self.pixel_type).max) if self.counting else float("nan")


DETECTORS = {
    model.name: model
    for model in (
        DetectorModel("arina", (192, 192), "uint16"),
        DetectorModel("quadro", (512, 512), "uint16"),
        DetectorModel("merlin", (256, 256), "uint16"),
        DetectorModel("empad", (128, 128), "float32"),
    )
}


def detector_model(text: str) -> DetectorModel:
    """The detector called `text`, or the one that HxW:dtype describes. Raises ConfigError."""
    if text in DETECTORS:
        return DETECTORS[text]
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5}):(\w+)", text)
    if not match or match[3] not in PIXEL_TYPES:
        raise ConfigError(
            f"no detector {text!r}: use {', '.join(DETECTORS)} or HxW:dtype with dtype one of {', '.join(PIXEL_TYPES)}"
        )
    shape = int(match[1]), int(match[2])
    if not all(2 <= side <= MAX_SIDE_PX for side in shape):
        raise ConfigError(f"a detector of {text} is not possible: each side must have 2 to {MAX_SIDE_PX} pixels")
    return DetectorModel(text, shape, match[3])
