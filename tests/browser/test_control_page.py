"""The control room in a real browser: nothing, a scan, a stale one, a dead server; alarms; behind nginx."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from dashboards.feeds.thresholds import Thresholds

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
Serve = Callable[..., Any]
NOBODY = "tcp://127.0.0.1:9"
HOSTILE = '</script><img src=x onerror="window.hacked=1"><b>run'
STATES = "return [...document.querySelectorAll('.state')].map((state) => state.textContent).join()"
ALARMS = "return [...document.querySelectorAll('#alarms li')].map((row) => row.innerText.replaceAll('\\n', ' '))"
LOG_OUT = """
return fetch('login?page=control').then((answer) => answer.text()).then((page) => {
  const token = page.match(/name="_xsrf" value="([^"]+)"/)[1]
  const body = new URLSearchParams({ _xsrf: token })
  return fetch('logout?page=control', { method: 'POST', body, redirect: 'manual' })
}).then(() => true)
"""
# Of the first tile's map: the share of its positions that are painted.
PAINTED = """(() => {
  const canvas = document.querySelector('.tile .direction')
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true })
  copy.drawImage(canvas, 0, 0)
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height)
  return data.filter((value, i) => i % 4 === 3 && value).length / (data.length / 4)
})()"""
# Texts that are cut without an ellipsis, or lie over each other, and whether the page scrolls.
MISPLACED = """
const parts = '.tile :is(.instrument, .state, .scan, .percent, .fact b, .facts i, .caption, .picture), #clock'
const shown = [...document.querySelectorAll(parts)]
  .filter((node) => node.checkVisibility())
const found = []
for (const [i, a] of shown.entries()) {
  const box = a.getBoundingClientRect()
  const home = (a.closest('.tile') ?? document.body).getBoundingClientRect()
  if (a.scrollWidth > a.clientWidth + 1 && a.matches('i')) found.push('cut: ' + a.textContent)
  const isInside = box.left >= home.left && box.right <= home.right + 1 && box.bottom <= home.bottom + 1
  if (!isInside) found.push('outside: ' + a.className)
  for (const b of shown.slice(i + 1)) {
    if (a.contains(b)) continue
    const other = b.getBoundingClientRect()
    const across = Math.min(box.right, other.right) - Math.max(box.left, other.left)
    const down = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top)
    if (across > 1 && down > 1) found.push(a.className + ' over ' + b.className)
  }
}
const root = document.documentElement
if (root.scrollHeight > innerHeight || root.scrollWidth > innerWidth) found.push('scrolls')
return found
"""


def test_a_scan_goes_stale_and_its_alarm_stays(viewer: Any, serve: Serve, publisher: Any, scan: Any) -> None:
    server = serve(publisher.url, NOBODY, thresholds=Thresholds(unreachable_s=60.0))
    viewer.open(server.url + "/control", (1920, 1080))
    viewer.wait(STATES + " === '● LIVE,○ WAITING'")
    viewer.wait(f"return {PAINTED} > 0.45")  # half of the scan is there
    assert viewer.driver.execute_script(f"return {PAINTED}") < 0.55
    assert viewer.text(".instrument") == scan.instrument
    assert viewer.text("[data-fact=missing]") == "0"
    assert viewer.driver.title == f"● LIVE {scan.instrument} · Control room"
    assert viewer.driver.execute_script(ALARMS) == []
    assert viewer.text(".picture .high") and viewer.text(".picture .low")
    assert viewer.illegible(20) == [] and viewer.lost_by_tab(4) == []
    viewer.screenshot("control-live")
    publisher.stop()
    viewer.wait(STATES + " === '■ STALE,○ WAITING'")
    assert "last good" in viewer.text(".tile.stale .last")
    viewer.screenshot("control-stale")
    assert "■ STALE" in viewer.driver.title
    viewer.open(server.url + "/control", (1920, 1080))  # alarms are kept by the server
    (alarm,) = viewer.driver.execute_script(ALARMS)
    assert "MAJOR" in alarm and scan.instrument in alarm
    viewer.driver.execute_script("document.querySelector('#alarms li button').click()")
    viewer.wait("return document.querySelector('#alarms li.acknowledged') !== null")
    link = viewer.driver.execute_script("return document.querySelectorAll('.tile')[1].href")
    assert link.endswith("/live?instrument=2")
    assert viewer.complaints() == []


@pytest.mark.parametrize(
    ("size", "count"), [((1920, 1080), 12), ((1280, 800), 12), ((1280, 800), 3), ((1920, 1080), 1)]
)
def test_a_wall_fits_its_screen(
    viewer: Any, serve: Serve, publisher: Any, scan: Any, size: tuple[int, int], count: int
) -> None:
    scan.instrument = "a microscope with a name that does not end " * 3
    feeds = [publisher.url, NOBODY, publisher.url][:count] + [publisher.url] * (count - 3)
    viewer.open(serve(*feeds).url + "/control", size)
    viewer.wait(f"return {PAINTED} > 0.45")
    assert viewer.driver.execute_script(MISPLACED) == []
    viewer.screenshot(f"control-{count}-{size[0]}")
    assert viewer.complaints() == []


CORNERS = """
const canvas = document.querySelector('.tile canvas.' + arguments[0]), { width, height } = canvas
const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
copy.drawImage(canvas, 0, 0)
return [[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.8]]
  .map(([x, y]) => [...copy.getImageData(Math.floor(x * width), Math.floor(y * height), 1, 1).data].join())
"""


def test_small_pictures_have_row_0_at_the_top_and_any_shape(
    viewer: Any, serve: Serve, publisher: Any, scan: Any
) -> None:
    scan.share = 1.0
    angles, pattern = np.zeros((96, 96), np.float32), np.ones((128, 128), np.float32)
    angles[:48, :48], pattern[:64, :64] = 2.0, 1000.0
    scan.maps = {**scan.maps, "com_direction": angles}
    scan.changes = {"pattern": pattern}
    viewer.open(serve(publisher.url).url + "/control", (1280, 800))
    viewer.wait(f"return {PAINTED} > 0.9")
    for name in ("direction", "pattern"):
        first, *others = viewer.driver.execute_script(CORNERS, name)
        assert len(set(others)) == 1 and first != others[0], name
    painted = "return document.querySelector('.tile .direction').parentElement.classList.contains('has-data')"
    for shape, value in (((1, 1), 1.0), ((1, 50), 0.0), ((6, 4), np.nan)):
        odd = {name: np.full(shape, value, np.float32) for name in scan.maps}
        scan.changes = {"maps": odd, "scan_shape": shape, "pattern": np.full((1, 1), value, np.float32),
                        "pattern_position": (0, 0), "scan_id": f"a scan of {shape}"}  # fmt: skip
        viewer.wait(f"return document.querySelector('.tile .scan').textContent.includes('a scan of {shape}')")
        viewer.until(lambda value=value: viewer.driver.execute_script(painted) == np.isfinite(value))
    assert viewer.complaints() == []


def test_without_a_service_the_wall_says_so(viewer: Any, serve: Serve) -> None:
    server = serve(NOBODY, thresholds=Thresholds(stale_s=1.0, unreachable_s=2.0))
    viewer.open(server.url + "/control", (1920, 1080))
    assert viewer.text(".picture .empty") == "no map yet"
    viewer.wait(STATES + " === '◆ UNREACHABLE'")
    viewer.wait(ALARMS + ".length === 1")
    assert NOBODY in viewer.driver.execute_script(ALARMS)[0]
    viewer.screenshot("control-empty")
    assert viewer.complaints() == []


def test_a_dead_server_is_told_by_the_page_which_comes_back_with_it(viewer: Any, serve: Serve, publisher: Any) -> None:
    server = serve(publisher.url)
    viewer.open(server.url + "/control")
    server.kill()
    viewer.wait("return !document.getElementById('lost').hidden", seconds=5)
    viewer.screenshot("control-disconnected")
    assert "DISCONNECTED" in viewer.driver.title
    serve(publisher.url, port=urlsplit(server.url).port)
    viewer.wait("return document.getElementById('lost')?.hidden && document.body.dataset.started === 'true'")
    viewer.wait(STATES + " === '● LIVE'")


def test_behind_nginx_viewers_look_and_operators_log_in(
    viewer: Any, serve: Serve, publisher: Any, scan: Any, behind_nginx: tuple[int, int], tmp_path: Path
) -> None:
    public, inner = behind_nginx
    scan.instrument = HOSTILE
    scan.changes = {"scan_id": HOSTILE, "metadata": {"sample": HOSTILE}}
    key = tmp_path / "operators.key"
    key.write_text("correct horse battery")
    key.chmod(0o600)
    options = {"prefix": "/em", "allow_origins": (f"localhost:{public}",), "operators_key": key}
    serve(publisher.url, NOBODY, port=inner, thresholds=Thresholds(stale_s=1.0, unreachable_s=2.0), **options)
    page = f"http://localhost:{public}/em/control"
    viewer.open(page, (1280, 800))
    viewer.wait(STATES + " === '● LIVE,◆ UNREACHABLE'")  # through the websocket
    viewer.wait(ALARMS + ".length === 1")
    disabled = "return [...document.querySelectorAll('#alarms li button')].map((b) => [b.disabled, b.title])"
    assert viewer.driver.execute_script(disabled) == [[True, "only for operators: log in"]]
    # A viewer's page that says it all the same changes nothing.
    sneak = "Bokeh.documents[0].get_model_by_name('reply').data = {push: [1], acknowledged: [[1, 2, 3]]}"
    viewer.driver.execute_script(sneak)
    assert viewer.driver.execute_script("return window.hacked ?? null") is None
    assert viewer.text(".instrument") == HOSTILE
    viewer.driver.get(f"http://localhost:{public}/em/login?page=control")
    viewer.screenshot("login")
    viewer.driver.execute_script(
        "document.querySelector('[type=password]').value = arguments[0]; document.querySelector('form').submit()",
        "correct horse battery",
    )
    viewer.wait("return location.pathname === '/em/control' && document.body.dataset.started === 'true'")
    viewer.wait(ALARMS + ".length === 1")  # the viewer's word was not taken
    viewer.driver.execute_script("document.querySelector('#alarms li button').click()")
    viewer.wait("return document.querySelector('#alarms li.acknowledged') !== null")
    assert viewer.text("#role") == "operator"
    viewer.driver.execute_script(LOG_OUT)  # as in another window: this page stays as it is
    viewer.wait("return document.querySelector('#role').textContent === 'viewer'")
    assert "this login has ended" in viewer.driver.execute_script("return document.querySelector('#role').title")
    assert viewer.driver.execute_script("return window.hacked ?? null") is None
    assert viewer.complaints() == []
