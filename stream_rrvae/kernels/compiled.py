"""Numba's decorator as we use it: without the GIL, and kept on disk where there is a place to keep it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be reordered (vector lanes); NaN and infinity keep their meaning, detectors send them.
FAST_MATH = {"reassoc", "contract", "nsz"}


def compiled(function: F) -> F:
    """`function` compiled at its first call for each kind of arguments."""
    try:
        kernel = numba.njit(cache=True, nogil=True, fastmath=FAST_MATH)(function)
    except RuntimeError:  # an installation without any writable folder for the cache
        kernel = numba.njit(nogil=True, fastmath=FAST_MATH)(function)
    return cast(F, kernel)
