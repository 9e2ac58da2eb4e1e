"""Where parts of a map meet: the sign of one part that no convention fixes, by its neighbours in the others."""

from __future__ import annotations

import numpy as np

from stream_rrvae.maps.statistics import pearson
from stream_rrvae.messages import Float32Array

CLEAR_CORRELATION = 0.1  # below it neighbours decide nothing


def with_sign_of(reference: Float32Array, part: Float32Array) -> Float32Array:
    """`part` [y, x] or its negative, whichever continues `reference` [y, x] better from line to line; NaN = not there.

    For values whose sign is free, such as a principal score: positions on neighbouring lines are mostly alike.
    """
    here = np.concatenate([reference[:-1].ravel(), reference[1:].ravel()])
    beside = np.concatenate([part[1:].ravel(), part[:-1].ravel()])
    return -part if pearson(here, beside) < -CLEAR_CORRELATION else part
