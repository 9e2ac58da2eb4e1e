"""A model trained on recorded scans, for other scans to begin with or to be encoded by."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stream_rrvae import __version__
from stream_rrvae.batch.measure import Progress, measured
from stream_rrvae.config import LearnSettings, Settings
from stream_rrvae.errors import CheckpointError, FileFormatError
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.messages import Float32Array
from stream_rrvae.metrics import new_metrics
from stream_rrvae.plain import to_plain
from stream_rrvae.recording.frame_file import FrameFile
from stream_rrvae.rrvae import checkpoint
from stream_rrvae.rrvae.checkpoint import Checkpoint, checkpoint_of, require_fit
from stream_rrvae.rrvae.draws import smallest_drawn
from stream_rrvae.rrvae.model import Model, RoundReport
from stream_rrvae.rrvae.preparation import MEASURED, SMALLEST_MODULATION, Prepared, basis_of, com_beside, prepare
from stream_rrvae.rrvae.quality import agreement_with_com
from stream_rrvae.rrvae.registry import factory
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore

FEWEST_FRAMES = 64


@dataclass(frozen=True, slots=True)
class TrainingScan:
    """One scan's frames ready for a model, their COM [n] (px), what to remember of the scan, and how many are left out.

    Of more frames than are wanted those are a sample.
    """

    data: Prepared
    basis: BasisSpec
    com_y: Float32Array
    com_x: Float32Array
    about: dict[str, Any]
    left_out: int = 0


def training_scan(frames: FrameFile, settings: Settings, progress: Progress, most: int) -> TrainingScan:
    """Measure a file as if it came live, and keep `most` of its frames. Raises FileFormatError when nothing can be
    learnt from it.
    """
    around = Surroundings(settings, Meter(new_metrics()), DEFAULT_FOLDER, lambda _store: None, lambda *_told: None)
    with measured(frames, around, progress) as store:
        return training_scan_of(store, frames.name, settings, most)


def training_scan_of(store: ScanStore, name: str, settings: Settings, most: int) -> TrainingScan:
    """The same of a scan that is measured. Raises FileFormatError when nothing can be learnt from it."""
    there = store.coverage == MEASURED
    among = smallest_drawn(there, most, settings.learn.seed, Path(name).name)  # before anything is gathered
    data = prepare(store, settings.learn.assumed_dose_electrons, settings.learn.cell_nm, among)
    if len(data.positions) < FEWEST_FRAMES or not data.modulation >= SMALLEST_MODULATION:
        raise FileFormatError(
            f"nothing can be learnt from {name}: {len(data.positions)} frames with counts (wanted "
            f"{FEWEST_FRAMES}), rms modulation {data.modulation:.3g} of the noise (wanted {SMALLEST_MODULATION})"
        )
    left_out = int(np.count_nonzero(there) - np.count_nonzero(among))
    return TrainingScan(data, basis_of(store), *com_beside(store, data), _about(name, store, data), left_out)


def pretrain(
    scans: Sequence[TrainingScan], settings: LearnSettings, licence: str, told: Callable[[float, RoundReport], None]
) -> Checkpoint:
    """Train on all of `scans` together for `budget_s`; `told` hears the share done and how each round went.

    Raises CheckpointError when the scans' bases differ or a model to begin with does not fit them.
    """
    torch.set_num_threads(settings.threads)
    data = pool([scan.data for scan in scans])
    for scan in scans:
        if scan.basis != scans[0].basis:
            raise CheckpointError(f"{scan.about['name']} is in another basis than {scans[0].about['name']}")
    model = _first_model(data, scans[0].basis, settings)
    reports = []
    for begin, end in _rounds(settings):
        reports.append(model.train(data, (end - begin) * settings.budget_s, (begin, end)))
        told(end, reports[-1])
    model.settle(data.x)
    return checkpoint_of(model, _provenance(scans, settings, model, reports), licence)


def pool(parts: Sequence[Prepared]) -> Prepared:
    """All frames of `parts` as if of one scan, each still relative to the mean of its own."""
    counts = [len(part.x) for part in parts]
    # Numbered through, so that frames of every scan are held out.
    positions = np.arange(sum(counts), dtype=np.int64)
    noise_variance = float(np.average([part.noise_variance for part in parts], weights=counts))
    return Prepared(np.concatenate([part.x for part in parts]), positions, noise_variance)


def _first_model(data: Prepared, basis: BasisSpec, settings: LearnSettings) -> Model:
    if settings.checkpoint is None:
        return factory(settings.decoder).create(data, basis, settings.latents, settings.seed, settings.device)
    stored = checkpoint.load(settings.checkpoint)
    require_fit(stored, basis)
    return stored.model(settings.device)


def _rounds(settings: LearnSettings) -> Iterator[tuple[float, float]]:
    count = max(1, round(settings.budget_s / settings.round_s))
    yield from ((number / count, (number + 1) / count) for number in range(count))


def _about(name: str, store: ScanStore, data: Prepared) -> dict[str, Any]:
    calibration = store.start.calibration
    return {
        "name": Path(name).name,
        "frames": len(data.positions),
        "scan_shape": list(store.shape.scan_shape),
        "frame_shape": list(store.start.frame_shape),
        "pixel_type": store.start.pixel_type,
        "counts_per_frame": float(np.median(store.sum[data.positions])) if data.noise_variance else None,
        "calibration": to_plain(calibration),
    }


def _provenance(
    scans: Sequence[TrainingScan], settings: LearnSettings, model: Model, reports: Sequence[RoundReport]
) -> dict[str, Any]:
    return {
        "program": f"stream-rrvae {__version__}",
        "made": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        "settings": settings.model_dump(mode="json"),
        "frames_trained": sum(report.frames for report in reports),
        "heldout_loglikelihood": reports[-1].heldout_loglikelihood,
        "scans": [
            {**scan.about, "frames_kept": len(scan.data.positions), "agreement": _agreement(model, scan)}
            for scan in scans
        ],
    }


def _agreement(model: Model, scan: TrainingScan) -> dict[str, float | list[float]]:
    found = model.encode(scan.data.x)
    return agreement_with_com(found.rotation, found.latents.T, scan.com_y, scan.com_x)
