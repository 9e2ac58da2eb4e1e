"""Requests to a service and their answers, as they go over the wire.

A request is two ZeroMQ parts: the seal (HMAC-SHA256, 32 bytes) and the body, a msgpack map of at most 64 KiB:
{"p": "stream-rrvae-requests", "v": 1, "ask": name, "with": {arguments}, "who": text, "server": bytes, "asker": bytes,
"number": int}. The seal is made with the key over "request" and the body. An answer is three parts: the request's
seal, its own, made over "answer", the request's seal and the body; and the body, {"p", "v"} and one of
{"values": {...}, "arrays": {name: array}}, {"error": text}, {"server": bytes}; arrays as in `array_codec`.

Nobody can send a recorded request again. "server" is a number that the server drew at random; who does not know it yet
(b"") or any more is told it and asks again. "asker" is 16 random bytes of a connection, whose "number" grows with
every request. What cannot be opened is answered with an empty seal: the key itself never crosses the wire, and
what does is not encrypted.

A REQ socket does as well as a DEALER. Example, with `key` the text in the key file:

    body = msgpack.packb({"p": "stream-rrvae-requests", "v": 1, "ask": "rotation", "with": {}, "who": "", "server": b"",
                          "asker": os.urandom(16), "number": 1})
    socket.send_multipart([hmac.digest(key.encode(), b"request" + body, "sha256"), body])
    seal, own, body = socket.recv_multipart()   # {"server": ...}: put it in, count number up, send again
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream_rrvae.errors import FeedError, RequestError
from stream_rrvae.feed.array_codec import decode_array, encode_array
from stream_rrvae.feed.plain_msgpack import check_plain, pack_map, unpack_map
from stream_rrvae.messages import Plain
from stream_rrvae.plain import from_plain, to_plain

PROTOCOL = "stream-rrvae-requests"
VERSION = 1
REQUEST_BYTES = 64 << 10
ARRAY_BYTES = 64 << 20
ANSWER_BYTES = 80 << 20
ARRAYS = 16
NAME_CHARS = WHO_CHARS = 64
ERROR_CHARS = 500
NONCE_BYTES = 16
WRONG_KEY = "the service has another key"
_HEAD = {"p": PROTOCOL, "v": VERSION}

Answer = Mapping[str, Any]  # plain values and float32 arrays [rows, columns]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, by whom; see the module."""

    ask: str
    arguments: Mapping[str, Plain] = field(default_factory=dict)
    who: str = ""  # within the asker: a newer request takes the place of an older one that waits
    server: bytes = b""
    asker: bytes = b""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer to who does not know the server's number, or has asked this before."""

    server: bytes


def pack_request(request: Request, key: str) -> list[bytes]:
    """The parts of a request. Raises RequestError when it cannot be sent."""
    plain = to_plain(request)
    plain["with"] = plain.pop("arguments")
    try:
        check_plain(plain, "a request")
        body = pack_map({**_HEAD, **plain}, "a request")
    except FeedError as error:
        raise RequestError(str(error)) from error
    if len(body) > REQUEST_BYTES - 128:
        raise RequestError(f"a request of {len(body)} bytes is too long")
    return [_seal(key, b"request", body), body]


def open_request(parts: Sequence[bytes], key: str) -> Request:
    """The request in `parts`. Raises PermissionError when another key sealed it, RequestError when it is odd."""
    if len(parts) != 2 or not hmac.compare_digest(parts[0], _seal(key, b"request", parts[1])):
        raise PermissionError(WRONG_KEY)
    plain = _opened(parts[1], REQUEST_BYTES, "a request")
    arguments = plain.get("with")
    try:
        request = from_plain(Request, {**plain, "arguments": arguments})
    except (TypeError, ValueError) as error:
        raise RequestError(f"the request is not understood: {error}") from error
    if len(request.ask) > NAME_CHARS or len(request.who) > WHO_CHARS or not isinstance(request.asker, bytes):
        raise RequestError("the request is not understood: a name is too long")
    if len(request.asker) != NONCE_BYTES or not isinstance(request.server, bytes):
        raise RequestError(f"the request is not understood: an asker has {NONCE_BYTES} bytes")
    return request


def pack_answer(answer: Answer | RequestError | Unknown, request_seal: bytes, key: str) -> list[bytes]:
    """The parts of an answer to the request of that seal. Raises RequestError when it cannot be sent."""
    try:
        body = pack_map({**_HEAD, **_plain_answer(answer)}, "the answer")
    except FeedError as error:
        raise RequestError(str(error)) from error
    if len(body) > ANSWER_BYTES:
        raise RequestError(f"the answer is {len(body)} bytes long, more than {ANSWER_BYTES}")
    return [request_seal, _seal(key, b"answer" + request_seal, body), body]


def refused(request_seal: bytes) -> list[bytes]:
    """The answer to what is not sealed with the key."""
    return [request_seal, b"", pack_map({**_HEAD, "error": WRONG_KEY}, "the answer")]


def open_answer(parts: Sequence[bytes], key: str) -> dict[str, Any] | Unknown:
    """The answer in `parts`; arrays are read-only. Raises RequestError with what the service says, or if it is odd."""
    if len(parts) != 3 or not hmac.compare_digest(parts[1], _seal(key, b"answer" + parts[0], parts[2])):
        raise RequestError(WRONG_KEY)
    plain = _opened(parts[2], ANSWER_BYTES, "the answer")
    if isinstance(plain.get("server"), bytes):
        return Unknown(plain["server"])
    if "error" in plain:
        raise RequestError(str(plain["error"])[:ERROR_CHARS])
    values, arrays = plain.get("values"), plain.get("arrays")
    if not isinstance(values, dict) or not isinstance(arrays, dict) or len(arrays) > ARRAYS:
        raise RequestError("the answer is not understood")
    try:
        check_plain(values, "the answer")
        return {**values, **{str(name): decode_array(str(name), array) for name, array in arrays.items()}}
    except FeedError as error:
        raise RequestError(str(error)) from error


def _plain_answer(answer: Answer | RequestError | Unknown) -> dict[str, Any]:
    if isinstance(answer, Unknown):
        return {"server": answer.server}
    if isinstance(answer, RequestError):
        return {"error": one_line(str(answer))}
    arrays = {name: encode_array(value) for name, value in answer.items() if isinstance(value, np.ndarray)}
    values = {name: to_plain(value) for name, value in answer.items() if name not in arrays}
    check_plain(values, "the answer")
    return {"values": values, "arrays": arrays}


def one_line(text: str) -> str:
    """`text` in a line that fits an answer."""
    return " ".join(text.split())[:ERROR_CHARS]


def _opened(body: bytes, limit: int, what: str) -> dict[str, Any]:
    try:
        plain = unpack_map(body, limit, min(limit, ARRAY_BYTES), what)
    except FeedError as error:
        raise RequestError(str(error)) from error
    if plain.get("p") != PROTOCOL or plain.get("v") != VERSION:
        raise RequestError(f"{what} is of another version")
    return plain


def _seal(key: str, purpose: bytes, body: bytes) -> bytes:
    return hmac.digest(key.encode(), purpose + body, "sha256")
