"""The whole way: the demo as a newcomer starts it, watched in a real browser until the model's maps are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_rrvae.commands.children import Child

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
MAPS = ("magnitude", "direction", "rotation", "chosen")


def test_a_simulated_scan_becomes_maps(viewer: Any, tmp_path: Path) -> None:
    options = ("--port", "0", "--scans", "1", "--rate", "400", "--out", str(tmp_path / "out"))
    with Child("demo", "stream_rrvae", "demo", *options) as demo:
        viewer.open(f"http://{demo.line_with('open http://').split()[0]}")
        viewer.wait_word("LIVE")
        viewer.wait("return Bokeh.documents[0].get_model_by_name('scatter').get_length() > 500", 60)
        viewer.screenshot("demo-during")
        viewer.wait("return document.querySelector('[data-text=word]').textContent === 'COMPLETE'", 90)
        page = viewer.screenshot("demo-complete")
        assert viewer.complaints() == []
        assert demo.process.wait(120) == 0
    for name in MAPS:
        colours = np.unique(viewer_pixels(viewer, name, page), axis=0)
        assert len(colours) > 50, name
    assert (tmp_path / "out" / "results.h5").exists()


def viewer_pixels(viewer: Any, name: str, page: Any) -> Any:
    """The pixels [n, rgb] inside the frame of a map."""
    return viewer.frame_of(name, page).reshape(-1, 3)
