"""When a recording has the disk take what was written: in time, and not without a pause."""

from __future__ import annotations

import pytest

from stream_rrvae.recording.disk_sync import next_sync_s


@pytest.mark.parametrize("takes_s", [0.0, 0.1, 0.3, 0.45])
def test_what_came_just_after_a_sync_began_is_on_the_disk_in_time(takes_s: float) -> None:
    next_s = next_sync_s(7.0, takes_s, 1.0)
    assert next_s + takes_s == pytest.approx(8.0)


@pytest.mark.parametrize("takes_s", [0.5, 2.0])
def test_a_disk_that_cannot_keep_up_has_a_pause_between_two(takes_s: float) -> None:
    assert next_sync_s(7.0, takes_s, 1.0) >= 7.0 + takes_s + 0.1
