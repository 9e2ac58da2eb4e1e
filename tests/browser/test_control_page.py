"""The control room in a real browser: nothing, a scan, a stale one, a dead server; alarms; behind nginx."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dashboards.feeds.thresholds import Thresholds

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
Serve = Callable[..., Any]
NOBODY = "tcp://127.0.0.1:9"
NGINX_SAMPLE = Path(__file__).parents[2] / "deploy" / "nginx" / "stream-rrvae.conf"
HOSTILE = '</script><img src=x onerror="window.hacked=1"><b>run'
STATES = "return [...document.querySelectorAll('.state')].map((state) => state.textContent).join()"
ALARMS = "return [...document.querySelectorAll('#alarms li')].map((row) => row.innerText.replaceAll('\\n', ' '))"
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
const parts = '.tile :is(.instrument, .state, .scan, .percent, .fact b, .picture), #clock'
const shown = [...document.querySelectorAll(parts)]
  .filter((node) => node.checkVisibility())
const found = []
for (const [i, a] of shown.entries()) {
  const box = a.getBoundingClientRect()
  const home = (a.closest('.tile') ?? document.body).getBoundingClientRect()
  const isInside = box.left >= home.left && box.right <= home.right + 1 && box.bottom <= home.bottom + 1
  if (!isInside) found.push('outside: ' + a.className)
  for (const b of shown.slice(i + 1)) {
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
    assert viewer.driver.execute_script("return window.hacked ?? null") is None
    assert viewer.complaints() == []
