"""How a contestant's training went, and what it is worth: the same judge for all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.maps.statistics import TURN_RAD, angle_agreement, pearson

GOOD_R = 0.99
TURNS = 5  # the fastest counts, as for the peers
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """Looks at a training [t]: `seconds` of training alone, and what the model then said of the n frames."""

    seconds: FloatArray  # [t] of CPU, everything from the raw frames on, looks not counted
    frames_trained: FloatArray  # [t]; 0 for what is fitted and not trained
    rotation: FloatArray  # [t, n] rad
    latents: FloatArray  # [t, n, latents]
    encode_fps: float  # from what the model is trained on, in memory
    raw_encode_fps: float  # from raw frames in memory; what is made once a scan or once a version is there
    measured_fps: float = math.nan  # the same beside all that the service measures of a frame


def quickest_s(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest of some turns of `work`."""
    taken_s = []
    for _ in range(TURNS):
        begun_s = time.process_time()
        work()
        taken_s.append(time.process_time() - begun_s)
    return max(min(taken_s), 1e-9)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a contestant reached; NaN = not reached, or not to be had."""

    train_fps: float
    good_after_s: float  # until |r| >= GOOD_R
    correlation: float  # |r| of the best latent with the COM magnitude, at the end
    joint_correlation: float  # the same for the best linear combination of all latents
    angle_deg: float
    angle_mod120_deg: float
    angle_mod180_deg: float
    encode_fps: float
    raw_encode_fps: float
    measured_fps: float = math.nan


def judged(course: Course, com: FloatArray) -> Figures:
    """`course` against the COM [n, 2] (y, x): the best latent counts; angles after the best sense and offset."""
    magnitude, direction = np.hypot(com[:, 0], com[:, 1]), np.arctan2(com[:, 0], com[:, 1])
    r = [best_correlation(latents, magnitude) for latents in course.latents]
    good = np.flatnonzero(np.asarray(r) >= GOOD_R)
    folds = (1, 3, 2)
    said = course.rotation[-1]
    whole, third, half = (angle_agreement(said, direction, magnitude, TURN_RAD / fold).error_rad for fold in folds)
    trained, took_s = float(course.frames_trained[-1]), float(course.seconds[-1])
    return Figures(
        trained / took_s if trained else math.nan,
        float(course.seconds[good[0]]) if good.size else math.nan,
        r[-1],
        joint_correlation(course.latents[-1], magnitude),
        math.degrees(whole),
        math.degrees(third),
        math.degrees(half),
        course.encode_fps,
        course.raw_encode_fps,
        course.measured_fps,
    )


def best_correlation(latents: FloatArray, magnitude: FloatArray) -> float:
    """Largest |Pearson r| of any of `latents` [n, latents] with `magnitude` [n]; 0 when none is defined."""
    found = [abs(pearson(latent, magnitude)) for latent in latents.T]
    return max((r for r in found if math.isfinite(r)), default=0.0)


def joint_correlation(latents: FloatArray, magnitude: FloatArray) -> float:
    """Multiple correlation of `magnitude` [n] with all `latents` [n, latents]: VAEs are free to mix their latents."""
    design = np.column_stack([latents, np.ones(len(latents))])
    fitted = design @ np.linalg.lstsq(design, magnitude, rcond=None)[0]
    return float(fitted.std() / max(magnitude.std(), 1e-30))


def median_figures(runs: Sequence[Figures]) -> Figures:
    """The median over runs of each figure; a time that half of the runs did not reach is not reached."""
    columns = np.array([[getattr(run, name) for name in Figures.__dataclass_fields__] for run in runs])
    medians = np.median(np.where(np.isnan(columns), np.inf, columns), axis=0)
    return Figures(*(float(value) if math.isfinite(value) else math.nan for value in medians))
