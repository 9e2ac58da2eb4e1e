"""The latent manifold as a figure: upright patterns over latent 1 and, where it is used, latent 2."""

from __future__ import annotations

import colorcet
import numpy as np

from stream_rrvae.maps.figures_parts import NOT_MEASURED, as_png, new_figure, paper_style
from stream_rrvae.maps.manifold import Manifold

TILE_INCHES = 0.95
SHOWN_SHARE = 0.995  # of the pixels lie within the colour scale


def manifold_figure(manifold: Manifold) -> bytes:
    """PNG: patterns side by side, latent 1 to the right, latent 2 upwards, all in one colour scale."""
    from matplotlib.colors import ListedColormap

    rows, columns = manifold.frames.shape
    limit = float(np.nanquantile(np.abs(manifold.patterns), SHOWN_SHARE)) or 1.0
    with paper_style():
        figure = new_figure(TILE_INCHES * columns + 1.2, TILE_INCHES * rows + 0.6)
        grid = figure.subplots(rows, columns, squeeze=False)
        colours = ListedColormap(colorcet.coolwarm).with_extremes(bad="white")
        for row, column in np.ndindex(rows, columns):
            axes = grid[rows - 1 - row, column]
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if np.isfinite(manifold.patterns[row, column]).any():
                image = axes.imshow(manifold.patterns[row, column], cmap=colours, vmin=-limit, vmax=limit)
            else:
                axes.set_facecolor((NOT_MEASURED,) * 3)
                axes.set_aspect("equal")
            if row == 0:
                axes.set_xlabel(f"{manifold.latent_1[column]:.3g}".replace("-", "\u2212"))
            if column == 0 and rows > 1:
                axes.set_ylabel(f"{manifold.latent_2[row]:.3g}".replace("-", "\u2212"))
        figure.supxlabel("latent 1", fontsize=7.5)
        if rows > 1:
            figure.supylabel("latent 2", fontsize=7.5)
        bar = figure.colorbar(image, ax=grid, fraction=0.03, pad=0.02)
        bar.outline.set_linewidth(0.5)
        bar.ax.tick_params(length=2, pad=1.5)
        bar.set_label("$I / \\langle I \\rangle - 1$", labelpad=2)
        return as_png(figure)
