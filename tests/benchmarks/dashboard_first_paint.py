"""How soon a page is there before any data: its first paint, then its figures on a live connection.

By hand, from the root of the repository, on a quiet machine (half a minute):
    python -m tests.benchmarks.dashboard_first_paint [--loads 5]
Needs chromium, chromedriver and selenium. Times are the browser's own, from the beginning of the navigation; the
server has no feed, so nothing but the page is waited for.
"""

from __future__ import annotations

import argparse
import statistics

from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

from stream_rrvae.commands.children import Child
from tests.benchmarks.dashboard_browser import STARTED, new_browser

PAGES = ("live", "control")
NOBODY = "tcp://127.0.0.1:9"
# The page notes by itself when its script says that it has started.
NOTE = """
new MutationObserver((_changes, observer) => {
  if (document.body?.dataset.started !== "true") return
  window.startedMs = performance.now()
  observer.disconnect()
}).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-started"] })
"""
PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def loaded(driver: webdriver.Chrome, url: str) -> tuple[float, float]:
    """Milliseconds to the first paint (titles, bars, what is empty) and until the page's figures are there."""
    driver.get(url)
    WebDriverWait(driver, 60, 0.05).until(lambda each: each.execute_script(STARTED))
    WebDriverWait(driver, 60, 0.05).until(lambda each: each.execute_script(PAINTED))
    return driver.execute_script(PAINTED), driver.execute_script("return window.startedMs")


def main() -> None:
    """A line for each page: medians and the worst."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loads", type=int, default=5)
    loads = parser.parse_args().loads
    with Child("dashboard", "stream_rrvae", "dashboard", "--port", "0", "--feed", NOBODY) as server:
        url = f"http://{server.line_with('http://')}"
        with new_browser() as driver:
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NOTE})
            for name in PAGES:
                taken = [loaded(driver, url.replace("/live", f"/{name}")) for _ in range(loads)]
                painted, started = zip(*taken, strict=True)
                print(
                    f"/{name}: first paint {statistics.median(painted):.0f} ms (at most {max(painted):.0f}),"
                    f" figures there {statistics.median(started):.0f} ms (at most {max(started):.0f})"
                )


if __name__ == "__main__":
    main()
