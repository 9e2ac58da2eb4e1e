"""The replay page in a real browser, on recordings that the service made of the simulator's scans."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from stream_rrvae.commands.children import Child

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
SHAPE = (24, 32)
SIZES = ((1600, 1000), (1280, 800))
UNVISITED = (0x21, 0x28, 0x32)
LONG = "a-name-that-is-much-longer-than-the-list-is-wide-and-goes-on-until-nobody-reads-it"
MAPS = ("a-magnitude", "a-direction", "a-chosen")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good scan, one with gaps and damage, one that was not finished, a damaged one, and one with a long name."""
    made = tmp_path_factory.mktemp("recordings")
    _record(made)
    good, gaps = sorted(made.iterdir(), key=lambda path: path.stat().st_mtime)
    good.rename(made / "good")
    gaps.rename(made / "gaps")
    for name in (f"{LONG}.part", LONG, "damaged"):
        shutil.copytree(made / "good", made / name)
    (made / f"{LONG}.part").rename(made / "unfinished.part")
    (made / "unfinished.part" / "master.h5").unlink()
    (made / "damaged" / "master.h5").write_bytes(b"no file of HDF5")
    return made


def _record(folder: Path) -> None:
    """A scan as it should be, and one with faults."""
    with Child("simulator", "detector_sim", *_scan("tcp://127.0.0.1:*", 1)) as simulator:
        address = simulator.line_with("bound ")
        model = ("--mode", "apply", "--checkpoint", "pretrained", "--feed", "tcp://127.0.0.1:*")
        source = f"native+pull://{address.removeprefix('tcp://')}"
        record = ("--record", str(folder), "--scans", "2", *model)
        with Child("service", "stream_rrvae", "serve", "--source", source, *record) as service:
            simulator.line_with("sent 1 scans")
            simulator.stop()
            faults = ("--fault", "drop=0.05", "--fault", "corrupt=0.01", "--fault", "duplicate=0.01")
            with Child("simulator", "detector_sim", *_scan(address, 2), *faults):
                service.line_with("done")


def _scan(address: str, seed: int) -> tuple[str, ...]:
    shape, detector = f"{SHAPE[0]}x{SHAPE[1]}", "64x64:uint16"
    scan = ("--scan-shape", shape, "--detector", detector, "--dose", "3000", "--rate", "2000", "--scans", "1")
    return ("--bind", address, *scan, "--seed", str(seed))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """Where the pages are."""
    options = ("--recordings", str(folder), "--port", "0", "--feed", "tcp://127.0.0.1:9")
    with Child("dashboard", "stream_rrvae", "dashboard", *options) as child:
        yield f"http://{child.line_with('http://')}".replace("/live", "/replay")


def listed(viewer: Any, count: int) -> None:
    viewer.wait(f"return document.querySelectorAll('.row').length === {count}")


def pick(viewer: Any, name: str, with_key: bool = False) -> None:
    """Click the row of recording `name`; with Shift it becomes the second of a comparison."""
    rows = viewer.driver.find_elements(By.CSS_SELECTOR, ".row")
    (row,) = [row for row in rows if row.get_attribute("title").split("\n")[0].removesuffix(".part") == name]
    action = ActionChains(viewer.driver)
    (action.key_down(Keys.SHIFT).click(row).key_up(Keys.SHIFT) if with_key else action.click(row)).perform()


def wait_shown(viewer: Any, side: str = "a") -> None:
    """Until a run with maps is painted and acknowledged."""
    shown = f"document.querySelector('[data-panel={side}-magnitude]').classList.contains('has-data')"
    viewer.wait(f"return {shown} && {SOURCE % 'reply'}.data.push[0] > 0")
    viewer.wait("return document.querySelector('#notice').textContent === ''")


def until_painted(viewer: Any, name: str, panels: Iterable[str]) -> None:
    """Until a screenshot of that name shows more than one colour in each of `panels`: canvases follow their data."""

    def are_painted() -> bool:
        page = viewer.screenshot(name)
        return all(commonest(viewer.frame_of(panel, page))[0] < 0.6 for panel in panels)

    viewer.until(are_painted)


SOURCE = "Bokeh.documents[0].get_model_by_name('%s')"


def frame_number(viewer: Any) -> int:
    text = viewer.text("#frame").removeprefix("frame ").split("/")[0]
    return int("".join(character for character in text if character.isdigit()))


def commonest(image: NDArray[np.uint8]) -> tuple[float, tuple[int, ...]]:
    """Share and colour of the commonest pixels."""
    colours, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    return float(counts.max() / counts.sum()), tuple(colours[counts.argmax()].tolist())


def overflow(viewer: Any) -> list[str]:
    """Scroll bars of the page, and texts that are cut off without an ellipsis, or lie upon each other."""
    script = """
    const root = document.documentElement, found = []
    if (root.scrollWidth > innerWidth || root.scrollHeight > innerHeight) found.push("page")
    const texts = "h1, h2, td, p, .number, .unit, .wheel-text, button:not(.row), label, #pill"
    for (const node of document.querySelectorAll(texts)) {
      const style = getComputedStyle(node)
      if (node.scrollWidth > node.clientWidth + 1 && node.clientWidth && style.textOverflow !== "ellipsis"
          && style.display !== "inline") found.push(node.textContent)
    }
    const parts = [...document.querySelectorAll("#top > *, #settings > *, #transport > *, #actions > *")]
      .map((node) => [node.id || node.textContent, node.getBoundingClientRect()])
      .filter(([, box]) => box.width && box.height)
    for (const [name, one] of parts) {
      if (one.right > innerWidth + 1) found.push(`${name} leaves the page`)
      for (const [other, two] of parts) {
        const across = one.left < two.right - 1 && two.left < one.right - 1
        const along = one.top < two.bottom - 1 && two.top < one.bottom - 1
        if (name < other && across && along) found.push(`${name} on ${other}`)
      }
    }
    return found
    """
    return list(viewer.driver.execute_script(script))


def test_an_empty_folder_is_a_whole_page_that_says_so(viewer: Any, tmp_path: Path) -> None:
    options = ("--recordings", str(tmp_path), "--port", "0", "--feed", "tcp://127.0.0.1:9")
    with Child("dashboard", "stream_rrvae", "dashboard", *options) as child:
        viewer.open(f"http://{child.line_with('http://')}".replace("/live", "/replay"), SIZES[1])
        viewer.wait("return document.querySelector('#count').textContent.startsWith('no recordings in')")
        page = viewer.screenshot("replay-empty")
        for name in MAPS:
            assert commonest(viewer.frame_of(name, page))[0] > 0.9
        assert overflow(viewer) == []
        assert viewer.complaints() == []
        child.process.kill()
        viewer.wait("return !document.querySelector('#lost').hidden")


@pytest.mark.parametrize("size", SIZES)
def test_a_run_is_painted_played_and_compared(viewer: Any, server: str, size: tuple[int, int]) -> None:
    viewer.open(server, size)
    listed(viewer, 5)
    viewer.wait("return [...document.querySelectorAll('.row img')].filter((i) => i.naturalWidth === 32).length >= 4")
    pick(viewer, "gaps")
    wait_shown(viewer)
    until_painted(viewer, f"replay-gaps-{size[0]}", MAPS)
    assert "missing frames" in viewer.text("#legend") and "damaged" in viewer.text("#legend")
    missing = viewer.driver.execute_script("return document.querySelector('[data-table=recording]').innerText")
    assert "missing" in missing
    assert overflow(viewer) == [] and viewer.illegible(11) == []
    viewer.press(Keys.HOME)
    viewer.wait("return document.querySelector('#frame').textContent.startsWith('frame 0 /')")
    viewer.press("...")  # three lines on
    viewer.wait("return document.querySelector('#frame').textContent.startsWith('frame 96 /')")
    viewer.wait(f"return {SOURCE % 'maps-a'}.data.magnitude[0].filter((level) => level).length <= 96")
    page = viewer.screenshot(f"replay-partial-{size[0]}")
    share, colour = commonest(viewer.frame_of("a-magnitude", page))
    assert (share > 0.7, colour) == (True, UNVISITED)
    pick(viewer, "good", with_key=True)
    viewer.wait("return document.querySelector('#page').classList.contains('comparing')")
    wait_shown(viewer, side="b")
    viewer.press(Keys.END)
    viewer.wait(f"return {SOURCE % 'maps-b'}.data.magnitude[0].every((level) => level)")
    until_painted(viewer, f"replay-compare-{size[0]}", ("b-direction",))
    assert overflow(viewer) == [] and viewer.illegible(11) == []
    assert viewer.complaints() == []


def test_locked_limits_stay_with_the_next_recording_and_its_address(viewer: Any, server: str) -> None:
    viewer.open(server)
    listed(viewer, 5)
    pick(viewer, "good")
    wait_shown(viewer)
    ends = "return [...document.querySelectorAll('[data-panel=a-magnitude] .gutter .number')].map((n) => n.textContent)"
    held = viewer.driver.execute_script(ends)
    viewer.press("l")
    viewer.wait("return document.querySelector('#hold').getAttribute('aria-pressed') === 'true'")
    viewer.wait("return location.search.includes('com_magnitude')")
    pick(viewer, "gaps")
    viewer.wait("return document.querySelector('#run-title').title === 'gaps'")
    wait_shown(viewer)
    assert viewer.driver.execute_script(ends) == held
    address = viewer.driver.current_url
    viewer.open(address)
    wait_shown(viewer)
    assert viewer.driver.execute_script(ends) == held and viewer.text("#hold") == "Locked"
    assert overflow(viewer) == [] and viewer.lost_by_tab(14) == []
    viewer.press("l")
    viewer.wait("return !location.search.includes('lock=')")
    assert viewer.complaints() == []


def test_behind_nginx_all_of_it_is_under_the_prefix(viewer: Any, folder: Path, behind_nginx: tuple[int, int]) -> None:
    public, inner = behind_nginx
    options = ("--recordings", str(folder), "--port", str(inner), "--feed", "tcp://127.0.0.1:9", "--prefix", "/em")
    with Child("dashboard", "stream_rrvae", "dashboard", *options, "--allow-origin", f"localhost:{public}") as child:
        child.line_with("http://")
        viewer.open(f"http://localhost:{public}/em/replay", SIZES[1])
        listed(viewer, 5)  # through the websocket
        viewer.wait("return [...document.querySelectorAll('.row img')].some((image) => image.naturalWidth === 32)")
        pick(viewer, "good")
        wait_shown(viewer)
        viewer.wait("return location.pathname === '/em/replay' && location.search.includes('run=')")
        where = "return fetch('recordings/of?scan=nothing').then((answer) => answer.url)"
        assert viewer.driver.execute_script(where).endswith(f":{public}/em/replay?search=nothing")
        run = parse_qs(urlsplit(viewer.driver.current_url).query)["run"][0]
        export = "return fetch(`recordings/export?id=${arguments[0]}&format=csv`).then((answer) => answer.status)"
        assert viewer.driver.execute_script(export, run) == 200
        assert viewer.complaints() == []


def test_playing_fills_the_maps_and_space_stops_it(viewer: Any, server: str) -> None:
    viewer.open(server)
    listed(viewer, 5)
    pick(viewer, "good")
    wait_shown(viewer)
    speed = "const s = document.querySelector('#speed'); s.value = '0.1'; s.dispatchEvent(new Event('change'))"
    viewer.driver.execute_script(speed)
    viewer.press(" ")
    viewer.wait("return document.querySelector('#play').textContent.includes('Pause')")
    viewer.wait(f"return {SOURCE % 'maps-a'}.data.magnitude[0].filter((level) => level).length > 100")
    viewer.press(" ")
    viewer.wait("return document.querySelector('#play').textContent.includes('Play')")
    stopped = frame_number(viewer)
    assert 100 < stopped < SHAPE[0] * SHAPE[1]
    level = f"{SOURCE % 'maps-a'}.data.magnitude[0].filter((level) => level).length"
    viewer.wait(f"return {level} === {stopped}")
    assert viewer.driver.title == f"{viewer.text('#run-title')} · REPLAY"
    badges = viewer.driver.execute_script("return [...document.querySelectorAll('.badge')].map((b) => b.textContent)")
    assert set(badges) == {"REPLAY"}


def test_a_position_is_picked_and_its_address_shows_the_same_to_others(viewer: Any, server: str) -> None:
    viewer.open(server)
    listed(viewer, 5)
    pick(viewer, "good")
    wait_shown(viewer)
    left, top, width, height = viewer.driver.execute_script(
        "const view = Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name('a-direction')), box = view.frame.bbox,"
        " at = view.el.getBoundingClientRect(); return [at.x + box.x, at.y + box.y, box.width, box.height]"
    )
    # The scan is less high than wide, so its rows begin below the top of the square frame.
    cell = width / SHAPE[1]
    x, y = left + 10.5 * cell, top + (height - SHAPE[0] * cell) / 2 + 5.5 * cell
    action = ActionChains(viewer.driver)
    action.w3c_actions.pointer_action.move_to_location(round(x), round(y)).click()  # type: ignore[no-untyped-call]
    action.perform()
    viewer.wait("return document.querySelector('[data-panel=a-pattern] .read-out').textContent === '(y 5, x 10)'")
    viewer.press(Keys.ARROW_DOWN)
    viewer.wait("return document.querySelector('[data-panel=a-pattern] .read-out').textContent === '(y 6, x 10)'")
    viewer.press(",")
    viewer.wait("return location.search.includes('frame=736')")
    choose = "const s = document.querySelector('#%s'); s.value = '%s'; s.dispatchEvent(new Event('change'))"
    viewer.driver.execute_script(choose % ("map-choice", "latent_1"))
    viewer.driver.execute_script(choose % ("contrast", "5-95"))
    viewer.wait("return location.search.includes('latent_1') && location.search.includes('5-95')")
    address = viewer.driver.current_url
    told = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert (told["probe"], told["frame"], told["map"], told["contrast"]) == ("6,10", "736", "latent_1", "5-95")
    assert "good" not in address
    viewer.open(address)
    wait_shown(viewer)
    viewer.wait("return document.querySelector('[data-panel=a-pattern] .read-out').textContent === '(y 6, x 10)'")
    viewer.wait("return document.querySelector('#frame').textContent.startsWith('frame 736 /')")
    assert viewer.text("[data-panel=a-chosen] h2") == "Latent z1"
    viewer.press("2")
    viewer.wait("return document.querySelector('#page').dataset.enlarged === '2'")
    viewer.press(Keys.ESCAPE)
    viewer.wait("return !document.querySelector('#page').dataset.enlarged && !location.search.includes('probe')")
    assert viewer.complaints() == []


def test_damaged_and_unfinished_runs_show_what_there_is(viewer: Any, server: str) -> None:
    viewer.open(server)
    listed(viewer, 5)
    for name, state in (("damaged", "damaged"), ("unfinished", "not finished")):
        pick(viewer, name)
        viewer.wait(f"return document.querySelector('.row[aria-current=true]')?.title.startsWith('{name}')")
        viewer.wait("return document.querySelector('#notice').textContent === ''")
        viewer.wait("return document.querySelector('[data-panel=a-pattern]').classList.contains('has-data')")
        words = viewer.driver.execute_script(
            "return document.querySelector('.row[aria-current=true] .how').textContent"
        )
        assert state in words or "being recorded" in words
        empty = viewer.text("[data-panel=a-magnitude] .empty")
        assert empty == "no maps in this recording: analyse it"
    viewer.screenshot("replay-unfinished")
    assert viewer.complaints() == []


def test_a_search_narrows_the_list_and_long_names_stay_inside(viewer: Any, server: str) -> None:
    viewer.open(server, SIZES[1])
    listed(viewer, 5)
    viewer.press("/")
    viewer.driver.switch_to.active_element.send_keys("much-longer graphene")
    listed(viewer, 1)
    assert viewer.text("#count").startswith("1 of 5")
    pick(viewer, LONG)
    wait_shown(viewer)
    assert overflow(viewer) == []
    viewer.driver.find_element(By.ID, "search").clear()
    viewer.driver.find_element(By.ID, "search").send_keys("<b>nothing")
    listed(viewer, 0)


def test_a_run_is_analysed_again_by_another_process(viewer: Any, server: str, folder: Path) -> None:
    viewer.open(server)
    listed(viewer, 5)
    pick(viewer, "unfinished")
    viewer.wait("return !document.querySelector('#analyse').disabled")
    viewer.driver.execute_script("document.querySelector('#mode').value = 'off'")
    viewer.driver.find_element(By.ID, "analyse").click()
    viewer.wait("return document.querySelector('#job').classList.contains('running')")
    viewer.wait("return document.querySelector('#job').dataset.state === 'done'", 90)
    viewer.wait("return document.querySelector('#run-model').textContent.startsWith('analysed again')")
    viewer.wait("return document.querySelector('[data-panel=a-magnitude]').classList.contains('has-data')")
    (made,) = (folder / "analyses" / "unfinished").iterdir()
    assert made.name.endswith("-measured.results.h5")
    assert viewer.complaints() == []


def test_a_running_replay_is_controlled(viewer: Any, folder: Path, tmp_path: Path) -> None:
    key = str(tmp_path / "replay.key")
    control = ("--control", "tcp://127.0.0.1:*", "--control-key", key)
    to = ("--to", "native+pull://127.0.0.1:*", "--speed", "0.01", "--loop")
    with Child("replay", "stream_rrvae", "replay", str(folder / "good"), *to, *control) as replay:
        where = replay.line_with("control ")
        drain = threading.Thread(target=lambda: list(replay.lines()), daemon=True)
        drain.start()
        options = ("--recordings", str(folder), "--port", "0", "--feed", "tcp://127.0.0.1:9", "--replay-control", where)
        with Child("dashboard", "stream_rrvae", "dashboard", *options, "--replay-key", key) as child:
            viewer.open(f"http://{child.line_with('http://')}".replace("/live", "/replay"), SIZES[1])
            state = "document.querySelector('#replaying-state').textContent"
            viewer.wait(f"return {state}.endsWith('/ 768 0.01 ×')")
            viewer.driver.find_element(By.CSS_SELECTOR, "[data-control=pause]").click()
            viewer.wait(f"return {state}.endsWith('paused')")
            viewer.driver.find_element(By.CSS_SELECTOR, "[data-control=play]").click()
            viewer.wait(f"return {state}.endsWith('0.01 ×')")
            listed(viewer, 5)
            assert overflow(viewer) == []
