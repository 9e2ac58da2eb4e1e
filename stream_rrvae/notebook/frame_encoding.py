"""A checkpoint for single frames of a scan in a file, without analysing the scan.

A module of its own, to be imported by name, since torch comes with it:

    from stream_rrvae.notebook.frame_encoding import encoder_for

    with stream_rrvae.open("scan.npy") as scan:
        found = encoder_for(scan.frames).encode(scan.frames[2])
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.config import LearnSettings
from stream_rrvae.errors import FileFormatError
from stream_rrvae.ingest.mean_pattern import MeanPattern
from stream_rrvae.ingest.settle import BASIS, believable, plan_of, settle
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.notebook.lazy_frames import LazyFrames
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.rrvae.checkpoint import DEFAULT_NAME, load, require_fit
from stream_rrvae.rrvae.frame_encoder import FrameEncoder
from stream_rrvae.rrvae.preparation import Prepared, dose_and_noise, whitened

SAMPLED_FRAMES = 1024  # of the whole scan say where the disc is, what their mean is and how many electrons there are
SAMPLED_BYTES = 64 << 20
FEWEST_FRAMES = 16


def encoder_for(frames: LazyFrames, checkpoint: str | Path = DEFAULT_NAME) -> FrameEncoder:
    """The model in `checkpoint` for raw frames [n, ky, kx] of the scan of `frames`; descan is left in.

    Latents count from where the checkpoint says, or from the mean of a sample where it says nothing. Raises
    CheckpointError, FileFormatError for an unreadable or all but empty file, CalibrationError without a usable disc.
    """
    file, stored = frames.file, load(Path(checkpoint))
    require_fit(stored, BASIS)
    sample = _sample(file)
    mean = MeanPattern(file.start)
    for frame in sample:
        mean.add(frame)
    plan = plan_of(settle(believable(file.start), file.site, mean.values))
    data = _prepared(sample, plan)
    model = stored.model("cpu")
    if not model.is_settled:
        model.settle(data.x)
    assert data.centring is not None
    return FrameEncoder(model, plan, data.centring)


def _sample(frames: FrameFile) -> NDArray[Any]:
    """Frames [n, ky, kx] spread evenly over the positions that have one."""
    there = np.flatnonzero(frames.present)
    count = max(FEWEST_FRAMES, min(SAMPLED_FRAMES, SAMPLED_BYTES // frames.frame_bytes))
    chosen = there[:: max(1, len(there) // count)]
    parts = [frames.frames(number, number + 1) for number in chosen.tolist()]
    return np.concatenate(parts) if parts else np.empty((0, *frames.frame_shape), frames.pixel_type)


def _prepared(sample: NDArray[Any], plan: FramePlan) -> Prepared:
    results = FrameResults.empty(len(sample), plan.n_features)
    reduce_frames(sample, plan, results, len(sample))
    good = np.isfinite(results.features).all(axis=1)
    if good.sum() < FEWEST_FRAMES:
        raise FileFormatError(f"{good.sum()} of {len(sample)} frames have counts in the disc, wanted {FEWEST_FRAMES}")
    dose, noise = dose_and_noise(sample.dtype.name, results.bright_field[good], LearnSettings().assumed_dose_electrons)
    return whitened(results.features[good], np.flatnonzero(good), dose, noise)
