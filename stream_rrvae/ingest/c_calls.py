"""Calling C functions by their address from compiled code.

Addresses are arguments and not constants, so that the compiled code can be kept on disk: they
differ from process to process.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from stream_rrvae.kernels.memory import instruction

_POINTER, _INT, _WORD = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)


def _call(result: Any, *kinds: Any) -> Any:
    """A function (address, *arguments) for compiled code; pointers and ints are int64 to it."""

    def build(builder: Any, address: Any, *values: Any) -> Any:
        function = builder.inttoptr(address, ir.FunctionType(result, kinds).as_pointer())
        arguments = [
            builder.inttoptr(value, kind) if kind is _POINTER else builder.trunc(value, kind)
            for value, kind in zip(values, kinds, strict=True)
        ]
        answer = builder.call(function, arguments)
        return builder.sext(answer, _WORD) if result is _INT else answer

    return instruction(types.int64, (types.int64,) * (1 + len(kinds)), build)


ask = _call(_INT)  # int f(void)
tell = _call(_INT, _POINTER)  # int f(void *)
tell_word = _call(_WORD, _POINTER)  # size_t f(void *), or one that gives a pointer
tell_size = _call(_INT, _POINTER, _WORD)  # int f(void *, size_t)
tell_pair = _call(_INT, _POINTER, _POINTER)  # int f(void *, void *)
tell_both = _call(_INT, _POINTER, _POINTER, _INT)  # int f(void *, void *, int)
