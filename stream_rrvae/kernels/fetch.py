"""Memory fetched into the processor's caches ahead of its use."""

from __future__ import annotations

from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.memory import ADDRESS, BYTE, instruction

LINE_BYTES = 64  # what is fetched at once
_NUMBER = ir.IntType(32)
_FOR_READING, _KEEP_NEAR, _DATA = (ir.Constant(_NUMBER, value) for value in (0, 3, 1))


def fetch_at(builder: Any, address: Any) -> None:
    """LLVM: begin to fetch the line that an address, of any memory or none, lies in."""
    kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), _NUMBER, _NUMBER, _NUMBER])
    fetch = cast(Any, cgutils).get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(fetch, [builder.inttoptr(address, BYTE.as_pointer()), _FOR_READING, _KEEP_NEAR, _DATA])


_fetch_line = instruction(types.none, (ADDRESS,), fetch_at)


@compiled
def fetch(address: int, size_bytes: int) -> None:
    """Begin to fetch so many bytes."""
    for line in range(0, size_bytes, LINE_BYTES):
        _fetch_line(address + line)
