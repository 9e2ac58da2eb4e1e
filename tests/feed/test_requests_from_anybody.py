"""Whatever comes, sealed or not, is a request, an answer, or refused in so many words."""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rrvae.errors import RequestError
from stream_rrvae.feed.requests import Request, Unknown, open_answer, open_request, pack_answer

KEY = "a key of many letters"
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats()
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(0, 3), inner, max_size=4)
    ),
    max_leaves=12,
)
HEAD = {"p": "stream-rrvae-requests", "v": 1}


def fields(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), PLAIN, max_size=len(names))


def sealed(purpose: bytes, body: bytes) -> bytes:
    return hmac.digest(KEY.encode(), purpose + body, "sha256")


@given(st.lists(st.binary(max_size=80), max_size=5))
def test_what_nobody_sealed_is_nobody_s(parts: list[bytes]) -> None:
    for opened in (open_request, open_answer):
        try:
            opened(parts, KEY)
        except (PermissionError, RequestError):
            continue
        raise AssertionError("it was believed")


@settings(max_examples=300)
@given(fields("ask", "with", "who", "server", "asker", "number", "other"), st.booleans())
def test_a_sealed_request_is_one_or_is_refused(given_fields: dict[str, Any], usual: bool) -> None:
    whole = {"ask": "a", "with": {}, "who": "", "server": b"", "asker": b"a" * 16, "number": 1} if usual else {}
    body = msgpack.packb({**HEAD, **whole, **given_fields})
    with suppress(RequestError):
        request = open_request([sealed(b"request", body), body], KEY)
        assert isinstance(request, Request)
        assert isinstance(request.arguments, dict)
        assert (type(request.ask), type(request.who), type(request.number)) == (str, str, int)


@settings(max_examples=300)
@given(fields("values", "arrays", "error", "server"), st.binary(max_size=40))
def test_a_sealed_answer_is_one_or_is_refused(given_fields: dict[str, Any], request_seal: bytes) -> None:
    body = msgpack.packb({**HEAD, **given_fields})
    with suppress(RequestError):
        answer = open_answer([request_seal, sealed(b"answer" + request_seal, body), body], KEY)
        assert isinstance(answer, Unknown) or all(isinstance(name, str) for name in answer)


@given(PLAIN)
def test_what_an_answer_cannot_hold_is_refused_where_it_is_made(value: Any) -> None:
    with suppress(RequestError):
        parts = pack_answer({"it": value}, b"seal", KEY)
        answer = open_answer(parts, KEY)
        assert isinstance(answer, dict) and (answer["it"] == value or value != value or _odd(value))


def _odd(value: Any) -> bool:
    """Somewhere in it is what is not equal to itself, or keys that become text."""
    return "nan" in repr(value) or isinstance(value, dict | list)
