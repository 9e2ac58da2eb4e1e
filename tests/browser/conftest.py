"""A browser, a dashboard server as a process of its own, and a feed with a scan as a microscope would give it."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from stream_rrvae.feed.publisher import Publisher
from stream_rrvae.messages import Calibration, Counters, Float32Array, Health, ModelStatus, ScanState, Snapshot

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SERVER_IMPORTS = """
from pathlib import PosixPath
from dashboards.options import DashboardOptions
from dashboards.server import serve
from dashboards.feeds.thresholds import Thresholds
"""
NGINX_SAMPLE = Path(__file__).parents[2] / "deploy" / "nginx" / "stream-rrvae.conf"
ARTEFACTS = Path(__file__).parents[2] / "artefacts"
SCAN = (96, 96)
FRAME = (128, 128)
STEP_NM = 0.025


def lattice_maps(shape: tuple[int, int], step_nm: float) -> dict[str, Float32Array]:
    """Maps of a square lattice of columns 0.39 nm apart: the field points to the next column."""
    y, x = np.mgrid[: shape[0], : shape[1]] * step_nm
    phase_y, phase_x = 2 * np.pi * y / 0.39, 2 * np.pi * x / 0.39
    com_y, com_x = -3 * np.sin(phase_y), -3 * np.sin(phase_x)
    noise = np.random.default_rng(4)
    com_y, com_x = com_y + noise.normal(0, 0.3, shape), com_x + noise.normal(0, 0.3, shape)
    magnitude, columns = np.hypot(com_y, com_x), np.cos(phase_y) + np.cos(phase_x)
    maps = {
        "sum": 4000 + 20 * columns,
        "com_y": com_y,
        "com_x": com_x,
        "com_magnitude": magnitude,
        "com_direction": np.arctan2(com_y, com_x),
        "rotation": np.arctan2(com_y, com_x),
        "rotation_confidence": np.clip(magnitude / 3, 0, 1),
        "latent_1": magnitude - 2.0,
        "latent_2": columns + noise.normal(0, 0.2, shape),
        "bright_field": 3000 - 200 * columns,
        "annular_dark_field": 300 + 100 * columns,
        "coverage": np.ones(shape),
    }
    return {name: image.astype(np.float32) for name, image in maps.items()}


def disc_pattern(com_px: tuple[float, float]) -> Float32Array:
    """Counts of a disc of 24 px radius moved by `com_px` (ky, kx)."""
    ky, kx = np.mgrid[: FRAME[0], : FRAME[1]]
    distance = np.hypot(ky - 63.5 - com_px[0], kx - 63.5 - com_px[1])
    expected = 8.0 / (1 + np.exp(distance - 24)) + 0.02 + 0.6 * np.exp(-(((distance - 44) / 12) ** 2))
    counts: Float32Array = np.random.default_rng(5).poisson(expected).astype(np.float32)
    return counts


@dataclass
class Scan:
    """What the feed tells: a scan of which `share` has been measured."""

    share: float = 0.5
    instrument: str = "ARM200 <b>&amp;"
    changes: dict[str, object] = field(default_factory=dict)
    serial: int = 0
    maps: dict[str, Float32Array] = field(default_factory=lambda: lattice_maps(SCAN, STEP_NM))

    def __call__(self) -> Snapshot:
        self.serial += 1
        total = SCAN[0] * SCAN[1]
        done = round(self.share * total)
        unvisited = np.arange(total).reshape(SCAN) >= done
        units = dict.fromkeys(self.maps, "1") | {"com_magnitude": "mrad", "sum": "counts", "bright_field": "counts"}
        latest = max(done - 1, 0)
        snapshot = Snapshot(
            instrument=self.instrument,
            serial=self.serial,
            published_unix_s=time.time(),
            state=ScanState.RUNNING if self.share < 1 else ScanState.COMPLETE,
            scan_id="run 0042",
            scan_shape=SCAN,
            calibration=Calibration(
                mrad_per_px=1.25, semiangle_mrad=30.0, beam_center_px=(63.5, 63.5), disc_radius_px=24.0,
                scan_step_nm=(STEP_NM, STEP_NM), detector_rotation_rad=-1.536, beam_energy_ev=200e3,
            ),
            counters=Counters(done, done, 0, done, 0, 0, 3),
            health=Health(7980.0, 0.031, 0.084, 0.05),
            model=ModelStatus(17, "training", "finetune", "", {"pearson_latent_com": [0.97, 0.12]}),
            axes="scan",
            maps={name: np.where(unvisited, np.float32(np.nan), image) for name, image in self.maps.items()},
            units=units,
            pattern=disc_pattern((3.0, -5.0)),
            pattern_position=(latest // SCAN[1], latest % SCAN[1]),
            metadata={"sample": "SrTiO3 [100]"},
        )  # fmt: skip
        return replace(snapshot, **self.changes)  # type: ignore[arg-type]  # a test names real fields


@pytest.fixture
def scan() -> Scan:
    return Scan()


@pytest.fixture
def publisher(scan: Scan) -> Iterator[Publisher]:
    """Publishes `scan` at 20 Hz, as a service does, once it is started."""
    made = Publisher("tcp://127.0.0.1:*", "test", 20.0, scan)
    made.start()
    yield made
    made.stop()


@dataclass
class ServerProcess:
    process: subprocess.Popen[str]
    url: str

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@dataclass
class SharedFeed:
    scan: Scan
    publisher: Publisher


@pytest.fixture(scope="module")
def shared_feed() -> Iterator[SharedFeed]:
    """A feed for all tests of a module, which may change its scan and give it back."""
    scan = Scan()
    made = Publisher("tcp://127.0.0.1:*", "test", 20.0, scan)
    made.start()
    yield SharedFeed(scan, made)
    made.stop()


@pytest.fixture
def serve() -> Iterator[Callable[..., ServerProcess]]:
    """Starts a dashboard for feeds; gives it once it serves."""
    yield from _serving()


@pytest.fixture(scope="module")
def shared_serve() -> Iterator[Callable[..., ServerProcess]]:
    """The same for all tests of a module."""
    yield from _serving()


def _serving() -> Iterator[Callable[..., ServerProcess]]:
    started: list[ServerProcess] = []

    def start(*feeds: str, port: int = 0, **more: object) -> ServerProcess:
        options = ", ".join(f"{name}={value!r}" for name, value in {"feeds": feeds, "port": port, **more}.items())
        code = f"{SERVER_IMPORTS}\nserve(DashboardOptions({options}))"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        started.append(ServerProcess(process, process.stdout.readline().strip().removesuffix("/live")))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.terminate()
            assert server.process.wait(20) == 0
        if server.process.stdout is not None:
            server.process.stdout.close()


@pytest.fixture(scope="session")
def chromium() -> None:
    if shutil.which(CHROMIUM) and shutil.which(DRIVER):
        return
    message = f"browser tests need {CHROMIUM} and {DRIVER} (apt-get install chromium chromium-driver)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@dataclass
class Viewer:
    """One browser window on a page, and what can be asked of it."""

    driver: webdriver.Chrome
    downloads: Path

    def open(self, url: str, size: tuple[int, int] = (1600, 1000)) -> None:
        """Load `url` in a window whose inside is `size`, and wait until Bokeh is idle and our script runs."""
        self.driver.set_window_size(*size)
        inner = self.driver.execute_script("return [innerWidth, innerHeight]")
        self.driver.set_window_size(2 * size[0] - inner[0], 2 * size[1] - inner[1])
        self.driver.get(url)
        self.wait("return document.body.dataset.started === 'true' && Bokeh.documents[0].is_idle")

    def wait(self, script: str, seconds: float = 20.0) -> None:
        """Until `script` returns something true."""
        WebDriverWait(self.driver, seconds, 0.05).until(lambda driver: driver.execute_script(script), script)

    def text(self, selector: str) -> str:
        return str(self.driver.execute_script("return document.querySelector(arguments[0]).textContent", selector))

    def wait_word(self, word: str) -> None:
        self.wait(f"return document.querySelector('[data-text=word]').textContent === '{word}'")

    def wait_painted(self) -> None:
        """Until what is measured and what is learnt has been painted and acknowledged."""
        self.wait("return document.body.dataset.painted >= 2")

    def press(self, key: str) -> None:
        self.driver.find_element(By.TAG_NAME, "body").send_keys(key)

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def tap(self, name: str, share: tuple[float, float], times: int = 1) -> None:
        """Click in the figure `name`, at shares (right, down) of its frame."""
        mouse = ActionChains(self.driver, duration=20)
        pointer: Any = mouse.w3c_actions.pointer_action  # without types
        pointer.move_to_location(*self._place(name, share))
        for _ in range(times):
            pointer.click()
        mouse.perform()

    def drag(self, name: str, *shares: tuple[float, float], releases: bool = True) -> None:
        """Drag through these shares (right, down) of the frame of figure `name`; without `releases` it goes on."""
        mouse = ActionChains(self.driver, duration=20)
        pointer: Any = mouse.w3c_actions.pointer_action  # without types
        pointer.move_to_location(*self._place(name, shares[0]))
        pointer.pointer_down()
        for share in shares[1:]:
            pointer.move_to_location(*self._place(name, share))
        if releases:
            pointer.pointer_up()
        mouse.perform()

    def release(self) -> None:
        """End a drag that goes on."""
        mouse = ActionChains(self.driver, duration=20)
        pointer: Any = mouse.w3c_actions.pointer_action  # without types
        pointer.pointer_up()
        mouse.perform()

    def _place(self, name: str, share: tuple[float, float]) -> tuple[int, int]:
        left, top, width, height = self.driver.execute_script(FRAME_BOX, name)
        return round(left + share[0] * width), round(top + share[1] * height)

    def data(self, source: str, column: str) -> Any:
        """The first entry of a source's column, as the page has it."""
        return self.driver.execute_script(f"return {SOURCE % source}.data[arguments[0]][0]", column)

    def labels(self) -> dict[str, Any]:
        """What came with the latest push."""
        labels = json.loads(self.data("measured", "labels"))
        assert isinstance(labels, dict)
        return labels

    def until(self, holds: Callable[[], object], seconds: float = 20.0) -> None:
        """Until `holds()` is true."""
        WebDriverWait(self.driver, seconds, 0.05).until(lambda _driver: holds())

    def flaws(self) -> list[str]:
        """Scroll bars of the page, texts that are cut off without an ellipsis, and texts that lie over another."""
        found = self.driver.execute_script(FLAWS)
        assert isinstance(found, list)
        return found

    def illegible(self, least_px: float) -> list[str]:
        """Texts that are too small or too faint (WCAG 2.2: 4.5:1), outlines of controls that are too faint (3:1)."""
        found = self.driver.execute_script(ILLEGIBLE, least_px)
        assert isinstance(found, list)
        return found

    def lost_by_tab(self, presses: int) -> list[str]:
        """What Tab reaches against the order of reading, and what does not show that it has been reached."""
        found = list(self.driver.execute_script(ORDER_OF_TAB))
        self.driver.execute_script("document.activeElement?.blur()")
        for _ in range(presses):
            self.driver.switch_to.active_element.send_keys("\ue004")
            found += self.driver.execute_script(UNSEEN_FOCUS)
        return found

    def screenshot(self, name: str) -> NDArray[np.uint8]:
        """The page as [row, column, rgb], also kept under `artefacts`."""
        ARTEFACTS.mkdir(exist_ok=True)
        png = self.driver.get_screenshot_as_png()
        (ARTEFACTS / f"{name}.png").write_bytes(png)
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def frame_of(self, name: str, page: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of `page` inside the frame of figure `name`."""
        left, top, width, height = self.driver.execute_script(FRAME_BOX, name)
        return page[round(top) : round(top + height), round(left) : round(left + width)]

    def complaints(self) -> list[str]:
        """Errors and warnings of the console since the last call."""
        found = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in found if entry["level"] in ("SEVERE", "WARNING")]


SOURCE = "Bokeh.documents[0].get_model_by_name('%s')"
FLAWS = """
const root = document.documentElement, found = []
if (root.scrollWidth > innerWidth || root.scrollHeight > innerHeight) found.push("page")
const side = document.getElementById("side")
if (side && side.scrollHeight > side.clientHeight) found.push("side")
const texts = "h1, h2, dt, dd, td, p, .number, .unit, .wheel-text, #state, button, .badge, #pinned, select"
const boxes = []
for (const node of document.querySelectorAll(texts)) {
  const style = getComputedStyle(node), box = node.getBoundingClientRect()
  if (!box.width || !node.checkVisibility() || (!node.textContent.trim() && node.tagName !== "BUTTON")) continue
  if (node.scrollWidth > node.clientWidth + 1 && style.textOverflow !== "ellipsis" && style.display !== "inline"
      && node.clientWidth && node.tagName !== "SELECT") found.push(`cut: ${node.textContent}`)
  if (!node.closest(".overlay, #histogram")) boxes.push([node, box])
}
for (const [a, one] of boxes) {
  for (const [b, other] of boxes) {
    if (a === b || a.contains(b) || b.contains(a) || !(a.compareDocumentPosition(b) & 4)) continue
    const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left)
    const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top)
    if (wide > 2 && high > 3) found.push(`overlap: ${a.textContent.trim()} | ${b.textContent.trim()}`)
  }
}
return found
"""
ILLEGIBLE = """
const least = arguments[0], found = []
const channels = (css) => { const [r, g, b, a = 1] = css.match(/[\\d.]+/g).map(Number); return [r, g, b, a] }
const over = ([r, g, b, a], under) => [r, g, b].map((value, i) => a * value + (1 - a) * under[i])
function ground(node) {
  const layers = []
  for (let at = node; at; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor))
  return layers.reverse().reduce((under, layer) => over(layer, under), [14, 18, 23])
}
const luminance = (rgb) => rgb.map((value) => value / 255)
  .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0)
function ratio(one, other) {
  const [less, more] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (more + 0.05) / (less + 0.05)
}
for (const node of document.querySelectorAll("body *")) {
  const style = getComputedStyle(node), name = node.id || node.className || node.tagName
  if (!node.checkVisibility() || node.closest(":disabled, svg, option") || !node.getBoundingClientRect().width) continue
  const isText = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())
  const text = node.textContent.trim().slice(0, 30)
  if (isText && parseFloat(style.fontSize) < least) found.push(`${style.fontSize}: ${name} ${text}`)
  if (isText) {
    const there = ratio(over(channels(style.color), ground(node)), ground(node))
    if (there < 4.5) found.push(`${there.toFixed(1)}:1: ${name} ${text}`)
  }
  const edge = channels(style.borderTopColor)
  const isControl = node.matches("button, select, input") && parseFloat(style.borderTopWidth) && edge[3]
  if (isControl && ratio(over(edge, ground(node)), ground(node.parentElement)) < 3) found.push(`outline: ${name}`)
}
return found
"""
ORDER_OF_TAB = """
const found = [], kinds = "a[href], button, input, select, [tabindex]"
const home = (node) => node.closest("section, header, aside, footer, main, p, li, .line")
const all = [...document.querySelectorAll(kinds)]
  .filter((node) => node.checkVisibility() && !node.disabled && node.tabIndex >= 0)
for (const [i, node] of all.entries()) {
  if (node.tabIndex > 0) found.push(`jumps: ${node.id || node.className}`)
  const next = all[i + 1], box = node.getBoundingClientRect(), after = next?.getBoundingClientRect()
  if (!next || home(next) !== home(node) || node.contains(next)) continue
  const isBelow = after.top >= box.bottom - 4, isRight = after.left >= box.left && after.bottom > box.top
  if (!isBelow && !isRight) found.push(`backwards: ${node.id || node.className} to ${next.id || next.className}`)
}
return found
"""
UNSEEN_FOCUS = """
const node = document.activeElement, style = getComputedStyle(node)
const isSeen = node === document.body || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1)
return isSeen ? [] : [`no focus seen: ${node.id || node.className || node.tagName}`]
"""
FRAME_BOX = """
const view = Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name(arguments[0]))
const canvas = view.el.getBoundingClientRect(), box = view.frame.bbox
return [canvas.x + box.x, canvas.y + box.y, box.width, box.height]
"""


@pytest.fixture(scope="session")
def browser(chromium: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    """One browser for all tests: it takes seconds to start."""
    options = Options()
    options.binary_location = CHROMIUM
    folder = tmp_path_factory.mktemp("browser")
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield Viewer(driver, folder)
    driver.quit()


@pytest.fixture
def viewer(browser: Viewer) -> Iterator[Viewer]:
    """The browser without what tests before this one left in it."""
    browser.driver.get("about:blank")
    browser.driver.delete_all_cookies()
    browser.complaints()
    yield browser
    browser.driver.get("about:blank")  # ends the session before its server ends


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def behind_nginx(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The deployed configuration in a real nginx: its own port, and the dashboard's."""
    if shutil.which("nginx") is None:
        pytest.skip("NOT CHECKED: nginx is not installed (apt-get install nginx-light)")
    inner, public = free_port(), free_port()
    site = NGINX_SAMPLE.read_text().replace("127.0.0.1:5006", f"127.0.0.1:{inner}").replace(":8080", f":{public}")
    paths = " ".join(
        f"{name}_temp_path {tmp_path}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr crit; events {{}}\n"
        f"http {{ access_log off; {paths}\n{site}\n}}\n"
    )
    proxy = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    yield public, inner
    proxy.terminate()
    proxy.wait(20)
