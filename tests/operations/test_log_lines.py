"""Log lines as machines and people read them, and a storm that leaves one line a second for each reason."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from stream_rrvae import log
from stream_rrvae.log import JsonLines, RateLimit, TextLines, event


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    yield from to_a_text(JsonLines())


@pytest.fixture
def shown() -> Iterator[io.StringIO]:
    yield from to_a_text(TextLines())


def to_a_text(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(formatter)
    logger, before = logging.getLogger(log.LOGGER), logging.getLogger(log.LOGGER).level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield text
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_a_json_line_has_the_fields_that_alarms_look_at(written: io.StringIO) -> None:
    event("frame_refused", logging.WARNING, detail="too short", reason="decode", seq=7, scan_id="run-1")
    logging.getLogger("stream_rrvae.ingest").info("connected to %s", "there")
    first, second = (json.loads(line) for line in written.getvalue().splitlines())
    assert list(first) == ["ts", "level", "event", "stage", "scan_id", "seq", "reason", "detail"]
    assert (first["level"], first["event"], first["stage"]) == ("warning", "frame_refused", "MainThread")
    assert (first["scan_id"], first["seq"], first["reason"]) == ("run-1", 7, "decode")
    assert first["ts"].endswith("+00:00")
    assert (second["event"], second["message"]) == ("log", "connected to there")


def test_a_line_for_people(shown: io.StringIO) -> None:
    event("degrade_level", degrade_level=2, reason="frames wait 1.0 s")
    assert shown.getvalue().partition(" ")[2] == "info    degrade_level  degrade_level=2  reason=frames wait 1.0 s\n"


def record(name: str, level: int = logging.WARNING, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord(log.LOGGER, level, "", 0, name, (), None)
    made.fields, made.event = fields, True
    return made


def test_a_storm_is_one_line_a_second_for_each_reason() -> None:
    now_s = [0.0]
    limit = RateLimit(clock=lambda: now_s[0])
    passed = []
    for i in range(2000):
        now_s[0] = i / 1000
        for reason in ("decode", "size"):
            told = record("frame_refused", reason=reason)
            if limit.filter(told):
                passed.append((reason, getattr(told, "fields").get("suppressed", 0)))  # noqa: B009
    assert passed == [("decode", 0), ("size", 0), ("decode", 999), ("size", 999)]


def test_what_is_usual_comes_in_bursts_and_kinds_do_not_add_up() -> None:
    now_s = [0.0]
    limit = RateLimit(burst=10, clock=lambda: now_s[0])
    assert sum(limit.filter(record("scan_opened", logging.INFO, scan_id=str(i))) for i in range(50)) == 10
    for i in range(10_000):
        limit.filter(record(f"event {i}"))
    assert len(limit._kinds) == log.KINDS_KEPT
