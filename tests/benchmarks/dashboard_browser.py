"""A real browser on the live page, which itself notes when its last canvas was drawn for every push.

No network log of a driver is involved: that alone would add a third to the times.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1600,1000",
)  # fmt: skip
STARTED = "return document.body.dataset.started === 'true' && Bokeh.documents[0].is_idle"
# The clock of the page and that of the publisher are the same machine's.
WATCH = """
const measured = Bokeh.documents[0].get_model_by_name('measured')
const now = () => (performance.timeOrigin + performance.now()) / 1000
const draw = CanvasRenderingContext2D.prototype.drawImage
let drawn = 0
window.taken = []
window.models = []
CanvasRenderingContext2D.prototype.drawImage = function (...given) {
  draw.apply(this, given)
  drawn = now()
}
measured.on_change(measured.properties.data, () => {
  const published = JSON.parse(measured.data.labels[0]).published
  // When the frame that shows them is done: both what drew at once and what waited for the frame has drawn.
  requestAnimationFrame(() => setTimeout(() => window.taken.push([drawn - published, now() - published]), 0))
})
// The model's maps and points follow what was measured.
const cloud = Bokeh.documents[0].get_model_by_name('cloud')
cloud.on_change(cloud.properties.data, () => {
  const published = JSON.parse(measured.data.labels[0]).published
  requestAnimationFrame(() => setTimeout(() => window.models.push(drawn - published), 0))
})
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """Seconds from publication to the last canvas drawn, and to the frame that shows it, push by push; and to the last
    canvas of a model's."""

    taken_s: tuple[float, ...]
    shown_s: tuple[float, ...]
    model_s: tuple[float, ...]
    looked_s: float

    @property
    def rate_hz(self) -> float:
        return len(self.taken_s) / self.looked_s


class BrowserPage:
    """One browser on one page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def watch(self) -> None:
        """Begin to note times, once the page has started."""
        WebDriverWait(self._driver, 60, 0.1).until(lambda each: each.execute_script(STARTED))
        self._driver.execute_script(WATCH)

    def begin(self) -> None:
        """Forget what was noted so far. A page that has lost its server for seconds has loaded itself again."""
        if self._driver.execute_script("return window.taken === undefined"):
            self.watch()
        self._driver.execute_script("window.taken.length = window.models.length = 0; window.began = performance.now()")

    def seen(self) -> Seen:
        """What was noted since `begin`."""
        taken, models, looked_ms = self._driver.execute_script(
            "return [window.taken ?? [], window.models ?? [], performance.now() - (window.began ?? 0)]"
        )
        drawn, shown = zip(*taken, strict=True) if taken else ((), ())
        return Seen(tuple(drawn), tuple(shown), tuple(models), looked_ms / 1000)


@contextmanager
def browser_on(url: str) -> Iterator[BrowserPage]:
    """A browser of its own, with `url` shown and watched."""
    with new_browser() as driver:
        driver.get(url)
        page = BrowserPage(driver)
        page.watch()
        yield page


@contextmanager
def new_browser() -> Iterator[webdriver.Chrome]:
    """A browser of its own, on no page yet."""
    with tempfile.TemporaryDirectory(prefix="bench-browser-", ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        try:
            yield driver
        finally:
            driver.quit()


def looked_at(pages: list[BrowserPage], seconds: float) -> list[Seen]:
    """What all of them see at the same time."""
    for page in pages:
        page.begin()
    time.sleep(seconds)
    return [page.seen() for page in pages]
