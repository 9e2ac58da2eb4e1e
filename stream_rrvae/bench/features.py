"""From raw frames to what our model is trained on, by the code of the service."""

from __future__ import annotations

import numpy as np
import torch

from stream_rrvae.bench.scan_frames import ScanFrames
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.rrvae.preparation import Prepared, whitened

ASSUMED_DOSE_ELECTRONS = 1e4  # of frames that are not counted, as in the service's settings


def plan_of(scan: ScanFrames) -> FramePlan:
    """What is made once a scan, before its first frame."""
    return make_plan(scan.frames.shape[1:], scan.disc.center_px, scan.disc.radius_px, BasisSpec())


def features_of(scan: ScanFrames, plan: FramePlan) -> Prepared:
    """The frame pass and the preparation over all frames; features rounded as the scan store rounds them."""
    count = len(scan.frames)
    results = FrameResults.empty(count, plan.n_features)
    reduce_frames(scan.frames, plan, results, count)
    # By torch: NumPy takes ten times the frame pass for numbers below float16's normal ones.
    stored = torch.from_numpy(results.features).half().float().numpy()
    dose = float(np.median(results.bright_field)) if scan.counted else ASSUMED_DOSE_ELECTRONS
    return whitened(stored, np.arange(count), dose, 1.0 if scan.counted else 0.0)
