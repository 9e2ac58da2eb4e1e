"""Run by another Python, one that has the package: COM field and what follows from it, by LiberTEM or by py4DSTEM.

`peer_fields.py PACKAGE INPUT.npz OUTPUT.npz`: INPUT has `frames` [y, x, ky, kx], `center_px` (ky, kx), `rotation_deg`
and `flip` in the convention of `messages.Calibration`; what each package calls them is said here and nowhere else.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def libertem(told: Any) -> dict[str, Any]:
    """Flips y first, then turns clockwise as seen on the image: F R(-a) = R(+a) F where flipped."""
    api, com = importlib.import_module("libertem.api"), importlib.import_module("libertem.udf.com")
    rotation_deg, flip = float(told["rotation_deg"]), bool(told["flip"])
    center_y, center_x = map(float, told["center_px"])
    context = api.Context.make_with("inline")
    udf = com.CoMUDF.with_params(
        cy=center_y, cx=center_x, scan_rotation=rotation_deg if flip else -rotation_deg, flip_y=flip
    )
    found = context.run_udf(context.load("memory", data=told["frames"], sig_dims=2), udf)
    names = {"field_y": "com_y", "field_x": "com_x", "divergence": "divergence", "curl": "curl"}
    return {ours: found[theirs].data for theirs, ours in names.items()} | {
        "com_y": found["field"].data[..., 0],
        "com_x": found["field"].data[..., 1],
    }


def py4dstem(told: Any) -> dict[str, Any]:
    """Its x runs along rows; where flipped it transposes (swaps the components), which is a turn by 90 degrees more.

    Left to itself it takes the mean off the COM, and so a plane off the phase.
    """
    package, phase = importlib.import_module("py4DSTEM"), importlib.import_module("py4DSTEM.process.phase")
    rotation_deg, flip = float(told["rotation_deg"]), bool(told["flip"])
    cube = package.DataCube(told["frames"])
    cube.calibration.set_R_pixel_size(0.2)
    cube.calibration.set_R_pixel_units("A")
    cube.calibration.set_Q_pixel_size(3.2)
    cube.calibration.set_Q_pixel_units("mrad")
    dpc = phase.DPC(datacube=cube, energy=60e3, verbose=False)
    dpc.preprocess(
        force_com_shifts=(float(told["center_px"][0]), float(told["center_px"][1])),
        force_com_rotation=90.0 - rotation_deg if flip else rotation_deg,
        force_com_transpose=flip,
        plot_center_of_mass=False,
        plot_rotation=False,
    )
    dpc.reconstruct(reset=True, max_iter=64, progress_bar=False)
    com_y, com_x = dpc._com_x, dpc._com_y
    return {"com_y": com_y, "com_x": com_x, "dpc_phase": dpc.object_phase}


if __name__ == "__main__":
    import numpy as np

    package, source, target = sys.argv[1:]
    made = {"libertem": libertem, "py4DSTEM": py4dstem}[package](np.load(source))
    np.savez(target, **made)
