"""What announces more than it could hold is refused before anything is made for it."""

from __future__ import annotations

import pytest

from stream_rrvae.bench.trust.bombs import Refused, refused_all

MOST_BYTES = 1 << 20  # a message of 64 KiB may be looked at as a whole


@pytest.fixture(scope="module")
def refused() -> list[Refused]:
    return refused_all()


def test_every_bomb_is_refused(refused: list[Refused]) -> None:
    assert len(refused) > 20
    assert [bomb.name for bomb in refused if not bomb.was_refused] == []


def test_nothing_is_allocated_for_it(refused: list[Refused]) -> None:
    assert {bomb.name: bomb.peak_bytes for bomb in refused if bomb.peak_bytes > MOST_BYTES} == {}
