"""Calling C functions by their address from compiled code.

Addresses are arguments and not constants, so that the compiled code can be kept on disk: they
differ from process to process.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from stream_rrvae.kernels.memory import instruction

POINTER, INT, WORD = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)


def c_function(result: Any, *kinds: Any) -> Any:
    """A function (address, *arguments) for compiled code, to which pointers, ints and words are int64."""

    def build(builder: Any, address: Any, *values: Any) -> Any:
        function = builder.inttoptr(address, ir.FunctionType(result, kinds).as_pointer())
        arguments = [
            builder.inttoptr(value, kind) if kind is POINTER else builder.trunc(value, kind)
            for value, kind in zip(values, kinds, strict=True)
        ]
        answer = builder.call(function, arguments)
        return builder.sext(answer, WORD) if result is INT else answer

    return instruction(types.int64, (types.int64,) * (1 + len(kinds)), build)


ask = c_function(INT)  # int f(void)
tell = c_function(INT, POINTER)  # int f(void *)
tell_word = c_function(WORD, POINTER)  # size_t f(void *), or one that gives a pointer
tell_size = c_function(INT, POINTER, WORD)  # int f(void *, size_t)
tell_pair = c_function(INT, POINTER, POINTER)  # int f(void *, void *)
tell_both = c_function(INT, POINTER, POINTER, INT)  # int f(void *, void *, int)
