"""The live page in a real browser: painted, silent in the console, and honest in every state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.feed.publisher import Publisher
from stream_rrvae.messages import Calibration, Counters, Health

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
MAPS = ("magnitude", "direction", "rotation", "chosen")
SIZES = ((1600, 1000), (1280, 800))
UNVISITED = (0x21, 0x28, 0x32)
Serve = Callable[..., Any]


def commonest_share(image: NDArray[np.uint8]) -> float:
    """Of the pixels, those of the commonest colour."""
    flat = image.reshape(-1, 3).astype(np.int64) @ np.array([65536, 256, 1])
    return float(np.unique(flat, return_counts=True)[1].max() / flat.size)


@pytest.mark.parametrize("size", SIZES)
def test_before_any_data_the_page_is_whole_and_says_so(viewer: Any, serve: Serve, size: tuple[int, int]) -> None:
    viewer.open(serve("tcp://127.0.0.1:9").url + "/live", size)
    viewer.wait_word("WAITING")
    page = viewer.screenshot(f"live-empty-{size[0]}")
    for name in (*MAPS, "pattern"):
        assert commonest_share(viewer.frame_of(name, page)) > 0.9
    assert viewer.text('[data-panel="magnitude"] .empty') == "no data yet"
    assert viewer.flaws() == []
    assert viewer.complaints() == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_scan_is_painted(
    viewer: Any, serve: Serve, publisher: Any, scan: Any, size: tuple[int, int], share: float
) -> None:
    scan.share = share
    viewer.open(serve(publisher.url).url + "/live", size)
    viewer.wait_word("LIVE" if share < 1 else "COMPLETE")
    viewer.wait_painted()
    page = viewer.screenshot(f"live-{'full' if share == 1 else 'half'}-{size[0]}")
    sides = set()
    for name in (*MAPS, "pattern"):
        frame = viewer.frame_of(name, page)
        sides.add(frame.shape[:2])
        assert frame.shape[0] == frame.shape[1]
        if name != "pattern":  # its empty corners have one colour, and rightly so
            assert commonest_share(frame) < 0.6
    assert len(sides) == 1, "all images have the same size"
    if share < 1:
        # Row 0 is at the top, and what was not visited is the colour of the panel.
        for name in MAPS:
            middle = viewer.frame_of(name, page)[:, sides.copy().pop()[1] // 2]
            assert tuple(middle[len(middle) * 3 // 5]) == UNVISITED
            assert tuple(middle[len(middle) * 1 // 5]) != UNVISITED
    assert viewer.driver.execute_script("return Bokeh.documents[0].get_model_by_name('scatter').get_length()") > 1000
    assert viewer.driver.title.startswith(scan.instrument)
    assert viewer.flaws() == []
    assert viewer.complaints() == []


PLACES = """
const nodes = [...document.querySelectorAll(".panel, .frame, .bar, .wheel, .cells div, #side button, #strips figure")]
return nodes.map((node) => { const box = node.getBoundingClientRect(); return [box.x, box.y, box.width, box.height] })
"""


def test_nothing_jumps_when_data_come(viewer: Any, serve: Serve, scan: Any, tmp_path: Path) -> None:
    publisher = Publisher(f"ipc://{tmp_path}/feed", "test", 20.0, scan)
    viewer.open(serve(f"ipc://{tmp_path}/feed").url + "/live", (1920, 1080))
    viewer.wait_word("WAITING")
    empty = viewer.driver.execute_script(PLACES)
    publisher.start()
    try:
        viewer.wait_word("LIVE")
        viewer.wait_painted()
        viewer.screenshot("live-half-1920")
        assert viewer.driver.execute_script(PLACES) == empty
        assert viewer.flaws() == []
    finally:
        publisher.stop()


def test_row_0_is_at_the_top_and_column_0_at_the_left(viewer: Any, serve: Serve, publisher: Any, scan: Any) -> None:
    corner = np.zeros((96, 96), np.float32)
    corner[:48, :48] = 1.0
    opposite = corner[::-1, ::-1]
    scan.share = 1.0
    scan.maps = {**scan.maps, "com_magnitude": corner, "latent_1": corner, "com_direction": opposite * 2,
                 "rotation": opposite * 2, "rotation_confidence": np.ones_like(corner)}  # fmt: skip
    pattern = np.ones((128, 128), np.float32)
    pattern[:64, :64] = 1000.0
    scan.changes = {"pattern": pattern}
    viewer.open(serve(publisher.url).url + "/live")
    viewer.wait_painted()
    page = viewer.screenshot("live-orientation")
    for name, odd in (("magnitude", 0), ("chosen", 0), ("pattern", 0), ("direction", 3), ("rotation", 3)):
        frame = viewer.frame_of(name, page)
        side = len(frame)
        # A fifth from the middle: away from marks, notes and scale bars.
        near, far = side * 3 // 10, side * 7 // 10
        colours = [tuple(frame[y, x]) for y, x in ((near, near), (near, far), (far, near), (far, far))]
        others = [colour for index, colour in enumerate(colours) if index != odd]
        assert len(set(others)) == 1, name
        assert colours[odd] != others[0], name


def test_directions_have_the_colours_of_the_wheel(viewer: Any, serve: Serve, publisher: Any, scan: Any) -> None:
    scan.share = 1.0
    angles = np.zeros((96, 96), np.float32)  # quadrants: right, down, left, up
    angles[:48, 48:], angles[48:, 48:], angles[48:, :48] = np.pi / 2, np.pi, -np.pi / 2
    scan.maps = {**scan.maps, "com_direction": angles}
    viewer.open(serve(publisher.url).url + "/live")
    viewer.wait_painted()
    page = viewer.screenshot("live-wheel").astype(int)
    frame = viewer.frame_of("direction", page)
    near, far = len(frame) * 3 // 10, len(frame) * 7 // 10
    on_map = [frame[near, near], frame[near, far], frame[far, far], frame[far, near]]
    box = viewer.driver.execute_script(
        "const b = document.querySelector('.wheel.direction').getBoundingClientRect(); return [b.x, b.y, b.width]"
    )
    x, y, radius = box[0] + box[2] / 2, box[1] + box[2] / 2, box[2] * 0.38
    around = [(0, 1), (1, 0), (0, -1), (-1, 0)]  # (down, right) of the wheel's middle
    on_wheel = [page[round(y + radius * down), round(x + radius * right)] for down, right in around]
    for drawn, shown in zip(on_map, on_wheel, strict=True):
        assert np.abs(drawn - shown).max() < 24


def test_what_a_service_says_is_never_markup(viewer: Any, serve: Serve, publisher: Any, scan: Any) -> None:
    evil = "<img src=x onerror=\"document.body.dataset.evil='yes'\">"
    scan.instrument = evil
    scan.changes = {"scan_id": evil, "metadata": {"sample": evil}, "units": {"com_magnitude": evil}}
    server = serve(publisher.url)
    for page, selector in (("live", "#instrument"), ("control", ".instrument")):
        viewer.open(f"{server.url}/{page}")
        viewer.wait(f"return document.querySelector('{selector}').textContent.startsWith('<img')")
        assert viewer.text(selector) == evil
        assert viewer.driver.execute_script("return document.querySelectorAll('img').length") == 0
        assert viewer.driver.execute_script("return document.body.dataset.evil") is None
        assert viewer.complaints() == []


@pytest.mark.parametrize("size", SIZES)
def test_long_names_large_numbers_and_alarms_fit(
    viewer: Any, serve: Serve, publisher: Any, scan: Any, size: tuple[int, int]
) -> None:
    scan.instrument = "A microscope with a rather long name indeed"
    scan.changes = {
        "scan_id": "a very long name of a run that nobody can remember, sample 17, second try",
        "calibration": Calibration(),
        "axes": "detector",
        "counters": Counters(5_000_000, 4_000_000, 900_000, 4_000_000, 100_000, 3, 2, {"size": 60, "decode": 40}),
        "health": Health(1234567.0, 0.2, 1.9, 0.1, 3),
    }
    viewer.open(serve(publisher.url).url + "/live", size)
    viewer.wait_word("LAG")
    viewer.wait_painted()
    viewer.screenshot(f"live-unset-{size[0]}")
    alarmed = "return [...document.querySelectorAll('.cells .alarm')].map((cell) => cell.dataset.cell)"
    assert viewer.driver.execute_script(alarmed) == ["missing", "refused", "rotation"]
    assert viewer.text('[data-cell="rotation"] dd') == "not set"
    assert viewer.text('[data-panel="direction"] .axis-x') == "+kx"
    assert viewer.flaws() == []


def test_a_silent_service_is_seen_on_every_panel(viewer: Any, serve: Serve, publisher: Any) -> None:
    viewer.open(serve(publisher.url).url + "/live")
    viewer.wait_painted()
    before = viewer.screenshot("live-before-stale")
    publisher.stop()
    viewer.wait_word("STALE")
    after = viewer.screenshot("live-stale-1600")
    badges = viewer.driver.execute_script("return [...document.querySelectorAll('.badge')].map((b) => b.textContent)")
    assert len(badges) == 6 and all(badge.startswith("■ STALE · ") for badge in badges)
    for name in (*MAPS, "pattern", "latents"):
        assert viewer.frame_of(name, after).mean() < 0.8 * viewer.frame_of(name, before).mean()
    assert "STALE" in viewer.driver.title
    viewer.wait_word("UNREACHABLE")
    viewer.screenshot("live-unreachable")
    assert viewer.complaints() == []


def test_a_dead_server_is_told_by_the_page_which_comes_back_by_itself(
    viewer: Any, serve: Serve, publisher: Any
) -> None:
    server = serve(publisher.url)
    viewer.open(server.url + "/live")
    viewer.wait_painted()
    server.kill()
    viewer.wait("return !document.getElementById('lost').hidden", seconds=5)
    viewer.screenshot("live-killed-1600")
    assert "DISCONNECTED" in viewer.driver.title
    viewer.driver.execute_script("window.before = true")
    serve(publisher.url, port=int(server.url.rsplit(":", 1)[1]))
    viewer.wait("return window.before === undefined && document.body.dataset.started === 'true'", seconds=30)
    viewer.wait_painted()
    viewer.wait_word("LIVE")


def test_space_freezes_and_digits_enlarge(viewer: Any, serve: Serve, publisher: Any) -> None:
    viewer.open(serve(publisher.url).url + "/live")
    viewer.wait_painted()
    viewer.press(" ")
    viewer.wait("return document.querySelector('.badge').textContent === 'FROZEN'")
    assert viewer.flaws() == []
    painted = "return Bokeh.documents[0].get_model_by_name('measured').data.labels[0]"
    held = viewer.driver.execute_script(painted)
    viewer.screenshot("live-frozen-1600")
    age = viewer.text("#clock")
    viewer.wait(f"return document.querySelector('#clock').textContent !== '{age}'")  # the status goes on
    assert viewer.driver.execute_script(painted) == held
    viewer.press(" ")
    viewer.wait("return document.querySelector('.badge').textContent === ''")
    viewer.wait(painted + f" !== {held!r}")
    viewer.press("2")
    viewer.wait("return getComputedStyle(document.querySelector('[data-panel=pattern]')).display === 'none'")
    large = viewer.driver.execute_script("return document.querySelector('.enlarged .frame').clientWidth")
    assert large > 600
    viewer.screenshot("live-enlarged-1600")
    viewer.press("\ue00c")  # Escape
    viewer.wait("return getComputedStyle(document.querySelector('[data-panel=pattern]')).display !== 'none'")
    assert viewer.flaws() == []
    assert viewer.complaints() == []


def test_another_map_can_be_chosen_and_read_under_the_pointer(viewer: Any, serve: Serve, publisher: Any) -> None:
    viewer.open(serve(publisher.url).url + "/live")
    viewer.wait_painted()
    options = viewer.driver.execute_script("return [...document.getElementById('choice').options].map((o) => o.value)")
    assert options == ["latent_1", "latent_2", "com_x", "com_y", "sum", "bright_field", "annular_dark_field"]
    choose = (
        "const s = document.getElementById('choice'); s.value = 'bright_field'; s.dispatchEvent(new Event('change'))"
    )
    viewer.driver.execute_script(choose)
    viewer.wait("return document.querySelector('[data-panel=chosen] .unit').textContent === 'counts'")
    viewer.wait("return document.querySelector('[data-panel=chosen] .bar').style.background.includes('grey')")
    grey = viewer.frame_of("chosen", viewer.screenshot("live-chosen")).astype(int)
    upper = grey[len(grey) // 8 : len(grey) // 3, len(grey) // 4 : len(grey) // 2]
    assert np.ptp(upper, axis=-1).max() < 8, "the bright field is grey"
    viewer.driver.execute_script("window.streamRrvae.point('magnitude', {event_name: 'mousemove', x: 0.03, y: 0.01})")
    assert viewer.text('[data-panel="magnitude"] .read-out').startswith("y 0, x 1: ")
    assert viewer.text('[data-panel="magnitude"] .read-out').endswith(" mrad")
    viewer.driver.execute_script("window.streamRrvae.point('direction', {event_name: 'mousemove', x: 0.03, y: 2.3})")
    assert viewer.text('[data-panel="direction"] .read-out').endswith("not visited")
    assert viewer.complaints() == []
