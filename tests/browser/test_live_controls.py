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
