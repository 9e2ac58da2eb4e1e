"""What `stream-rrvae calibrate` found, as a picture to be judged by: disc, field after turning, curl over the angle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.calibration.descan import shifts_px
from stream_rrvae.calibration.geometry import to_scan_axes
from stream_rrvae.calibration.rotation import curl_curve
from stream_rrvae.found import CalibrationFound, PatternFound
from stream_rrvae.maps.figures_parts import as_png, new_figure, paper_style
from stream_rrvae.maps.found_calibration import scattering_image
from stream_rrvae.messages import Calibration, Float32Array
from stream_rrvae.scan_store import ScanStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ARROWS = 28  # a side
DISC_COLOUR, OTHER_COLOUR = "#d62728", "#999999"
Float = NDArray[np.float64]


def calibration_picture(store: ScanStore, found: CalibrationFound) -> bytes:
    """A PNG of three panels: mean pattern with the fitted disc, COM field, curl against the angle of rotation."""
    with paper_style():
        figure = new_figure(9.6, 3.3)
        pattern, field, curl = figure.subplots(1, 3)
        _draw_pattern(pattern, store, found.pattern)
        _draw_field(field, store, found)
        _draw_curl(curl, store, found)
        return as_png(figure)


def _draw_pattern(axes: Axes, store: ScanStore, found: PatternFound | None) -> None:
    latest = store.read_mean()
    axes.set_title("mean pattern")
    axes.set_xlabel("kx (px)")
    axes.set_ylabel("ky (px)")
    if latest is None:
        return
    mean = np.sqrt(np.maximum(latest[1], 0))
    axes.imshow(mean, cmap="gray", vmax=float(np.nanquantile(mean, 0.995)) or None, interpolation="nearest")
    if found is None:
        return
    y, x = outline(found)
    axes.plot(x, y, color=DISC_COLOUR, linewidth=0.8)
    axes.plot(found.center_px[1], found.center_px[0], "+", color=DISC_COLOUR, markersize=8)
    axes.set_xlim(-0.5, mean.shape[1] - 0.5)
    axes.set_ylim(mean.shape[0] - 0.5, -0.5)
    said = f"radius {found.radius_px:.3f} ± {found.radius_error_px:.3f} px, axis ratio {found.axis_ratio:.3f}"
    axes.set_title(f"mean of {latest[0]} patterns (square root)\n{said}")


def outline(found: PatternFound) -> tuple[Float, Float]:
    """The fitted disc's edge as (ky, kx) in px."""
    angles = np.linspace(0, 2 * np.pi, 361)
    stretch = (found.axis_ratio - 1) / (found.axis_ratio + 1)
    radius = found.radius_px * (1 + stretch * np.cos(2 * (angles - found.long_axis_rad)))
    return found.center_px[0] + radius * np.sin(angles), found.center_px[1] + radius * np.cos(angles)


def _draw_field(axes: Axes, store: ScanStore, found: CalibrationFound) -> None:
    shape = store.shape.scan_shape
    image = scattering_image(store).reshape(shape)
    axes.imshow(image, cmap="gray", interpolation="nearest")
    com_y, com_x = _field(store, found)
    size = max(1, math.ceil(max(shape) / MOST_ARROWS))
    y, x, arrows_y, arrows_x = (
        _in_squares(part.reshape(shape), size) for part in (*np.indices(shape).astype(np.float64), com_y, com_x)
    )
    axes.quiver(x, y, arrows_x, arrows_y, angles="xy", color=DISC_COLOUR, width=0.004)
    axes.set_xlabel("scan x")
    axes.set_ylabel("scan y")
    turned = "in scan axes" if found.rotation else "in detector axes: no rotation found"
    axes.set_title(f"COM on dark field, {turned}\nif that is right, arrows point to atoms")


def _in_squares(values: NDArray[np.floating[Any]], size: int) -> NDArray[np.floating[Any]]:
    """Means over whole squares of `size` positions."""
    rows, columns = (side // size for side in values.shape)
    return np.asarray(values[: rows * size, : columns * size].reshape(rows, size, columns, size).mean(axis=(1, 3)))


def _field(store: ScanStore, found: CalibrationFound) -> tuple[Float32Array, Float32Array]:
    """COM (y, x) [n] without descan and mean, turned as found."""
    com_y, com_x = store.com_y.copy(), store.com_x.copy()
    if found.descan is not None:
        walk = shifts_px(found.descan, store.shape.scan_shape)
        com_y, com_x = (com - part.astype(np.float32) for com, part in zip((com_y, com_x), walk, strict=True))
    com_y, com_x = com_y - np.nanmean(com_y), com_x - np.nanmean(com_x)
    if found.rotation is None:
        return com_y, com_x
    turned = Calibration(detector_rotation_rad=found.rotation.rotation_rad, detector_flip=found.rotation.flip)
    return to_scan_axes(com_y, com_x, turned)


def _draw_curl(axes: Axes, store: ScanStore, found: CalibrationFound) -> None:
    axes.set_title("no rotation found")
    axes.set_xlabel("rotation, modulo half a turn (degrees)")
    axes.set_ylabel("part of the field that is curl")
    if found.rotation is None:
        return
    step = store.start.calibration.scan_step_nm or (1.0, 1.0)
    com_y, com_x = (com.astype(np.float64).reshape(store.shape.scan_shape) for com in (store.com_y, store.com_x))
    angles = np.radians(np.arange(-90.0, 90.5, 0.5))
    for flip in (False, True):
        colour = DISC_COLOUR if flip is found.rotation.flip else OTHER_COLOUR
        curve, name = curl_curve(com_y, com_x, step, flip, angles), "mirrored" if flip else "not mirrored"
        axes.plot(np.degrees(angles), curve, color=colour, label=f"curl, {name}")
        axes.plot(np.degrees(angles), 1 - curve, color=colour, linestyle=":", label=f"divergence, {name}")
    axes.axvline((math.degrees(found.rotation.rotation_rad) + 90) % 180 - 90, color="black", linewidth=0.6)
    axes.set_ylim(0, 1)
    axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    axes.set_title(_rotation_in_words(found))


def _rotation_in_words(found: CalibrationFound) -> str:
    assert found.rotation is not None
    turned = found.rotation
    return (
        f"rotation {math.degrees(turned.rotation_rad):.2f} ± {math.degrees(turned.error_rad):.2f}°, "
        f"{'mirrored' if turned.flip else 'not mirrored'}\n"
        f"certain: flip {percent(turned.flip_confidence)}, half turn {percent(turned.direction_confidence)}"
    )


def percent(probability: float) -> str:
    """Rounded down, so that nothing is 100 % that is only nearly so."""
    return f"{math.floor(1e3 * probability) / 10:g} %"
