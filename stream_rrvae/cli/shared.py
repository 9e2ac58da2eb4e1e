"""What options of several commands have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from stream_rrvae.cli.scan_options import scan_part
from stream_rrvae.option_kind import OptionKind

CHANNEL_HELP = "Detector channel, of files with several.  [default: threshold_1, else the first]"
CHECKPOINT_HELP = "Model to start from: a file, or `pretrained` for the one in the package."
F = TypeVar("F", bound=Callable[..., Any])


class ScanShape(OptionKind[tuple[int, int]]):
    """Positions as YxX, such as 256x256."""

    name = "YxX"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The shape (y, x) of `value`; a usage error when it is none."""
        if isinstance(value, tuple):
            return value[0], value[1]
        rows, _, columns = str(value).lower().partition("x")
        if not (rows.isdigit() and columns.isdigit() and int(rows) and int(columns)):
            self.fail(f"{value!r} is no scan shape; write rows x columns, such as 256x256", param, ctx)
        return int(rows), int(columns)


_PART_OF_TREE = {
    **dict.fromkeys(
        (
            "semiangle_mrad",
            "mrad_per_px",
            "detector_rotation_deg",
            "detector_flip",
            "rotation",
            "descan",
            "scan_step_nm",
            "beam_energy_ev",
            "thickness_nm",
        ),
        "calibration",
    ),
    **dict.fromkeys(("mode", "checkpoint", "seed", "decoder", "latents", "context", "budget_s"), "learn"),
}


def as_tree(options: dict[str, Any]) -> dict[str, Any]:
    """The flat options of the command line in the shape of the settings tree."""
    options = dict(options)
    tree: dict[str, Any] = {"calibration": {}, "learn": {}, "scan": scan_part(options)}
    for name, value in options.items():
        part = _PART_OF_TREE.get(name)
        (tree[part] if part else tree)[name] = value
    if "feed" in tree:
        tree["feed"] = {"url": tree["feed"]}
    if "requests" in tree:
        tree["requests"] = {"url": tree["requests"], "key": tree.pop("requests_key")}
    curve = {part: tree.pop(f"curve_{part}") for part in ("key", "clients", "source") if f"curve_{part}" in tree}
    return tree | ({"curve": curve} if curve else {})


def curve_options(command: F) -> F:
    """Adds the options of whoever binds: who we are, and who may connect."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--curve-clients", type=path, help="Folder with the NAME.key of who may connect."),
        click.option("--curve-key", type=path, help="Our NAME.key_secret, made by `stream-rrvae keygen`."),
    ):
        command = option(command)
    return command


def cluster_options(command: F) -> F:
    """The options that say on which processes frames are measured; `cluster_of` takes them."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--allow-remote", is_flag=True, help="A scheduler beyond here without TLS: closed networks only."),
        click.option("--tls-key", type=path, help="Its key (PEM)."),
        click.option("--tls-cert", type=path, help="Our certificate for the scheduler (PEM)."),
        click.option("--tls-ca", type=path, help="Certificate authority of the scheduler (PEM)."),
        click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler to work at, such as tls://host:8786."),
        click.option("--workers", type=click.IntRange(1), help="Processes here to measure in, with Dask."),
    ):
        command = option(command)
    return command


def cluster_of(options: dict[str, Any]) -> Any:
    """Takes the options of `cluster_options` out of `options`."""
    from stream_rrvae.batch.cluster import ClusterOptions

    return ClusterOptions(
        **{field.name: options.pop(field.name) for field in fields(ClusterOptions) if field.name in options}
    )
