"""How a recording went: what is missing, damaged or late, against the same worked out one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_rrvae.archive import course
from stream_rrvae.archive.course import course_of
from stream_rrvae.recording.layout import Flag


def test_in_order_every_position_is_due_at_its_own_place() -> None:
    made = course_of(np.arange(6), np.arange(6) / 10 + 1.7e9, None, (2, 3))
    np.testing.assert_array_equal(made.due, [[1, 2, 3], [4, 5, 6]])
    assert made.gaps.size == made.marks.size == 0
    expected = np.array([[1, 2, 3, 4, 5, 6], [0, 0.1, 0.2, 0.3, 0.4, 0.5]], np.float32)
    np.testing.assert_allclose(made.seconds, expected, atol=1e-6)


def test_what_is_missing_late_copied_outside_or_damaged_is_told() -> None:
    numbers = np.array([0, 1, 4, 2, 4, 9, 5, 7])
    flags = np.zeros(8, np.uint8)
    flags[4], flags[5], flags[6] = Flag.COPY, Flag.OVERFLOW, Flag.UNDECODABLE
    made = course_of(numbers, None, flags, (2, 4))
    nan = np.nan
    np.testing.assert_array_equal(made.due, [[1, 2, 5, nan], [5, nan, nan, 8]])
    np.testing.assert_array_equal(made.gaps, [[3, 4], [5, 7]])
    np.testing.assert_array_equal(made.marks, [[5, 1], [5, 2], [6, 4]])
    assert made.seconds.shape == (2, 0)


@given(st.lists(st.integers(-2, 22), max_size=60))
def test_it_equals_a_plain_walk_through_the_frames(numbers: list[int]) -> None:
    due = np.full(20, np.nan)
    place = 0
    for number in numbers:
        if 0 <= number < 20:
            place = max(place, number + 1)
            if np.isnan(due[number]):
                due[number] = place
    made = course_of(np.array(numbers, np.int64), None, None, (4, 5))
    np.testing.assert_array_equal(made.due.ravel(), due)
    missing = np.zeros(20, np.bool_)
    for first, last in made.gaps.astype(int):
        missing[first:last] = True
    np.testing.assert_array_equal(missing, np.isnan(due))


def test_many_gaps_and_marks_are_told_within_a_limit() -> None:
    numbers = np.arange(0, 4000, 2)
    flags = np.full(numbers.size, Flag.COPY, np.uint8)
    flags[1500] = Flag.UNDECODABLE
    made = course_of(numbers, None, flags, (40, 100))
    assert len(made.gaps) == len(made.marks) == course.MOST_MARKS
    assert made.marks_left_out == numbers.size - course.MOST_MARKS
    assert [3001, 4] in made.marks.astype(int).tolist()  # what matters most is not left out
    assert (made.gaps[0, 0], made.gaps[-1, 1]) == (1, 4000)
    assert (np.diff(made.gaps.ravel()) > 0).all()
