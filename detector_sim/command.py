"""The options of `detector-sim`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from detector_sim.faults import FRAME_FAULTS, SCAN_FAULTS
from detector_sim.launch import FORMATS, launch
from detector_sim.option_types import Detector, Fault, Pair, ScanShape, Unbounded
from detector_sim.path_options import path_options
from detector_sim.sending import STALL_S
from detector_sim.settings import ANNOUNCE
from detector_sim.specimen import SPECIMENS
from stream_rrvae import __version__
from stream_rrvae.messages import Encoding


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 120})
@click.version_option(__version__, prog_name="detector-sim")
@click.option("--protocol", type=click.Choice(list(FORMATS)), default="native", help="What is sent.")
@click.option(
    "--bind",
    "urls",
    metavar="URL",
    multiple=True,
    default=("tcp://127.0.0.1:31001",),
    help="Where; port * = a free one. May be repeated: frames are then dealt over all.",
)
@click.option(
    "--deal", type=click.Choice(["frames", "shards"]), default="frames", help="Over several: in turn, or by lines."
)
@click.option("--shard-lines", type=click.IntRange(1), default=4, help="Scan lines that go to one shard together.")
@click.option(
    "--socket", type=click.Choice(["push", "pub"]), default="push", help="Wait for a slow peer, or drop (native)."
)
@click.option(
    "--simplon-port",
    type=click.IntRange(0, 65535),
    help="Answer on this port what receivers of dectris-v1 ask a control unit over HTTP; 0 = a free one.",
)
@click.option("--allow-remote", is_flag=True, help="Bind beyond loopback without keys: closed networks only.")
@click.option("--curve-key", type=click.Path(path_type=Path), help="Our NAME.key_secret (stream-rrvae keygen); native.")
@click.option("--curve-clients", type=click.Path(path_type=Path), help="Folder of the NAME.key of who may connect.")
@click.option("--specimen", default="graphene", help=f"{', '.join(SPECIMENS)}, or a structure file (needs abTEM).")
@click.option(
    "--thickness-nm",
    type=click.FloatRange(0, 1000),
    default=0.0,
    help="Repeat a structure file's cell to this; 0 = as it is.",
)
@click.option("--detector", type=Detector(), default="96x96:float32", help="arina, quadro, merlin, empad or HxW:dtype.")
@click.option("--scan-shape", type=ScanShape(), default="64x64", help="Positions (y, x).")
@click.option(
    "--repeat",
    type=ScanShape(),
    default="1x1",
    help="Send the computed scan so often beside itself, as one larger scan.",
)
@path_options
@click.option("--step-nm", type=Pair(), default="0.02", help="Scan step in nm, one number or y,x.")
@click.option("--field-nm", type=Pair(), default=None, help="Size of the scan in nm (y,x), instead of the step.")
@click.option("--rate", type=Unbounded("FPS|max", "max"), default="max", help="Frames/s.")
@click.option(
    "--dose", default="inf", metavar="ELECTRONS|inf", help="Electrons a frame (Poisson); inf or 0 = no noise."
)
@click.option("--scans", type=click.IntRange(0), default=0, help="End after so many scans; 0 = never.")
@click.option(
    "--fault",
    "faults",
    type=Fault(),
    multiple=True,
    help=f"Repeatable; RATE 0..1 a frame: {', '.join(FRAME_FAULTS)}; or a scan: {', '.join(SCAN_FAULTS)}.",
)
@click.option("--stall-s", type=click.FloatRange(0.0), default=STALL_S, help="How long the fault stall lasts, in s.")
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
@click.option(
    "--sent-times",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write when each frame of the latest scan was sent here (.npy, seconds of the monotonic clock).",
)
def command(**options: Any) -> None:
    """A simulated 4D-STEM detector: graphene diffraction from physics, sent over the real protocols.

    Binds, prints `bound URL`, and sends scans to whoever connects. Ctrl-C ends it.
    """
    with suppress(KeyboardInterrupt):  # the way to end it; click would turn it into a failure
        launch(options)
