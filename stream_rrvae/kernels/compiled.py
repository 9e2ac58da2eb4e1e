"""Numba's decorator as we use it: without the GIL, and kept on disk where there is a place to keep it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be reordered (vector lanes); NaN and infinity keep their meaning, detectors send them.
FAST_MATH = {"reassoc", "contract", "nsz"}
# What only compiled code calls needs no way in from Python: a third of the time to compile went into them.
INNER: dict[str, Any] = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
INLINED: Any = {"fastmath": FAST_MATH, "forceinline": True, **INNER}


def compiled(function: F) -> F:
    """`function` compiled at its first call for each kind of arguments; for use inside an entry."""
    return cast(F, numba.njit(fastmath=FAST_MATH, **INNER)(function))


def inlined(function: F) -> F:
    """The same, made part of what calls it: for what is called from one place with many arguments."""
    return cast(F, numba.njit(**INLINED)(function))


def in_order(function: F) -> F:
    """The same, with every sum and product in the order it is written in: the same bits wherever it is used."""
    return cast(F, numba.njit(forceinline=True, **INNER)(function))


def compiled_entry(function: F) -> F:
    """The same for a function that Python calls: the machine code, with all that it calls, is kept on disk.

    Numba notices changes in the function's own file only. An entry that calls into other files must be a closure
    that names their `sources_stamp`: Numba keeps code apart by the values closed over.
    """
    try:
        return cast(F, numba.njit(cache=True, nogil=True, fastmath=FAST_MATH)(function))
    except RuntimeError:  # an installation without any writable folder: compile in every process
        return cast(F, numba.njit(nogil=True, fastmath=FAST_MATH)(function))


def sources_stamp(*others: Path) -> int:
    """A number that changes with any source file of this folder, and of `others`: files, or folders."""
    digest = hashlib.sha256()
    for place in (Path(__file__).parent, *others):
        for file in sorted(place.glob("*.py")) if place.is_dir() else (place,):
            digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:7], "little")
