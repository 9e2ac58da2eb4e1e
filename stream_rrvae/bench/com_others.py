"""The centre of mass by other programs' own functions, where they are installed: what a user could pick instead.

Each takes frames [n, ky, kx] in memory and gives (y, x) of each in px [n, 2]; one thread, as far as they let choose.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[Any]
Positions = NDArray[np.floating[Any]]
Com = Callable[[Frames], Positions]


def numpy_com(frames: Frames) -> Positions:
    """As one would write it in NumPy: the projections of each frame."""
    rows, columns = frames.sum(axis=2, dtype=np.float64), frames.sum(axis=1, dtype=np.float64)
    total = rows.sum(axis=1)
    moments = np.stack([rows @ np.arange(rows.shape[1]), columns @ np.arange(columns.shape[1])], axis=1)
    return np.asarray(moments / total[:, None])


def scipy_com(frames: Frames) -> Positions:
    """SciPy's function for images, frame by frame."""
    from scipy import ndimage

    return np.array([ndimage.center_of_mass(frame) for frame in frames])


def torch_com(frames: Frames) -> Positions:
    """PyTorch on one CPU thread: one product of all pixels with (1, y, x)."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ky, kx = np.indices(frames.shape[1:]).reshape(2, -1)
        weights = torch.from_numpy(np.stack([np.ones(ky.size), ky, kx], axis=1).astype(np.float32))
        sums = torch.from_numpy(frames.reshape(len(frames), -1)).to(torch.float32) @ weights
        return (sums[:, 1:] / sums[:, :1]).numpy()
    finally:
        torch.set_num_threads(threads)


def libertem_com(frames: Frames) -> Positions:
    """LiberTEM's CoMUDF over an in-memory data set, executed inline."""
    udf = import_module("libertem.udf.com").CoMUDF.with_params(cy=0.0, cx=0.0)
    context = import_module("libertem.api").Context.make_with("inline")
    data = context.load("memory", data=_two_rows(frames), sig_dims=2, num_partitions=1)
    found = context.run_udf(data, udf)
    return np.asarray(found["raw_com"].raw_data).reshape(-1, 2)


def py4dstem_com(frames: Frames) -> Positions:
    """py4DSTEM's function for one pattern, frame by frame."""
    com = import_module("py4DSTEM.process.utils").get_CoM
    return np.array([com(frame) for frame in frames], np.float64)


def pyxem_com(frames: Frames) -> Positions:
    """pyxem's beam position by centre of mass; it gives the shift (x, y) from there to the middle of the frame."""
    signal = import_module("pyxem.signals").Diffraction2D(frames[None])
    shifts = signal.get_direct_beam_position(method="center_of_mass")
    middle = np.array(frames.shape[1:]) / 2
    return np.asarray(middle - np.asarray(shifts.data, np.float64).reshape(-1, 2)[:, ::-1])


def _two_rows(frames: Frames) -> Frames:
    """As a scan of two rows: LiberTEM takes gradients, for which one row is too few."""
    return frames.reshape(2, -1, *frames.shape[1:])


PACKAGES = {"SciPy": "scipy", "torch": "torch", "LiberTEM": "libertem", "py4DSTEM": "py4DSTEM", "pyxem": "pyxem"}
FUNCTIONS: dict[str, Com] = {
    "NumPy": numpy_com,
    "SciPy": scipy_com,
    "torch": torch_com,
    "LiberTEM": libertem_com,
    "py4DSTEM": py4dstem_com,
    "pyxem": pyxem_com,
}


def installed() -> dict[str, Com]:
    """The programs that are here."""
    return {name: com for name, com in FUNCTIONS.items() if name not in missing()}


def missing() -> list[str]:
    """Those that are not installed."""
    return [name for name, package in PACKAGES.items() if find_spec(package) is None]
