"""What a receiver asks the control unit over HTTP before it listens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from detector_sim.simplon import SimplonApi
from stream_rrvae.errors import StreamRrvaeError

DETECTOR = {"x_pixels_in_detector": 24, "bit_depth_image": 16, "trigger_mode": "exte"}


@pytest.fixture
def api() -> Iterator[SimplonApi]:
    with SimplonApi(0, DETECTOR, "basic") as running:
        yield running


def ask(api: SimplonApi, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = HTTPConnection(urlsplit(api.url).netloc, timeout=60)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json; charset=utf-8"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_configuration_can_be_read(api: SimplonApi) -> None:
    for name, value in DETECTOR.items():
        status, answer = ask(api, "GET", f"/detector/api/1.8.0/config/{name}")
        assert (status, answer["value"]) == (200, value)
    assert ask(api, "GET", "/stream/api/1.8.0/config/header_detail")[1]["value"] == "basic"
    assert ask(api, "GET", "/detector/api/version/")[1]["value"] == "1.8.0"


def test_what_is_already_so_can_be_set_and_nothing_else(api: SimplonApi) -> None:
    mode = "/stream/api/1.8.0/config/mode"
    assert ask(api, "PUT", mode, {"value": "enabled"}) == (200, ["mode"])
    assert ask(api, "PUT", mode, {"value": "disabled"})[0] == 400
    assert ask(api, "PUT", mode, ["enabled"])[0] == 400
    assert ask(api, "PUT", mode)[0] == 400
    assert ask(api, "GET", mode)[1]["value"] == "enabled"


@pytest.mark.parametrize(
    "path", ["/", "/detector/api/1.8.0/config/colour", "/etc/passwd", "/detector/api/1.8.0/command/arm"]
)
def test_everything_else_is_not_there(api: SimplonApi, path: str) -> None:
    assert ask(api, "GET", path)[0] == 404
    assert ask(api, "PUT", path, {"value": 1})[0] == 404


def test_it_stays_on_this_machine(api: SimplonApi) -> None:
    assert urlsplit(api.url).hostname == "127.0.0.1"


def test_a_taken_port_is_said(api: SimplonApi) -> None:
    with pytest.raises(StreamRrvaeError, match="cannot serve HTTP"):
        SimplonApi(urlsplit(api.url).port or 0, DETECTOR, "basic")
