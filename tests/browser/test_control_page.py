"""The control room: a tile for every instrument, whatever has become of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_live_and_silent_instruments_are_told_apart(
    viewer: Any, serve: Callable[..., Any], publisher: Any, scan: Any
) -> None:
    viewer.open(serve(publisher.url, "tcp://127.0.0.1:9").url + "/control", (1920, 1080))
    states = "return [...document.querySelectorAll('.state')].map((state) => state.textContent).join()"
    viewer.wait(states + " === '● LIVE,○ WAITING'")
    viewer.wait("return Bokeh.documents[0].get_model_by_name('thumbnail-1').data.direction[0].length > 1")
    assert viewer.text(".instrument") == scan.instrument
    assert viewer.text("[data-fact=missing]") == "0"
    viewer.screenshot("control-live")
    publisher.stop()
    viewer.wait(states + " === '■ STALE,○ WAITING'")
    viewer.screenshot("control-stale")
    assert "1 stale" in viewer.driver.title
    link = viewer.driver.execute_script("return document.querySelectorAll('.tile')[1].href")
    assert link.endswith("/live?instrument=2")
    assert viewer.complaints() == []


def test_a_dead_server_is_told_by_the_page(viewer: Any, serve: Callable[..., Any], publisher: Any) -> None:
    server = serve(publisher.url)
    viewer.open(server.url + "/control")
    server.kill()
    viewer.wait("return !document.getElementById('lost').hidden", seconds=5)
    assert "DISCONNECTED" in viewer.driver.title
