"""From the command's options to a bound socket that sends."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from detector_sim.faults import FaultInjector, check_rates
from detector_sim.message_format import MessageFormat
from detector_sim.optics import Optics
from detector_sim.outlets import Dealing, Outlets
from detector_sim.pacing import Pacer
from detector_sim.path_options import path_of
from detector_sim.pool import FramePool
from detector_sim.send_dectris_v1 import DectrisV1Format, check_detector, configuration, header_detail
from detector_sim.send_dectris_v2 import DectrisV2Format
from detector_sim.send_native import NativeFormat
from detector_sim.sending import ScanSender
from detector_sim.sent_times import SentTimes
from detector_sim.settings import SimulationSettings
from detector_sim.simplon import SimplonApi
from detector_sim.simulation import Simulation
from stream_rrvae.curve import ServerKeys, server_keys
from stream_rrvae.errors import ConfigError
from stream_rrvae.messages import Encoding
from stream_rrvae.scan_path import ScanPath
from stream_rrvae.security import check_bind
from stream_rrvae.wire.limits import ITEM_BYTES

FORMATS: dict[str, Callable[[], MessageFormat]] = {
    "native": NativeFormat,
    "dectris-v2": DectrisV2Format,
    "dectris-v1": DectrisV1Format,
}
_OPTICS = ("voltage_kv", "semiangle_mrad", "defocus_nm", "source_size_nm")


def launch(options: dict[str, Any]) -> None:
    """Simulate, bind and send as `options` (those of the command) say. Raises StreamRrvaeError."""
    keys = server_keys(options["curve_key"], options["curve_clients"])
    for url in options["urls"]:
        check_bind(url, options["allow_remote"], keys is not None)
    _check_protocol(options, keys)
    if options["deal"] == "shards" and options["announce"] == "nothing":
        raise ConfigError("a shard has to know the scan's shape: leave out --announce nothing")
    if options["truth"] is not None and not options["truth"].absolute().parent.is_dir():
        raise ConfigError(f"no folder for --truth {options['truth']}: make it first")
    rate_fps = None if math.isinf(options["rate"]) else options["rate"]
    simulation = Simulation(_settings(options))
    pool = FramePool(simulation, options["pool_mib"] << 20)
    form = _form(options["protocol"], simulation.settings)
    pacer, injector = Pacer(rate_fps), _injector(options, form)
    times = _sent_times(options, simulation.count)
    sender = ScanSender(simulation, pool, form, pacer, injector, options["truth"], times, options["stall_s"])
    if rate_fps is None:  # at full speed nothing may be left to compute
        _fill(pool, simulation.plan.count)
    with _simplon(simulation, options):
        _send(sender, options, _message_bytes(simulation, form, rate_fps), keys)


def _check_protocol(options: dict[str, Any], keys: ServerKeys | None) -> None:
    name = options["protocol"]
    if name == "dectris-v1":
        check_detector(options["detector"].name, options["detector"].pixel_type)
    elif options["simplon_port"] is not None:
        raise ConfigError("only detectors of --protocol dectris-v1 have their SIMPLON API simulated")
    if keys is not None and name != "native":
        raise ConfigError("only the native protocol knows keys: detectors of DECTRIS have none")
    if options["socket"] == "pub" and name != "native":
        raise ConfigError("only the native protocol can be published: leave --socket push")


def _form(protocol: str, settings: SimulationSettings) -> MessageFormat:
    if protocol == "native" and settings.encoding is Encoding.NONE:
        rows, columns = settings.detector.shape
        return NativeFormat(rows * columns * ITEM_BYTES[settings.detector.pixel_type])
    return FORMATS[protocol]()


def _simplon(simulation: Simulation, options: dict[str, Any]) -> AbstractContextManager[SimplonApi | None]:
    if options["simplon_port"] is None:
        return nullcontext()
    start = simulation.start(1, "simplon")
    api = SimplonApi(options["simplon_port"], configuration(start), header_detail(start))
    click.echo(f"simplon {api.url}")
    return api


def _send(sender: ScanSender, options: dict[str, Any], message_bytes: int, keys: ServerKeys | None) -> None:
    dealing = Dealing(options["deal"] == "shards", options["shard_lines"])
    with Outlets(options["urls"], options["socket"], message_bytes, dealing, keys) as outlets:
        for endpoint in outlets.endpoints:
            click.echo(f"bound {endpoint}")
        begun_s = time.monotonic()
        try:
            sender.run(outlets, options["scans"])
        finally:
            sender.write_truth()
            dropped = f"; {outlets.dropped} messages for peers that were gone" if outlets.dropped else ""
            click.echo(sender.summary(begun_s) + dropped)


def _settings(options: dict[str, Any]) -> SimulationSettings:
    same = (
        "specimen",
        "thickness_nm",
        "detector",
        "scan_shape",
        "repeat",
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
        path=_path(options),
        sub_scan=options["sub_scan"],
        **{name: options[name] for name in (*same, *counts)},
    )


def _path(options: dict[str, Any]) -> ScanPath:
    path = path_of(options)
    if options["deal"] == "shards" and (path.endless or not path.is_raster):
        raise ConfigError("--deal shards sends plain rasters: no --flyback, --serpentine, --passes or --endless")
    return path


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
    check_rates(rates, options["detector"].pixel_type, options["protocol"])
    return FaultInjector(rates, form, options["seed"]) if rates else None


def _sent_times(options: dict[str, Any], frames: int) -> SentTimes | None:
    if options["sent_times"] is None:
        return None
    if options["faults"] or options["endless"]:
        raise ConfigError("--sent-times goes by the order of a scan's frames: leave out --fault and --endless")
    return SentTimes(options["sent_times"], frames)


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
