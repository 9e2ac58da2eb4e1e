"""Plain data in msgpack, read within limits: no extension types, no classes, no nesting without end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import msgpack

from stream_rrvae.errors import FeedError

TEXT_LIMIT = 16384
ITEMS_LIMIT = 1024  # of one list or map
DEPTH_LIMIT = 8


def unpack_map(message: bytes | memoryview, message_limit: int, bytes_limit: int, what: str) -> dict[str, Any]:
    """The map that `message` is; `bytes_limit` bounds one run of bytes in it. Raises FeedError that names it `what`."""
    if len(message) > message_limit:
        raise FeedError(f"{what} of {len(message)} bytes is longer than {message_limit}")
    try:
        plain = msgpack.unpackb(
            message,
            raw=False,
            strict_map_key=True,
            max_str_len=TEXT_LIMIT,
            max_bin_len=bytes_limit,
            max_array_len=ITEMS_LIMIT,
            max_map_len=ITEMS_LIMIT,
            max_ext_len=0,
            ext_hook=_no_extension,
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise FeedError(f"not msgpack within the limits: {error}") from error
    if not isinstance(plain, dict):
        raise FeedError(f"{what} is a map")
    return plain


def pack_map(plain: Mapping[str, Any], what: str) -> bytes:
    """`plain` as a message. Raises FeedError when it holds what cannot be sent."""
    try:
        return bytes(msgpack.packb(plain))
    except (TypeError, ValueError, OverflowError) as error:
        raise FeedError(f"{what} holds what msgpack cannot carry: {error}") from error


def check_plain(value: Any, what: str, depth: int = 0) -> None:
    """No nesting without end and only text as keys, so that readers may walk the tree. Raises FeedError."""
    if depth > DEPTH_LIMIT:
        raise FeedError(f"{what} nests deeper than {DEPTH_LIMIT}")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise FeedError("a key is not text")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            check_plain(item, what, depth + 1)
    elif value is not None and not isinstance(value, bool | int | float | str | bytes):
        raise FeedError(f"a {type(value).__name__} is not part of {what}")


def _no_extension(code: int, _data: bytes) -> NoReturn:
    raise FeedError(f"extension type {code} is not understood")
