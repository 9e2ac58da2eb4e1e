"""Our models over the frames, from raw pixels to angles and latents, by the code of the service."""

from __future__ import annotations

import time

import numpy as np
import torch

from stream_rrvae.bench.course import Course, quickest_s
from stream_rrvae.bench.features import features_of, plan_of
from stream_rrvae.bench.scan_frames import ScanFrames
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.kernels.warm_up import warm_up
from stream_rrvae.rrvae.frame_encoder import FrameEncoder
from stream_rrvae.rrvae.model import Encoding, Model
from stream_rrvae.rrvae.preparation import Prepared
from stream_rrvae.rrvae.registry import factory

LOOK_S, LOOKS = 0.5, 50


def course_of(decoder: str, scan: ScanFrames, seconds: float, latents: int, seed: int) -> Course:
    """Train for `seconds` of CPU in rounds; projecting the frames once and making the model count as training."""
    torch.set_num_threads(1)
    warm_up({scan.frames.dtype.name})
    begun_s = time.process_time()
    plan = plan_of(scan)
    data = features_of(scan, plan)
    model = factory(decoder).create(data, BasisSpec(), latents, seed, "cpu")
    look_s = max(LOOK_S, seconds / LOOKS)
    taken_s, trained = time.process_time() - begun_s, 0
    looks: list[tuple[float, int, Encoding]] = []
    while not looks or taken_s < seconds:
        begun_s, share = time.process_time(), min(1.0, taken_s / seconds)
        report = model.train(data, look_s, (share, min(1.0, share + look_s / seconds)))
        taken_s += time.process_time() - begun_s
        trained += report.frames
        looks.append((taken_s, trained, model.encode(data.x)))
    at_s, trained_then, said = zip(*looks, strict=True)
    encode_s = quickest_s(lambda: model.encode(data.x))
    measured_s = quickest_s(lambda: model.encode(features_of(scan, plan).x))
    encoder = encoder_of(model, data, plan)
    return Course(
        np.asarray(at_s),
        np.asarray(trained_then, np.float64),
        np.stack([encoding.rotation for encoding in said]).astype(np.float64),
        np.stack([encoding.latents for encoding in said]).astype(np.float64),
        len(scan.frames) / encode_s,
        len(scan.frames) / quickest_s(lambda: encoder.encode(scan.frames)),
        len(scan.frames) / measured_s,
    )


def encoder_of(model: Model, data: Prepared, plan: FramePlan) -> FrameEncoder:
    """`model` settled on `data`, for frames of their scan."""
    assert data.centring is not None
    model.settle(data.x)
    return FrameEncoder(model, plan, data.centring)
