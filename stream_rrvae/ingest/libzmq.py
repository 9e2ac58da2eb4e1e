"""libzmq's own functions, from the library that pyzmq brings: taken once, checked, passed to compiled loops.

A build of pyzmq whose library hides its functions, or an interface that is not the known one, is no
fault: `find_calls` then says why, and messages are received through pyzmq instead.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from importlib.util import find_spec
from typing import NamedTuple

import zmq

from stream_rrvae.errors import StreamRrvaeError

MESSAGE_BYTES = 64  # of a zmq_msg_t, by zmq.h of libzmq 4.1 and later
KNOWN_MAJOR = 4
_PROBE = b"is this the library that we think it is?"


class NoLibzmqError(StreamRrvaeError):
    """The library's functions cannot be used; the text says why."""


class ZmqCalls(NamedTuple):
    """Addresses of libzmq's functions, as compiled loops call them."""

    msg_init: int
    msg_init_size: int
    msg_recv: int
    msg_data: int
    msg_size: int
    msg_more: int
    msg_move: int
    msg_close: int
    errno: int


@lru_cache(maxsize=1)
def find_calls() -> ZmqCalls:
    """The functions, after a message went through them. Raises NoLibzmqError."""
    spec = find_spec("zmq.backend.cython._zmq")
    if spec is None or spec.origin is None:
        raise NoLibzmqError("pyzmq is not the compiled one")
    if sys.byteorder != "little":
        raise NoLibzmqError("messages are read in the byte order of this machine's words, which is not the wire's")
    try:
        # Names are looked up in the extension and in all that it was linked with.
        library = ctypes.CDLL(spec.origin)
        functions = {name: getattr(library, f"zmq_{name}") for name in ZmqCalls._fields}
        _check_version(library)
    except (OSError, AttributeError) as error:
        raise NoLibzmqError(f"pyzmq's library does not give its functions: {error}") from error
    _check_round_trip(functions)
    return ZmqCalls(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions.values()))


def _check_version(library: ctypes.CDLL) -> None:
    numbers = [ctypes.c_int() for _ in range(3)]
    library.zmq_version(*map(ctypes.byref, numbers))
    version = tuple(number.value for number in numbers)
    if version != zmq.zmq_version_info()[:3] or version[0] != KNOWN_MAJOR:
        raise NoLibzmqError(f"the functions found are of libzmq {version}, pyzmq uses {zmq.zmq_version()}")


def _check_round_trip(functions: dict[str, ctypes._NamedFuncPointer]) -> None:
    """One message received as the compiled loops do it is the one that was sent."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        sender, receiver = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        sender.bind("inproc://probe")
        receiver.connect("inproc://probe")
        sender.send_multipart([_PROBE, b""])
        if _received(functions, receiver.underlying) != (_PROBE, True):
            raise NoLibzmqError("libzmq's functions do not do what is expected of them")
    finally:
        context.destroy(linger=0)


def _received(functions: dict[str, ctypes._NamedFuncPointer], socket: int) -> tuple[bytes, bool]:
    message = ctypes.create_string_buffer(4 * MESSAGE_BYTES)
    functions["msg_init"](message)
    functions["msg_recv"](message, ctypes.c_void_p(socket), zmq.NOBLOCK)
    data, size = functions["msg_data"], functions["msg_size"]
    data.restype, size.restype = ctypes.c_void_p, ctypes.c_size_t
    content = ctypes.string_at(data(message), size(message))
    more = bool(functions["msg_more"](message))
    functions["msg_close"](message)
    beyond = message.raw[MESSAGE_BYTES:]
    return (content, more) if not any(beyond) else (b"", more)
