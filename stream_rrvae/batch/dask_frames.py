"""Frames of a scan as a `dask.array`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.batch.inputs import Input
from stream_rrvae.batch.kept_open import kept_open
from stream_rrvae.errors import ConfigError

CHUNK_BYTES = 64 << 20


def frames_as_dask(input_: Input, shape: tuple[int, int, int, int], dtype: np.dtype[Any], chunk_bytes: int) -> Any:
    """`input_` as dask array [scan_y, scan_x, ky, kx] in chunks of whole scan lines; a line is never split.

    Its tasks name the file and open it wherever they run. Raises ConfigError without Dask.
    """
    try:
        import dask.array
    except ImportError as error:
        raise ConfigError("frames as a dask array need Dask: pip install 'stream-rrvae[dask]'") from error
    line_bytes = int(np.prod(shape[1:])) * dtype.itemsize
    step = max(1, min(shape[0], chunk_bytes // line_bytes))
    lines = tuple(min(step, shape[0] - first) for first in range(0, shape[0], step))
    return dask.array.map_blocks(
        _lines,
        input_,
        shape,
        dtype=dtype,
        chunks=(lines, *((side,) for side in shape[1:])),
        meta=np.empty((0,) * 4, dtype),
    )


def _lines(input_: Input, shape: tuple[int, int, int, int], block_info: Any = None) -> NDArray[Any]:
    first, last = block_info[None]["array-location"][0]
    return kept_open(input_).frames(first * shape[1], last * shape[1]).reshape(last - first, *shape[1:])
