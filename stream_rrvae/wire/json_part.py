"""A message part that is JSON text, as an untrusted map: bounded before it is parsed."""

from __future__ import annotations

import json
from typing import Any

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Refusal


def read_json(part: memoryview, limit_bytes: int) -> dict[str, Any]:
    """The JSON object in `part`. Raises WireError(HEADER) for everything else, and for NaN and infinities."""
    if part.nbytes > limit_bytes:
        raise WireError(Refusal.HEADER, f"a header of {part.nbytes} bytes is over the limit of {limit_bytes}")
    try:
        text = str(part, "utf-8").strip()
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise WireError(Refusal.HEADER, f"a header is not JSON within its bounds: {error}") from error
    if end != len(text) or type(value) is not dict:
        raise WireError(Refusal.HEADER, "a header is not one JSON object")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
