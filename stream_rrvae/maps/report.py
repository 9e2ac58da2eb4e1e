"""A report of one scan: a page that stands alone, with the figures inside it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

import numpy as np

from stream_rrvae.errors import FileFormatError
from stream_rrvae.maps.figure_manifold import manifold_figure
from stream_rrvae.maps.figures import image_figure, latent_figure, relation_figure, vector_figure
from stream_rrvae.maps.figures_parts import DPI, require_matplotlib
from stream_rrvae.maps.manifold import FEWEST_IN_CELL
from stream_rrvae.maps.report_data import ReportData, Values, read_report_data

PAGE = Path(__file__).with_name("report.html")
CSS_PX_PER_INCH = 112
CALLED = {
    "pearson_latent_com": ("Pearson r of each latent with |COM|", "{:+.4f}"),
    "circular_correlation_rotation_com": ("agreement of rotation with COM direction, 0 to 1", "{:.4f}"),
    "angle_error_deg": ("angle between rotation and COM direction, weighted by |COM|", "{:.2f}°"),
    "angle_error_mod120_deg": ("the same modulo 120°", "{:.2f}°"),
    "angle_error_mod180_deg": ("the same modulo 180°", "{:.2f}°"),
    "angle_offset_deg": ("constant offset taken out before", "{:.2f}°"),
    "out_of_distribution_share": ("share of positions that the model does not describe", "{:.4f}"),
    "mean_lean": ("lean of the scan's mean, from which directions count, over what varies", "{:.3f}"),
    "descan_px": ("descan taken out: ky, kx over the rows; ky, kx over the columns", "{:+.2f} px"),
    "heldout_loglikelihood": ("held-out log-likelihood beyond noise", "{:.4g} nat a frame"),
    "n_trained": ("frames trained", "{:,.0f}"),
    "train_frames_per_s": ("training rate of the last round", "{:,.0f} frames/s"),
}
ACCOUNT = ("expected", "received", "missing", "processed", "refused", "duplicate", "reordered")
LATENTS_CAPTION = (
    "In units of one frame's noise; unused: a spread far below it, which the model's shapes hardly depend on. "
    "r is Pearson's correlation with the COM magnitude; latent 1 is signed to fall where the COM grows."
)
MANIFOLD_CAPTION = (
    "The frames with such latents, turned back by their rotation and averaged, less the scan's mean, over the mean "
    "intensity of the disc: the shape that each point of latent space stands for, within the bright disc. "
    f"Grey: fewer than {FEWEST_IN_CELL} frames."
)
IMAGES_CAPTION = (
    "Virtual detectors; in scan axes, the phase integrated from the COM; how much worse the model "
    "describes a position than a usual one, in standard deviations: what is unlike the rest of the scan stands out."
)
NOT_IN_TABLE = ("heldout_history",)  # it is drawn


def write_report(path: Path, results: Path) -> Path:
    """The page of the results file `results`, at `path`.

    Raises ConfigError without matplotlib, FileFormatError when a file cannot be read or written.
    """
    require_matplotlib()
    page = report_page(read_report_data(results))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise FileFormatError(f"cannot write {path}: {error}") from error
    return path


def report_page(data: ReportData) -> str:
    """The whole page; nothing in it refers to another file."""
    shape = data.maps["sum"].shape
    extent = " x ".join(f"{count * step:.4g}" for count, step in zip(shape, data.step, strict=True))
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        name=html.escape(data.name),
        scan=f"{shape[0]} x {shape[1]} positions, {extent} {html.escape(data.step_unit)}",
        figures="".join(_figures(data)),
        readouts=_table(_readouts(data)),
        account=_table((name, f"{data.account[name]:,}") for name in sorted(data.account, key=_account_place)),
        provenance=_table(data.provenance.items()),
        configuration=html.escape(json.dumps(_given(data.configuration), indent=1)),
    )


def _figures(data: ReportData) -> Iterable[str]:
    axes = f"Angles are atan2(y, x) in {data.axes} axes: 0° to the right, 90° downwards."
    yield _figure(vector_figure(data), "Centre of mass and rotation", f"{axes} Rotation fades with its confidence.")
    latents, relations = latent_figure(data), relation_figure(data)
    if latents and relations:
        yield _figure(latents, "Latents", LATENTS_CAPTION)
        yield _figure(relations, "What the latents say", "Every dot is a probe position.")
    if data.manifold is not None:
        yield _figure(manifold_figure(data.manifold), "Latent manifold", MANIFOLD_CAPTION)
    yield _figure(image_figure(data), "Images", IMAGES_CAPTION)


def _figure(png: bytes, title: str, caption: str) -> str:
    source = base64.b64encode(png).decode()
    width_px = round(int.from_bytes(png[16:20], "big") / DPI * CSS_PX_PER_INCH)  # from the PNG's header
    return (
        f'<figure><img alt="{html.escape(title)}" width="{width_px}" src="data:image/png;base64,{source}">'
        f"<figcaption><b>{html.escape(title)}.</b> {html.escape(caption)}</figcaption></figure>\n"
    )


def _readouts(data: ReportData) -> Iterable[tuple[str, str]]:
    for name in sorted(data.figures, key=lambda name: _place(name, tuple(CALLED))):
        called, form = CALLED.get(name, (name.replace("_", " "), "{:.6g}"))
        if name not in NOT_IN_TABLE:
            yield called, _numbers(data.figures[name], form)


def _place(name: str, order: tuple[str, ...]) -> int:
    """Where `name` comes; what is not in `order` comes last."""
    return order.index(name) if name in order else len(order)


def _account_place(name: str) -> int:
    return _place(name, ACCOUNT)


def _numbers(values: Values, form: str) -> str:
    return ", ".join(form.format(value) if np.isfinite(value) else "none" for value in values).replace("-", "\u2212")


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{''.join(cells)}</table>"


def _given(tree: Mapping[str, object]) -> dict[str, object]:
    """`tree` without what was left open."""
    kept = {name: _given(value) if isinstance(value, Mapping) else value for name, value in tree.items()}
    return {name: value for name, value in kept.items() if value not in (None, {}, "")}
