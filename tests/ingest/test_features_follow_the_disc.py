"""What a model sees follows the disc that was found: a beam off centre gives the features of a centred one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.config import CalibrationSettings
from stream_rrvae.ingest.mean_pattern import MeanPattern
from stream_rrvae.ingest.settle import plan_of, settle
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames


def features(offset_px: tuple[float, float], announce: str) -> NDArray[np.float32]:
    """Features [n, n_features] of a scan without noise; where the disc is not told it is found on 32 frames."""
    settings = SimulationSettings(
        detector=detector_model("64x64:float32"), scan_shape=(12, 12), beam_offset_px=offset_px, announce=announce
    )
    simulation = Simulation(settings)
    frames = np.concatenate([block.frames for block in simulation.blocks()])
    start = simulation.start(1, "scan")
    mean = MeanPattern(start)
    for frame in np.random.default_rng(0).poisson(frames[:32] * 1000).astype(np.float32):
        mean.add(frame)
    plan = plan_of(settle(start, CalibrationSettings(), mean.values))
    results = FrameResults.empty(len(frames), plan.n_features)
    reduce_frames(frames, plan, results, len(frames))
    return results.features


def test_features_of_a_found_disc_are_those_of_the_known_one() -> None:
    known = features((0.0, 0.0), "all")
    varies = known.std(axis=0) > 0.2 * known.std(axis=0).max()
    found = features((5.0, -7.0), "shape")
    off = (found - known - (found - known).mean(axis=0))[:, varies]
    # A centre that is 1 px off makes it 0.02.
    assert off.std() < 0.003 * known[:, varies].std(axis=0).mean()
