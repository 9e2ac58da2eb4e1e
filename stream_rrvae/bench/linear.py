"""Linear baselines, which are strong on pristine crystals: raw COM, the PCA doublet, the leading m = 1 mode."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.bench.course import Course, quickest_s
from stream_rrvae.bench.features import features_of, plan_of
from stream_rrvae.bench.scan_frames import FloatArray, ScanFrames, measured_com
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.direct_projection import DirectProjection
from stream_rrvae.rrvae.leading import strongest_mode

Encode = Callable[[], NDArray[np.complex128]]


def raw_com(scan: ScanFrames) -> Course:
    """The COM of each frame, by NumPy: no model at all."""
    begun_s = time.process_time()
    encode = lambda: _as_complex(measured_com(scan.frames))  # noqa: E731
    return _course(begun_s, encode, encode)


def pca_doublet(scan: ScanFrames) -> Course:
    """The first two principal components read as one pattern that turns: scores a + ib = |.| exp(i theta)."""
    begun_s = time.process_time()
    pixels = scan.frames.reshape(len(scan.frames), -1).astype(np.float32)
    mean = pixels.mean(axis=0)
    centred = pixels - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    doublet = vectors[:, :-3:-1]

    def encoded(x: Float32Array) -> NDArray[np.complex128]:
        return _as_complex((x - mean) @ doublet)

    raw = scan.frames.reshape(len(scan.frames), -1)
    return _course(begun_s, lambda: encoded(pixels), lambda: encoded(raw.astype(np.float32)))


def leading_mode(scan: ScanFrames) -> Course:
    """The strongest first-order steerable mode: one complex number a frame, its modulus and its phase."""
    begun_s = time.process_time()
    plan = plan_of(scan)
    data = features_of(scan, plan)
    assert data.centring is not None
    mode = strongest_mode(data.x, BasisSpec(), 1)
    axes = np.stack([mode.real, -mode.imaginary], axis=1)
    direct = DirectProjection(plan, data.centring, axes)

    def read(seen: Float32Array) -> NDArray[np.complex128]:
        return np.asarray(seen[:, 0] + 1j * seen[:, 1], np.complex128)

    return _course(begun_s, lambda: read(data.x @ axes), lambda: read(direct.of(scan.frames)))


def _as_complex(pairs: FloatArray) -> NDArray[np.complex128]:
    return np.asarray(pairs[:, 1] + 1j * pairs[:, 0], np.complex128)


def _course(begun_s: float, encode: Encode, encode_raw: Encode) -> Course:
    """One look: what was fitted since `begun_s`, and one encoding with it; then from raw frames."""
    scores = encode()
    ended_s = time.process_time()
    return Course(
        np.array([ended_s - begun_s]),
        np.zeros(1),
        np.angle(scores)[None],
        np.abs(scores)[None, :, None],
        len(scores) / quickest_s(encode),
        len(scores) / quickest_s(encode_raw),
    )
