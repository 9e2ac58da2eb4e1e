"""What an operator does on the live page, by mouse and key; one server and one page for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import h5py
import numpy as np
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
ESCAPE, RIGHT, DOWN = "\ue00c", "\ue014", "\ue015"
PRESSED = "return document.getElementById('{}').getAttribute('aria-pressed') === 'true'"


@pytest.fixture(scope="module")
def live(browser: Any, shared_feed: Any, shared_serve: Any) -> Any:
    """The page, once painted."""
    browser.open(shared_serve(shared_feed.publisher.url).url + "/live")
    browser.wait_painted()
    return browser


@pytest.fixture
def page(live: Any) -> Iterator[Any]:
    """The page as it was at first: each test gives back what it took."""
    live.complaints()
    yield live
    assert live.complaints() == []


def test_a_tap_pins_all_maps_and_keys_step_it(page: Any) -> None:
    page.tap("direction", (0.5, 0.25))
    page.until(lambda: page.labels()["pinned"])
    first = [page.data("crosshair", axis) for axis in "xy"]
    np.testing.assert_allclose(first, [0.5 * 96 * 0.025, 0.25 * 96 * 0.025], atol=0.03)
    assert page.driver.execute_script("return !document.getElementById('pinned').hidden")
    page.press(RIGHT)
    page.press(DOWN)
    page.until(lambda: page.data("crosshair", "x") > first[0] + 0.02 and page.data("crosshair", "y") > first[1] + 0.02)
    # This feed's service cannot be asked, and the page says so instead of showing another pattern.
    page.until(lambda: "takes no requests" in page.text("#notice"))
    page.until(lambda: not page.labels()["has_pattern"])
    page.press(ESCAPE)
    page.until(lambda: page.labels()["has_pattern"] and not page.labels()["pinned"])
    assert page.data("crosshair", "x") is None or np.isnan(page.data("crosshair", "x"))


def test_locked_limits_stay_while_the_data_move(page: Any, shared_feed: Any) -> None:
    page.press("l")
    page.wait(PRESSED.format("lock"))
    held = page.labels()["magnitude"]["high"]
    maps = shared_feed.scan.maps
    try:
        shared_feed.scan.maps = {**maps, "com_magnitude": maps["com_magnitude"] * 10}
        page.until(lambda: page.data("measured", "magnitude") is not None)
        serial = page.labels()["push"]
        page.until(lambda: page.labels()["push"] > serial + 3)
        assert page.labels()["magnitude"]["high"] == held
        page.press("l")
        page.until(lambda: page.labels()["magnitude"]["high"] > 5 * held)
    finally:
        shared_feed.scan.maps = maps
    page.until(lambda: page.labels()["magnitude"]["high"] == held)


def test_limits_are_dragged_in_the_histogram(page: Any) -> None:
    page.click('[data-panel="magnitude"] .bar')
    page.wait("return document.querySelectorAll('#histogram .count').length > 10")
    before = page.labels()["magnitude"]
    move = """
    const plot = document.querySelector('#histogram svg'), box = plot.getBoundingClientRect()
    const at = (kind, share) => plot.dispatchEvent(new PointerEvent(kind, {
      pointerId: 1, clientX: box.x + share * box.width, clientY: box.y + 9, bubbles: true }))
    plot.setPointerCapture = () => {}
    at('pointerdown', 0.95); at('pointermove', 0.7); at('pointerup', 0.5)
    """
    page.driver.execute_script(move)
    page.until(lambda: page.labels()["magnitude"]["high"] < before["high"])
    assert (
        page.driver.execute_script("return document.querySelector('[data-panel=magnitude] .lock').ariaPressed")
        == "true"
    )
    page.screenshot("live-histogram")
    page.driver.execute_script("document.querySelector('#histogram svg').dispatchEvent(new Event('dblclick'))")
    page.until(lambda: page.labels()["magnitude"]["high"] == before["high"])
    page.press(ESCAPE)
    page.wait("return document.getElementById('histogram').hidden")


def test_frozen_pages_step_back(page: Any) -> None:
    page.press(" ")
    page.wait("return document.querySelector('.badge').textContent === 'FROZEN'")
    frozen = page.labels()["published"]
    page.press(",")
    page.until(lambda: page.labels()["published"] < frozen)
    once = page.labels()["published"]
    page.press(",")
    page.until(lambda: page.labels()["published"] < once)
    page.wait("return document.querySelector('.badge').textContent === 'FROZEN · 2 back'")
    assert page.flaws() == []
    page.press(".")
    page.until(lambda: page.labels()["published"] == once)
    page.press(" ")
    page.until(lambda: page.labels()["published"] > frozen)


def test_a_lasso_outlines_its_positions_in_the_maps(page: Any) -> None:
    page.drag("latents", (0.55, 0.05), (0.98, 0.05), (0.98, 0.95), (0.55, 0.95), (0.55, 0.5))
    page.wait("return document.getElementById('selected').textContent.includes('% selected')")
    outlined = "return Bokeh.documents[0].get_model_by_name('outline').data.outline[0]"
    page.until(lambda: {0, 1, 2} <= set(page.driver.execute_script(f"{outlined.replace('return', 'return [...')}]")))
    page.screenshot("live-lasso")
    page.press(ESCAPE)
    page.wait("return document.getElementById('selected').textContent === ''")
    page.until(lambda: len(page.driver.execute_script(f"{outlined.replace('return', 'return [...')}]")) == 1)


def test_arrows_and_the_linear_scale_are_switched(page: Any) -> None:
    drawn = "return Bokeh.documents[0].get_model_by_name('arrows').data.x0.length"
    page.press("a")
    page.until(lambda: page.driver.execute_script(drawn) > 100)
    page.press("a")
    page.until(lambda: page.driver.execute_script(drawn) == 0)
    page.click("#scale-switch")
    page.until(lambda: "log" not in page.labels()["pattern"] and page.text("[data-panel=pattern] .unit") == "counts")
    page.click("#scale-switch")
    page.until(lambda: page.labels()["pattern"].get("log"))


def choose(page: Any, name: str, value: str) -> None:
    script = (
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'))"
    )
    page.driver.execute_script(script, name, value)


def test_the_pattern_is_the_latest_or_a_mean(page: Any, shared_feed: Any) -> None:
    scan = shared_feed.scan
    title = "[data-panel=pattern] .read-out"
    try:
        choose(page, "average", "scan")
        page.until(lambda: page.text(title).startswith("mean of "))
        page.click("#restart")
        page.until(lambda: page.text(title).startswith("("))  # nothing has come since: the latest

        def goes_on(seen: int) -> bool:
            scan.share += 0.001  # patterns that come too soon after another are left out of the mean
            return bool(page.labels()["seen"] >= seen)

        page.until(lambda: goes_on(1))
        page.until(lambda: goes_on(2))
        assert page.flaws() == []
        page.screenshot("live-mean")
        choose(page, "average", "mean_4")
        page.until(lambda: page.labels()["seen"] > 2)
    finally:
        scan.share = 0.5
        choose(page, "average", "latest")
    page.until(lambda: page.labels()["seen"] == 0 and page.text(title).startswith("("))


def test_saturated_pixels_are_marked_and_counted(page: Any, shared_feed: Any) -> None:
    scan = shared_feed.scan
    pattern = scan().pattern.copy()
    pattern[60:66, 60:66] = np.inf
    scan.changes = {"pattern": pattern}
    try:
        page.wait("return document.querySelector('.saturated').textContent === '▲ 36 px saturated'")
        frame = page.frame_of("pattern", page.screenshot("live-saturated"))
        assert (frame.reshape(-1, 3) == (0xE0, 0, 0)).all(axis=1).sum() > 100
        assert page.flaws() == []
        point = "window.streamRrvae.point('pattern', {event_name: 'mousemove', x: 0, y: 0})"
        read = "return document.querySelector('[data-panel=pattern] .read-out').textContent"
        assert page.driver.execute_script(f"{point}; {read}").endswith(": saturated")
    finally:
        scan.changes = {}
    page.wait("return document.querySelector('.saturated').textContent === ''")


def test_a_map_that_cannot_be_made_says_why_where_it_would_be(page: Any, shared_feed: Any) -> None:
    shared_feed.scan.changes = {"not_made": {"charge_density": "the beam energy is not known"}}
    try:
        page.wait("return [...document.getElementById('choice').options].some((o) => o.value === 'charge_density')")
        choose(page, "choice", "charge_density")
        page.wait(
            "return document.querySelector('[data-panel=chosen] .empty').textContent"
            " === 'not made: the beam energy is not known'"
        )
        page.wait("return document.querySelector('[data-panel=chosen] .empty').checkVisibility()")
        page.screenshot("live-not-made")
        assert page.flaws() == []
    finally:
        shared_feed.scan.changes = {}
        choose(page, "choice", "latent_1")
    page.until(lambda: page.labels()["has_chosen"])


ODD = [
    ((1, 1), np.float32(3)), ((1, 64), np.float32(0)), ((64, 1), np.float32(-1e-30)), ((4, 4), np.float32(np.nan)),
    ((96, 2), np.float32(1e6)),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "value"), ODD)
def test_scans_of_a_pixel_a_line_or_one_value_are_drawn(
    page: Any, shared_feed: Any, shape: tuple[int, int], value: np.float32
) -> None:
    maps = {name: np.full(shape, value, np.float32) for name in shared_feed.scan.maps}
    odd = {"maps": maps, "scan_shape": shape, "pattern_position": (0, 0), "pattern": np.full((8, 8), value, np.float32)}
    shared_feed.scan.changes = odd
    try:
        page.until(lambda: page.labels()["scan_shape"] == list(shape))
        page.wait("return Bokeh.documents[0].is_idle")
        told = page.labels()
        assert told["has_maps"] == bool(np.isfinite(value)) and told["magnitude"]["low"] < told["magnitude"]["high"]
        ends = page.driver.execute_script(
            "return [...document.querySelectorAll('[data-panel=magnitude] .gutter .number')].map((n) => n.textContent)"
        )
        assert len(set(ends)) == 3 and all(ends)
        if np.isfinite(value):
            frame = page.frame_of("magnitude", page.screenshot(f"live-odd-{shape[0]}x{shape[1]}"))
            assert tuple(frame[len(frame) // 2, len(frame) // 2]) != (0x21, 0x28, 0x32)
        assert page.flaws() == []
    finally:
        shared_feed.scan.changes = {}
    page.until(lambda: page.labels()["scan_shape"] == [96, 96])


def test_texts_are_read_and_keys_find_their_way(page: Any) -> None:
    assert page.illegible(11) == []
    assert page.lost_by_tab(16) == []


def test_a_double_click_enlarges_without_pinning(page: Any) -> None:
    page.tap("rotation", (0.3, 0.3), times=2)
    page.wait("return document.querySelector('.enlarged')?.dataset.panel === 'rotation'")
    assert page.flaws() == []
    page.press(ESCAPE)
    page.wait("return document.querySelector('.enlarged') === null")
    page.until(lambda: not page.labels()["pinned"])


def test_help_and_details_open_and_close_by_key(page: Any) -> None:
    for key, name in (("?", "help"), ("i", "details")):
        page.press(key)
        page.wait(f"return !document.getElementById('{name}').hidden")
        page.screenshot(f"live-{name}")
        assert page.flaws() == []
        page.press(ESCAPE)
        page.wait(f"return document.getElementById('{name}').hidden")


def test_a_snapshot_holds_what_is_shown(page: Any, shared_feed: Any) -> None:
    page.press("s")
    page.until(lambda: list(page.downloads.glob("*.zip")), 60)
    file: Path = next(iter(page.downloads.glob("*.zip")))
    assert "<" not in file.name
    with ZipFile(file) as archive:
        names = set(archive.namelist())
        assert {"snapshot.h5", "com_magnitude.png", "com_direction.png", "pattern.png", "rotation.png"} <= names
        archive.extract("snapshot.h5", page.downloads)
    with h5py.File(page.downloads / "snapshot.h5") as saved:
        magnitude = saved["entry/maps/com_magnitude"]
        measured = np.isfinite(magnitude[...])
        assert magnitude.attrs["units"] == "mrad" and 0 < measured.mean() < 1
        np.testing.assert_array_equal(magnitude[...][measured], shared_feed.scan.maps["com_magnitude"][measured])
        assert saved["entry/instrument"].asstr()[()] == shared_feed.scan.instrument
