"""The latent manifold in a results file: /entry/manifold."""

from __future__ import annotations

import h5py
import numpy as np

from stream_rrvae.maps.manifold import SIDE_PX, Manifold

PLACE = "entry/manifold"
MOST_CELLS = 64  # along a latent
MEANING = (
    "mean of the frames with such latents, turned back by their rotation, less the scan's mean, "
    "as a share of the disc's mean intensity; the disc fills the picture"
)


def write_manifold(file: h5py.File, manifold: Manifold | None) -> None:
    """Into a results file that is being written; None = nothing."""
    if manifold is None:
        return
    group = file.create_group(PLACE)
    group.attrs.update({"NX_class": "NXdata", "signal": "patterns", "axes": ["latent_2", "latent_1", ".", "."]})
    group.attrs["meaning"] = MEANING
    group["latent_1"], group["latent_2"] = manifold.latent_1, manifold.latent_2
    group.create_dataset("patterns", data=manifold.patterns, compression="gzip", shuffle=True)
    group["frames"] = manifold.frames


def read_manifold(file: h5py.File) -> Manifold | None:
    """That of a results file; None where there is none. Raises KeyError or ValueError for one that is not whole."""
    if PLACE not in file:
        return None
    group = file[PLACE]
    rows, columns = group["frames"].shape
    shapes = {"latent_1": (columns,), "latent_2": (rows,), "patterns": (rows, columns, SIDE_PX, SIDE_PX)}
    if max(rows, columns) > MOST_CELLS or any(group[name].shape != shape for name, shape in shapes.items()):
        raise ValueError("the latent manifold's arrays do not fit together")
    latent_1, latent_2, patterns = (np.asarray(group[name][()], np.float32) for name in shapes)
    return Manifold(latent_1, latent_2, patterns, np.asarray(group["frames"][()], np.int64))
