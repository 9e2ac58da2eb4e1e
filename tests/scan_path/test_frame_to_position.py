"""The arithmetic of scan paths against a scan that is gone through step by step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rrvae.scan_path import NOWHERE, ScanPath

SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 7))
PATHS = st.builds(
    ScanPath,
    line_flyback=st.integers(0, 4),
    frame_flyback=st.integers(0, 9),
    serpentine=st.booleans(),
    passes=st.integers(1, 4),
)


def walked(path: ScanPath, shape: tuple[int, int]) -> list[int]:
    """The positions in the order in which the beam is there."""
    places: list[int] = []
    for _ in range(path.passes):
        places += [NOWHERE] * path.frame_flyback
        for line in range(shape[0]):
            columns = list(range(shape[1]))
            if path.serpentine and line % 2:
                columns.reverse()
            places += [line * shape[1] + column for column in columns]
            places += [NOWHERE] * path.line_flyback
    return places


@settings(deadline=None)
@given(PATHS, SHAPES)
def test_positions_are_those_of_a_walk(path: ScanPath, shape: tuple[int, int]) -> None:
    expected = walked(path, shape)
    assert path.frames_due(shape) == len(expected)
    assert path.positions(np.arange(len(expected)), shape).tolist() == expected
    outside = np.array([-1, -len(expected), len(expected), 2 * len(expected) + 3])
    assert (path.positions(outside, shape) == NOWHERE).all()


@settings(deadline=None)
@given(PATHS, SHAPES)
def test_every_position_is_seen_once_a_pass_and_found_again(path: ScanPath, shape: tuple[int, int]) -> None:
    positions = path.positions(np.arange(path.frames_due(shape)), shape)
    seen = np.bincount(positions[positions != NOWHERE], minlength=shape[0] * shape[1])
    assert (seen == path.passes).all()
    for position in range(shape[0] * shape[1]):
        number = path.number_of(position, shape)
        assert positions[number] == position and position not in positions[:number]


@settings(deadline=None)
@given(PATHS, SHAPES)
def test_lines_are_dealt_with_their_flyback(path: ScanPath, shape: tuple[int, int]) -> None:
    due = path.frames_due(shape)
    positions, lines = path.positions(np.arange(due), shape), path.lines(shape, due)
    there = positions != NOWHERE
    assert (lines[there] == positions[there] // shape[1]).all()
    assert ((lines >= 0) & (lines < shape[0])).all()
    of_lines = [path.frames_in_lines(shape, np.array([line])) for line in range(shape[0])]
    assert of_lines == np.bincount(lines, minlength=shape[0]).tolist()
    assert path.frames_in_lines(shape, np.arange(shape[0])) == due


@settings(deadline=None)
@given(PATHS, SHAPES, st.integers(0, 6))
def test_the_last_flyback_may_be_left_out(path: ScanPath, shape: tuple[int, int], fewer: int) -> None:
    whole = path.frames_due(shape)
    due = path.frames_due(shape, whole - fewer)
    assert due == whole - min(fewer, path.line_flyback)
    assert (path.positions(np.arange(due), shape) != NOWHERE).sum() == shape[0] * shape[1] * path.passes


@settings(deadline=None)
@given(PATHS, st.integers(1, 9))
def test_a_square_is_known_by_its_frames(path: ScanPath, side: int) -> None:
    frames = path.frames_due((side, side))
    found = path.square_of(frames)
    assert found is not None and path.frames_due((found, found), frames) == frames


def test_no_square_where_there_is_none() -> None:
    assert ScanPath().square_of(10) is None
    assert ScanPath(line_flyback=3).square_of(11) is None


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (ScanPath(line_flyback=-1), "flyback"),
        (ScanPath(frame_flyback=1 << 30), "flyback"),
        (ScanPath(passes=0), "passes"),
        (ScanPath(passes=256), "passes"),
        (ScanPath(offset=(-1, 0)), "negative"),
        (ScanPath(offset=(6, 0), within=(9, 9)), "does not lie within"),
    ],
)
def test_what_cannot_be_is_said(path: ScanPath, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        path.check((4, 5))
