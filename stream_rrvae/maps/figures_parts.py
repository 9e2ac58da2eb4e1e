"""Parts that figures are made of: maps with their colour bar, wheel, scale bar and letter."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import colorcet
import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import ConfigError
from stream_rrvae.maps.report_data import ReportData
from stream_rrvae.messages import Float32Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

DPI = 200
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}
NOT_MEASURED = 0.9  # grey
MAP_INCHES = 2.35
SCALE_BAR_INCHES = 0.105  # below the map
Colours = NDArray[np.float64]
# The colour maps of the dashboards: direction and rotation have different ones, so that they are never confused.
DIRECTION: tuple[str, ...] = tuple(colorcet.CET_C2)
ROTATION: tuple[str, ...] = tuple(colorcet.CET_C9)
ROUND_LENGTHS = tuple(m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5))


def require_matplotlib() -> None:
    """Raises ConfigError that says how to install it when it is not."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError("figures need matplotlib: pip install 'stream-rrvae[report]'") from error


@contextmanager
def paper_style() -> Iterator[None]:
    """Small type and thin lines, while it lasts."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches; nothing of matplotlib's global state is touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def as_png(figure: Figure) -> bytes:
    """The figure as PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def cyclic_colours(angles_rad: Float32Array, table: tuple[str, ...], opacity: Float32Array | None = None) -> Colours:
    """RGB [..., 3] of angles; `opacity` 0..1 fades to white, no value is grey."""
    rgb = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in table]) / 255
    known = np.isfinite(angles_rad)
    turns = np.where(known, angles_rad, 0.0) / (2 * np.pi) % 1.0
    colours = rgb[(turns * len(table)).astype(int) % len(table)]
    if opacity is not None:
        alpha = np.clip(np.nan_to_num(opacity), 0.0, 1.0)[..., None]
        colours = alpha * colours + 1 - alpha
    return np.where(known[..., None], colours, NOT_MEASURED)


def scalar_map(figure: Figure, axes: Axes, data: ReportData, name: str, cmap: str, symmetric: bool = False) -> None:
    """A map in a sequential colour map, or in a diverging one about zero; limits leave out 0.5 % at each end."""
    image = scalar_image(axes, data, name, cmap, symmetric)
    finish_bar(figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03), data.units[name])
    finish_map(axes, data)


def scalar_image(
    axes: Axes,
    data: ReportData,
    name: str,
    cmap: str,
    symmetric: bool,
    limits: tuple[float, float] | None = None,
) -> AxesImage:
    """The map without what stands around it."""
    values = data.maps[name]
    low, high = limits or _limits(values, symmetric)
    shown = _colour_map(cmap)
    return axes.imshow(values, cmap=shown, vmin=low, vmax=high, aspect=aspect(data), interpolation="nearest")


def finish_bar(bar: Colorbar, unit: str) -> None:
    """Thin lines, short numbers and the unit."""
    bar.outline.set_linewidth(0.5)
    bar.ax.tick_params(length=2, pad=1.5)
    bar.ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4), useOffset=False)
    bar.set_label("" if unit == "1" else unit, labelpad=2)


def cyclic_map(
    axes: Axes, data: ReportData, name: str, table: tuple[str, ...], opacity: Float32Array | None = None
) -> None:
    """A map of angles with its wheel."""
    axes.imshow(cyclic_colours(data.maps[name], table, opacity), aspect=aspect(data), interpolation="nearest")
    draw_wheel(axes.inset_axes((1.03, 0.62, 0.34, 0.34)), table, faded=opacity is not None)
    finish_map(axes, data)


def finish_map(axes: Axes, data: ReportData) -> None:
    """No ticks, but a scale bar."""
    from matplotlib.transforms import ScaledTranslation

    axes.set(xticks=[], yticks=[])
    width = data.maps["sum"].shape[1] * data.step[1]
    length = max((item for item in ROUND_LENGTHS if item <= 0.3 * width), default=width)
    share = length / width
    figure = axes.get_figure(root=True)
    assert figure is not None
    below = axes.transAxes + ScaledTranslation(0, -SCALE_BAR_INCHES, figure.dpi_scale_trans)
    axes.plot([0.04, 0.04 + share], [0, 0], transform=below, color="black", lw=2, clip_on=False,
              solid_capstyle="butt")  # fmt: skip
    axes.text(0.06 + share, 0, f"{length:g} {data.step_unit}", transform=below, va="center", fontsize=7)


def letter(axes: Axes, character: str, title: str) -> None:
    """The panel's letter and what it shows."""
    axes.set_title(f"$\\mathbf{{{character}}}$   {title}", loc="left", pad=5)


def draw_wheel(place: Axes, table: tuple[str, ...], faded: bool) -> None:
    """Angles as they lie on the map: 0 to the right, 90 degrees downwards, as rows count."""
    y, x = np.mgrid[-1:1:161j, -1:1:161j]
    radius = np.hypot(y, x)
    fade = np.clip(radius, 0, 1).astype(np.float32) if faded else None
    colours = cyclic_colours(np.arctan2(y, x).astype(np.float32), table, fade)
    inside = radius <= 1 if faded else (radius <= 1) & (radius >= 0.55)
    place.imshow(np.dstack([colours, inside.astype(float)]), extent=(-1, 1, 1, -1), interpolation="bilinear")
    place.set(xlim=(-1.7, 1.75), ylim=(1.6, -1.6))
    for text, x_at, y_at in (("0°", 1.42, 0.0), ("90°", 0.0, 1.34), ("\u221290°", 0.0, -1.34)):
        place.text(x_at, y_at, text, ha="center", va="center", fontsize=6)
    place.axis("off")


def _limits(values: Float32Array, symmetric: bool) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.quantile(known, (0.005, 0.995)))
    if symmetric:
        high = max(abs(low), abs(high), 1e-12)
        return -high, high
    return (low, high) if high > low else (low, low + max(abs(low), 1.0) * 1e-3)


def _colour_map(name: str) -> Any:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    # The dashboards' diverging map; matplotlib's of this name is another.
    known = ListedColormap(colorcet.coolwarm) if name == "coolwarm" else colormaps[name]
    return known.with_extremes(bad=(NOT_MEASURED,) * 3)


def aspect(data: ReportData) -> float:
    """Of one position on paper."""
    ratio = data.step[0] / data.step[1] if data.step[1] else 1.0
    return ratio if math.isfinite(ratio) and ratio > 0 else 1.0
