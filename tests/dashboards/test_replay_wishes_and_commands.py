"""A page may be anybody: what its URL and its commands say is taken as far as it makes sense."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from dashboards.replay.command import NAMES, command_of
from dashboards.replay.wish import ReplayWish, wish_of
from stream_rrvae.errors import RequestError


def wish(**texts: str) -> ReplayWish:
    return wish_of({name: [text.encode()] for name, text in texts.items()})


def test_a_url_says_what_is_shown() -> None:
    made = wish(
        run="5d4a", results="ab12", compare="77", frame="120", probe="3,4", map="latent_1", contrast="5-95", same="0"
    )
    assert made == ReplayWish("5d4a", "ab12", "77", 120, (3, 4), "latent_1", "5-95", False)


def test_locked_limits_go_with_the_url() -> None:
    made = wish(lock="com_magnitude:0.5:3;pattern:1:1e4;a b:1:2;sum:2:1;curl:nan:1;latent_1:1;:0:1;" + "x" * 3000)
    assert made.is_held
    assert {name: (each.low, each.high) for name, each in made.held.items()} == {
        "com_magnitude": (0.5, 3.0), "pattern": (1.0, 1e4),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run", "../../etc/passwd"), ("run", "a/b"), ("run", "%2e%2e"), ("run", "a b"), ("run", "é"), ("results", "/"),
        ("compare", "a\x00"), ("frame", "-1"), ("frame", "1e9"), ("frame", "9" * 30), ("frame", "\u0663"),
        ("probe", "1"), ("probe", "1,"), ("probe", "-1,2"), ("probe", "1,2,3"), ("probe", "a,b"),
        ("map", "x/y"), ("map", "<b>"), ("contrast", "0-50"), ("contrast", "<script>"), ("unknown", "1"),
        ("lock", "a:2:1"), ("lock", "::"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_in_a_url_is_as_good_as_nothing(name: str, text: str) -> None:
    assert wish(**{name: text}) == ReplayWish()


def test_bytes_that_are_no_text_are_no_wish() -> None:
    assert wish_of({"run": [b"\xff\xfe"], "frame": [], "probe": [b"\x80,1"]}) == ReplayWish()


def test_commands_say_what_is_to_be_done() -> None:
    assert command_of('{"do": "open", "side": "b", "id": "5d4a"}').id == "5d4a"
    assert command_of('{"do": "speed", "value": 0}').speed == math.inf
    assert command_of('{"do": "probe", "y": 3, "x": 4}').position == (3, 4)


@pytest.mark.parametrize(
    "said",
    [
        None, 7, "", "null", "[]", "{", "{}", '{"do": "rm"}', '{"do": "__class__"}', '{"do": null}', '{"do": ["open"]}',
        '{"do": "open", "side": "c"}', '{"do": "open", "id": 5}', '{"do": "open", "id": "' + "a" * 65 + '"}',
        '{"do": "seek", "value": "1"}', '{"do": "seek", "value": NaN}', '{"do": "seek", "value": Infinity}',
        '{"do": "seek", "value": 1e99}', '{"do": "probe", "y": -1}', '{"do": "probe", "y": 1.5}',
        '{"do": "probe", "y": true}', '{"do": "contrast", "text": "0-50"}', '{"do": "control", "text": "stop"}',
        '{"do": "analyse", "text": "rm -rf"}', '{"do": "analyse"}', "[" * 3000,
        '{"do": "open", "id": "' + "a" * 9000 + '"}',
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(said: Any) -> None:
    with pytest.raises(RequestError):
        command_of(said)


def test_every_command_that_is_known_is_understood() -> None:
    texts = {"contrast": "5-95", "control": "play", "analyse": "off"}
    for name in NAMES:
        assert command_of(json.dumps({"do": name, "text": texts.get(name, "")})).name == name
