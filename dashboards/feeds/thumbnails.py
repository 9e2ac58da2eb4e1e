"""Small pictures of an instrument for the wall: no side longer than 160 pixels."""

from __future__ import annotations

import math

import numpy as np

from dashboards.feeds.pattern_means import PatternMean
from dashboards.feeds.view_frame import ViewFrame
from dashboards.pictures.painting import Painted, painted_pattern
from dashboards.pictures.quantise import Pixels, binned

SIDE_PX = 160


def direction_thumbnail(frame: ViewFrame) -> Pixels:
    """COM direction, every n-th position of it: directions have no mean over a cell of the map."""
    pixels = frame.map("com_direction").pixels
    step = max(1, math.ceil(max(pixels.shape) / SIDE_PX))
    return np.ascontiguousarray(pixels[::step, ::step])


def mean_thumbnail(mean: PatternMean | None) -> Painted:
    """The mean pattern of a scan, log10 counts; 1 x 1 of nothing before the first."""
    return painted_pattern(None if mean is None else binned(mean.values, SIDE_PX), linear=False)
