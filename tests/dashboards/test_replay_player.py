"""The clock of a replay, by a clock that a test turns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dashboards.replay.player import Player

SECONDS = np.array([[1, 50, 50, 100], [0.0, 1.0, 3.0, 4.0]], np.float32)  # two seconds without a frame in the middle


class Turned:
    def __init__(self) -> None:
        self.now_s = 10.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def turned() -> Turned:
    return Turned()


@pytest.fixture
def player(turned: Turned) -> Player:
    made = Player(turned)
    made.load(100, SECONDS)
    return made


def places(player: Player, turned: Turned, *times_s: float) -> list[int]:
    begin_s, found = turned.now_s, []
    for time_s in times_s:
        turned.now_s = begin_s + time_s
        player.tick()
        found.append(player.place)
    return found


def test_it_begins_whole_and_plays_from_the_start(player: Player, turned: Turned) -> None:
    assert (player.place, player.playing, player.duration_s) == (100, False, 4.0)
    player.play()
    assert player.place == 0
    assert places(player, turned, 0.0, 0.5, 1.5, 2.9, 3.5, 4.0, 9.0) == [1, 25, 50, 50, 75, 100, 100]
    assert not player.playing


@pytest.mark.parametrize("speed", [0.5, 2.0, 10.0])
def test_n_times_as_fast_takes_a_share_of_the_time(player: Player, turned: Turned, speed: float) -> None:
    player.set_speed(speed)
    player.play()
    assert places(player, turned, 0.5 / speed, 3.5 / speed, 4.0 / speed) == [25, 75, 100]


def test_as_fast_as_it_goes_ends_soon(player: Player, turned: Turned) -> None:
    player.set_speed(math.inf)
    player.play()
    assert places(player, turned, 2.0, 4.0) == [50, 100]


def test_a_change_of_speed_goes_on_from_where_it_stands(player: Player, turned: Turned) -> None:
    player.play()
    assert places(player, turned, 0.5) == [25]
    player.set_speed(0.5)
    assert places(player, turned, 0.0, 1.0) == [25, 49]


def test_seeking_stays_within_the_run_and_goes_on(player: Player, turned: Turned) -> None:
    player.seek(-5)
    assert player.place == 0
    player.seek(10**9)
    assert player.place == 100
    player.seek(75)
    assert (player.elapsed_s, player.playing) == (3.5, False)
    player.play()
    assert places(player, turned, 0.25) == [87]
    player.pause()
    assert places(player, turned, 5.0) == [87]


def test_a_run_without_times_plays_at_a_rate_of_its_own(turned: Turned) -> None:
    made = Player(turned)
    made.load(2000, np.zeros((2, 0), np.float32))
    made.play()
    assert places(made, turned, 1.0) == [1000]


def test_nothing_is_played_where_nothing_is(turned: Turned) -> None:
    made = Player(turned)
    made.play()
    assert (made.playing, made.tick(), made.share) == (False, False, 1.0)
