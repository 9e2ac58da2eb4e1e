"""`calibrate`: an entry of a site's calibration file from one scan, and a picture to judge it by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from threadpoolctl import threadpool_limits

from stream_rrvae import log
from stream_rrvae.batch.measure import measured
from stream_rrvae.batch.one_live_scan import one_live_scan
from stream_rrvae.calibration.site import check_site
from stream_rrvae.calibration.site_file import CAMERA_LENGTH, CameraLength, camera_length_of
from stream_rrvae.calibration.site_writer import add_entry
from stream_rrvae.commands.notes import tell_notes
from stream_rrvae.config import Settings
from stream_rrvae.detectors.laid_out import check_detectors
from stream_rrvae.errors import CalibrationError, ConfigError
from stream_rrvae.found import CalibrationFound, PatternFound, RotationFound
from stream_rrvae.ingest.meter import Meter
from stream_rrvae.ingest.scan_work import Surroundings
from stream_rrvae.maps.calibration_picture import calibration_picture, percent
from stream_rrvae.maps.figures_parts import require_matplotlib
from stream_rrvae.maps.found_calibration import find_calibration
from stream_rrvae.metrics import new_metrics
from stream_rrvae.recording.frame_file import open_frames
from stream_rrvae.scan_store import DEFAULT_FOLDER, ScanStore


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """What `stream-rrvae calibrate` was asked for beside the settings."""

    source: str | None  # a file of frames; None = the detector of the settings
    out: Path


def run_calibrate(options: CalibrateOptions, settings: Settings) -> None:
    """Measure one scan, find what it shows, write the entry and the picture. Raises StreamRrvaeError."""
    log.set_up()
    require_matplotlib()  # before the work, not after it
    check_site(settings)
    check_detectors(settings.detectors)
    threadpool_limits(1)  # spinning threads make small fits ten times slower where cores are few
    if settings.calibration.semiangle_mrad is None:
        raise ConfigError("say the semi-convergence angle with --semiangle-mrad: the disc is the scale's measure")
    with _scan(options, settings) as store:
        found = find_calibration(store, settings.calibration.detector_flip)
        _write(options.out, store, found, settings)


@contextmanager
def _scan(options: CalibrateOptions, settings: Settings) -> Iterator[ScanStore]:
    if options.source is None:
        with one_live_scan(settings, lambda: click.echo("ready")) as store:
            yield store
        return
    with (
        open_frames(options.source, settings.scan_shape, settings.channel, settings.scan) as frames,
        click.progressbar(length=frames.n_arrivals, label="frames measured") as bar,
    ):
        tell_notes(frames)
        around = Surroundings(settings, Meter(new_metrics()), DEFAULT_FOLDER, lambda _s: None, lambda *_told: None)
        store = measured(frames, around, lambda done: bar.update(done - bar.pos))
    with store:
        yield store


def _write(out: Path, store: ScanStore, found: CalibrationFound, settings: Settings) -> None:
    if found.pattern is None:
        raise CalibrationError(f"nothing to calibrate by: {found.note}")
    length_mm = settings.camera_length_mm or camera_length_of(store.start.metadata)
    if length_mm is None:
        raise ConfigError(f"say the camera length with --camera-length MM: the stream tells no {CAMERA_LENGTH}")
    assert settings.calibration.semiangle_mrad is not None
    semiangle_mrad, rotation = settings.calibration.semiangle_mrad, found.rotation
    sure = rotation is not None and rotation.trusted
    entry = CameraLength(
        camera_length_mm=length_mm,
        mrad_per_px=float(f"{semiangle_mrad / found.pattern.radius_px:.6g}"),
        semiangle_mrad=semiangle_mrad,
        rotation_deg=round(math.degrees(rotation.rotation_rad), 2) if sure and rotation else None,
        flip=rotation.flip if sure and rotation else settings.calibration.detector_flip,
    )
    remarks = (_pattern_in_words(found.pattern), _rotation_in_words(rotation, found.note))
    add_entry(out, entry, remarks)
    picture = out.with_suffix(".png")
    picture.write_bytes(calibration_picture(store, found))
    for remark in remarks:
        click.echo(remark)
    click.echo(f"{out}: {length_mm:g} mm, {entry.mrad_per_px} mrad/px; picture: {picture}")


def _pattern_in_words(found: PatternFound) -> str:
    shape = f"axis ratio {found.axis_ratio:.3f} ± {found.axis_ratio_error:.3f}"
    if found.axis_ratio != 1.0:
        shape += f", longest at {math.degrees(found.long_axis_rad):.0f} degrees"
    return (
        f"disc on the mean of {found.frames} frames: centre ({found.center_px[0]:.2f}, {found.center_px[1]:.2f}) px, "
        f"radius {found.radius_px:.3f} ± {found.radius_error_px:.3f} px, {shape}"
    )


def _rotation_in_words(found: RotationFound | None, note: str) -> str:
    if found is None:
        return f"rotation not found: {note}"
    kind = "mirrored" if found.flip else "not mirrored"
    said = (
        f"rotation {math.degrees(found.rotation_rad):.2f} ± {math.degrees(found.error_rad):.2f} degrees, {kind}; "
        f"certain: flip {percent(found.flip_confidence)}, half turn {percent(found.direction_confidence)}"
    )
    return said if found.trusted else f"not certain enough to be set: {said}"
