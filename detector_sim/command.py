"""The options of `detector-sim`, and what they set going."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from detector_sim.faults import FAULTS, FaultInjector, check_rates
from detector_sim.message_format import MessageFormat
from detector_sim.optics import Optics
from detector_sim.option_types import Detector, Fault, Pair, ScanShape, Unbounded
from detector_sim.outlet import Outlet
from detector_sim.pacing import Pacer
from detector_sim.pool import FramePool
from detector_sim.send_dectris_v2 import DectrisV2Format
from detector_sim.send_native import NativeFormat
from detector_sim.sending import ScanSender
from detector_sim.settings import ANNOUNCE, SimulationSettings
from detector_sim.simulation import Simulation
from detector_sim.specimen import SPECIMENS
from stream_rrvae import __version__
from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import Encoding
from stream_rrvae.security import check_bind

_FORMATS: dict[str, type[NativeFormat] | type[DectrisV2Format]] = {
    "native": NativeFormat,
    "dectris-v2": DectrisV2Format,
}
_OPTICS = ("voltage_kv", "semiangle_mrad", "defocus_nm", "source_size_nm")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 120})
@click.version_option(__version__, prog_name="detector-sim")
@click.option("--protocol", type=click.Choice(list(_FORMATS)), default="native", help="What is spoken.")
@click.option("--bind", "url", metavar="URL", default="tcp://127.0.0.1:31001", help="Where; port * = a free one.")
@click.option(
    "--socket", type=click.Choice(["push", "pub"]), default="push", help="Wait for a slow peer, or drop (native)."
)
@click.option("--allow-remote", is_flag=True, help="Bind beyond loopback without keys: closed networks only.")
@click.option("--specimen", default="graphene", help=f"{', '.join(SPECIMENS)}, or a structure file (needs abTEM).")
@click.option(
    "--thickness-nm",
    type=click.FloatRange(0, 1000),
    default=0.0,
    help="Repeat a structure file's cell to this; 0 = as it is.",
)
@click.option("--detector", type=Detector(), default="96x96:float32", help="arina, quadro, merlin, empad or HxW:dtype.")
@click.option("--scan-shape", type=ScanShape(), default="64x64", help="Positions.")
@click.option("--step-nm", type=Pair(), default="0.02", help="Scan step in nm.")
@click.option("--field-nm", type=Pair(), default=None, help="Size of the scan in nm, instead of the step.")
@click.option("--rate", type=Unbounded("FPS|max", "max"), default="max", help="Frames/s.")
@click.option(
    "--dose", default="inf", metavar="ELECTRONS|inf", help="Electrons a frame (Poisson); inf or 0 = no noise."
)
@click.option("--scans", type=click.IntRange(0), default=0, help="End after so many scans; 0 = never.")
@click.option(
    "--fault", "faults", type=Fault(), multiple=True, help=f"Repeatable; RATE 0..1 a frame: {', '.join(FAULTS)}."
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Of noise, bad pixels and faults.")
@click.option("--voltage-kv", type=click.FloatRange(1, 3000), default=60.0, help="Acceleration voltage in kV.")
@click.option("--semiangle-mrad", type=click.FloatRange(0.1, 200), default=31.0, help="Semi-convergence angle in mrad.")
@click.option(
    "--max-angle-mrad", type=click.FloatRange(1, 500), default=51.2, help="Half width of the detector's field in mrad."
)
@click.option("--defocus-nm", type=click.FloatRange(-1000, 1000), default=0.0, help="Underfocus in nm.")
@click.option(
    "--source-size-nm", type=click.FloatRange(0, 1), default=0.0, help="Source image in nm, full width at half maximum."
)
@click.option(
    "--rotation-deg",
    type=click.FloatRange(-360, 360),
    default=0.0,
    help="Rotation of the detector against the scan in degrees.",
)
@click.option("--flip/--no-flip", default=False, help="The detector is mirrored in y before the rotation.")
@click.option("--descan-px", type=Pair(), default="0", help="Walk of the pattern over the scan in px, ky,kx.")
@click.option("--drift-nm", type=Pair(), default="0", help="Drift of the specimen over the scan in nm.")
@click.option(
    "--beam-offset-px", type=Pair(), default="0", help="Optical axis from the detector's middle in px, ky,kx."
)
@click.option("--dead-pixels", type=click.IntRange(0), default=0, help="Number of pixels that read 0.")
@click.option("--hot-pixels", type=click.IntRange(0), default=0, help="Number of pixels that read saturation.")
@click.option("--nodata-pixels", type=click.IntRange(0), default=0, help="Number of pixels marked as without data.")
@click.option(
    "--announce", type=click.Choice(ANNOUNCE), default="all", help="What the start tells: geometry, shape only."
)
@click.option("--compression", type=click.Choice([str(e) for e in Encoding]), default="bslz4", help="Of the frames.")
@click.option("--pool-mib", type=click.IntRange(1), default=2048, help="Memory for the encoded scan in MiB.")
@click.option("--truth", type=click.Path(dir_okay=False, path_type=Path), help="Write the ground truth here (.npz).")
def command(**options: Any) -> None:
    """A simulated 4D-STEM detector: graphene diffraction from physics, sent over the real protocols.

    Binds, prints `bound URL`, and sends scans to whoever connects. Ctrl-C ends it.
    """
    with suppress(KeyboardInterrupt):  # the way to end it; click would turn it into a failure
        _serve(options)


def _serve(options: dict[str, Any]) -> None:
    check_bind(options["url"], options["allow_remote"])
    if options["socket"] == "pub" and options["protocol"] != "native":
        raise ConfigError("only the native protocol can be published: leave --socket push")
    if options["truth"] is not None and not options["truth"].absolute().parent.is_dir():
        raise ConfigError(f"no folder for --truth {options['truth']}: make it first")
    rate_fps = None if math.isinf(options["rate"]) else options["rate"]
    simulation = Simulation(_settings(options))
    pool = FramePool(simulation, options["pool_mib"] << 20)
    form: MessageFormat = _FORMATS[options["protocol"]]()
    sender = ScanSender(simulation, pool, form, Pacer(rate_fps), _injector(options, form), options["truth"])
    if rate_fps is None:  # at full speed nothing may be left to compute
        _fill(pool, simulation.plan.count)
    _send(sender, options, _message_bytes(simulation, form, rate_fps))


def _send(sender: ScanSender, options: dict[str, Any], message_bytes: int) -> None:
    with Outlet(options["url"], options["socket"], message_bytes) as outlet:
        click.echo(f"bound {outlet.endpoint}")
        begun_s = time.monotonic()
        try:
            sender.run(outlet, options["scans"])
        finally:
            sender.write_truth()
            click.echo(sender.summary(begun_s))


def _settings(options: dict[str, Any]) -> SimulationSettings:
    same = (
        "specimen",
        "thickness_nm",
        "detector",
        "scan_shape",
        "max_angle_mrad",
        "rotation_deg",
        "flip",
        "descan_px",
        "drift_nm",
    )
    counts = ("beam_offset_px", "dead_pixels", "hot_pixels", "nodata_pixels", "announce", "seed")
    return SimulationSettings(
        optics=Optics(**{name: options[name] for name in _OPTICS}),
        step_nm=_step_nm(options),
        dose_electrons=_dose(options["dose"]),
        encoding=Encoding(options["compression"]),
        **{name: options[name] for name in (*same, *counts)},
    )


def _step_nm(options: dict[str, Any]) -> tuple[float, float]:
    field_nm, shape = options["field_nm"], options["scan_shape"]
    if field_nm is None:
        step: tuple[float, float] = options["step_nm"]
        return step
    return field_nm[0] / shape[0], field_nm[1] / shape[1]


def _dose(text: str) -> float | None:
    try:
        dose = float(text)
    except ValueError:
        dose = math.nan
    if not dose >= 0:
        raise ConfigError(f"--dose {text}: give electrons a frame, or inf")
    return dose if 0 < dose < math.inf else None


def _injector(options: dict[str, Any], form: MessageFormat) -> FaultInjector | None:
    rates = dict(options["faults"])
    check_rates(rates, options["detector"].pixel_type)
    return FaultInjector(rates, form, options["seed"]) if rates else None


def _message_bytes(simulation: Simulation, form: MessageFormat, rate_fps: float | None) -> int:
    rows, columns = simulation.settings.detector.shape
    # Compression makes messages smaller than this, so that the queue holds less than its bound.
    return rows * columns * Pacer(rate_fps).batch(form.largest_batch)


def _fill(pool: FramePool, count: int) -> None:
    begun_s = time.monotonic()
    if sys.stdout.isatty():
        with click.progressbar(length=count, label="computing frames") as bar:
            pool.fill(lambda done: bar.update(done - bar.pos))
    else:
        pool.fill()
    click.echo(f"computed {count} frames in {time.monotonic() - begun_s:.1f} s")
