"""The live page over a real service and simulator: patterns, virtual detectors and the rotation, there and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from stream_rrvae.commands.children import Child

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def live(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page of a scan that goes on while the tests run."""
    out = tmp_path_factory.mktemp("out")
    options = ("--port", "0", "--scan-shape", "48x48", "--rate", "300", "--scans", "0", "--out", str(out))
    with Child("demo", "stream_rrvae", "demo", *options) as demo:
        browser.open(f"http://{demo.line_with('open http://').split()[0]}")
        browser.wait_painted()
        browser.until(lambda: browser.labels()["has_pattern"], 120)
        yield browser
        browser.driver.get("about:blank")


@pytest.fixture
def page(live: Any) -> Iterator[Any]:
    live.complaints()
    yield live
    assert live.complaints() == []


def rings(page: Any) -> list[float]:
    """x, y and radii of the virtual detector as drawn."""
    drawn = page.driver.execute_script("return Bokeh.documents[0].get_model_by_name('rings').data")
    return [drawn["x"][0], drawn["y"][0], *drawn["radius"]] if len(drawn["x"]) else []


def test_a_click_shows_the_pattern_of_its_position(page: Any) -> None:
    page.tap("magnitude", (0.4, 0.1))
    page.until(lambda: page.labels()["pinned"] and page.labels()["has_pattern"])
    at = page.labels()["at"]
    assert at is not None and abs(at[0] - 4) <= 8 and page.labels()["position"] == f"y {at[0]}, x {at[1]}"
    page.wait("return document.getElementById('pinned').textContent.startsWith('pinned')")
    assert f"(y {at[0]}, x {at[1]})" == page.text('[data-panel="pattern"] .read-out')
    # The crosshair is where the title says.
    scale = page.data("measured", "map_w") / 48
    page.until(lambda: abs(page.data("crosshair", "x") / scale - page.labels()["at"][1] - 0.5) < 1e-6)
    page.press("\ue00c")
    page.until(lambda: not page.labels()["pinned"])


def test_a_virtual_detector_is_dragged_and_gives_a_map(page: Any) -> None:
    page.click('[data-ring="annulus"]')
    page.until(lambda: page.labels()["chosen"]["name"] == "virtual_detector" and page.labels()["has_chosen"])
    before = rings(page)
    page.drag("pattern", (0.5, 0.5), (0.55, 0.5), (0.6, 0.55))
    moved = rings(page)
    assert moved[0] > before[0] and moved[1] > before[1] and moved[2:] == before[2:]
    field = page.driver.find_element("id", "ring-outer")
    field.send_keys(Keys.CONTROL + "a")
    field.send_keys("70\n")
    page.until(lambda: rings(page)[-1] == pytest.approx(70))
    wish = json.loads(page.data("reply", "wish"))
    assert wish["ring"]["outer"] == pytest.approx(70 / page.labels()["geometry"]["scale"])
    page.until(lambda: page.labels()["coverage"] not in ("", "0\u202f%"))
    assert page.flaws() == []
    page.screenshot("live-virtual-detector")
    page.driver.execute_script("document.activeElement.blur()")
    page.click('[data-ring="off"]')
    page.until(lambda: page.labels()["chosen"]["name"] == "latent_1" or not page.labels()["has_chosen"])
    assert rings(page) == []


def test_a_virtual_detector_answers_while_it_is_dragged(page: Any) -> None:
    page.click('[data-ring="disc"]')
    page.until(lambda: page.labels()["ring"] is not None)
    x, y, radius = rings(page)

    def share(at_x: float) -> tuple[float, float]:
        """Of the frame: where the drawn coordinates (at_x, y) are."""
        box = {end: page.data("measured", f"pattern_{end}") for end in "xywh"}
        return (at_x - box["x"]) / box["w"], (y - box["y"]) / box["h"]

    before = page.labels()["ring"]["outer"]
    page.drag("pattern", share(x + radius), share(x + 1.2 * radius), share(x + 1.4 * radius), releases=False)
    try:
        page.until(lambda: page.labels()["ring"]["outer"] > 1.3 * before)
        first = page.labels()["ring"]["outer"]
    finally:
        page.release()
    assert first == pytest.approx(1.4 * before, rel=0.05)
    page.click('[data-ring="off"]')
    page.until(lambda: page.labels()["ring"] is None)


def test_the_rotation_is_set_and_locked(page: Any) -> None:
    field = page.driver.find_element("id", "degrees")
    field.send_keys(Keys.CONTROL + "a")
    field.send_keys("30")
    page.click("#rotation-set")
    page.wait("return document.querySelector('[data-cell=rotation] dd').textContent === '30.0°'")
    assert "operator" in page.text("[data-cell=rotation] dt")
    page.click("#rotation-lock")
    page.wait("return document.querySelector('[data-cell=rotation]').classList.contains('locked')")
    page.wait("return document.getElementById('rotation-set').disabled")
    page.click("#rotation-lock")
    page.wait("return !document.getElementById('rotation-set').disabled")


def test_the_snapshot_holds_the_pinned_pattern(page: Any) -> None:
    page.tap("direction", (0.6, 0.1))
    page.until(lambda: page.labels()["pinned"] and page.labels()["has_pattern"])
    for old in page.downloads.glob("*.zip"):
        old.unlink()
    page.press("s")
    page.until(lambda: list(page.downloads.glob("*.zip")), 60)
    page.until(lambda: page.data("measured", "com_x") is not None)
    assert np.isfinite(page.data("measured", "com_x"))
    page.press("\ue00c")
