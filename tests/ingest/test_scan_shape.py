"""The scan's shape: the site's word, then the sender's, then a square, then one line."""

import pytest

from stream_rrvae.ingest.scan_rules import settle_scan_shape
from stream_rrvae.messages import ScanStart


@pytest.mark.parametrize(
    ("wanted", "announced", "frames", "shape"),
    [
        ((4, 5), (2, 10), 20, (4, 5)),
        (None, (2, 10), 20, (2, 10)),
        (None, None, 36, (6, 6)),
        (None, None, 37, (1, 37)),
        (None, None, 1, (1, 1)),
        (None, (3, 3), 20, (3, 3)),
    ],
)
def test_who_decides_the_shape(
    wanted: tuple[int, int] | None, announced: tuple[int, int] | None, frames: int, shape: tuple[int, int]
) -> None:
    start = ScanStart("s", 1, (4, 4), "uint8", frames, scan_shape=announced)
    assert settle_scan_shape(start, wanted) == shape
