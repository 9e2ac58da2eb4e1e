"""The live page's Bokeh models, without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.model import Model
from bokeh.models import ColumnDataSource, LayoutDOM, Range1d
from bokeh.models.annotations import ScaleBar
from bokeh.models.glyphs import Image, ImageRGBA

from dashboards.control.page import make_control
from dashboards.control.wall import Wall
from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.view_frame import ViewFrame
from dashboards.live.models import LiveModels
from dashboards.live.page import LivePages, chosen_feed
from dashboards.pictures.wishes import Wishes
from dashboards.views.view import LiveView
from stream_rrvae.messages import Calibration, Snapshot

MakeSnapshot = Callable[..., Snapshot]
Found = TypeVar("Found", bound=Model)


def models_of(kind: type[Found], plots: Sequence[LayoutDOM]) -> list[Found]:
    return [model for plot in plots for model in plot.select({"type": kind}) if isinstance(model, kind)]


def view_of(snapshot: Snapshot) -> LiveView:
    return LiveView(ViewFrame(snapshot, 0.0, 0), Wishes())


def ends(axis: object) -> tuple[float, float]:
    assert isinstance(axis, Range1d)
    start, end = axis.start, axis.end
    assert isinstance(start, int | float) and isinstance(end, int | float)
    return start, end


def scale_bars(models: LiveModels) -> list[str | None]:
    return [bar.name for bar in models_of(ScaleBar, models.figures) if bar.visible]


def test_every_image_is_drawn_from_a_box_with_the_default_anchor() -> None:
    plots = LiveModels().figures
    glyphs = [*models_of(Image, plots), *models_of(ImageRGBA, plots)]
    assert len(glyphs) == 6  # four outlines, the density and the points of latent space
    for glyph in glyphs:
        assert str(glyph.anchor) == str(glyph.origin) == "bottom_left"


def test_ranges_run_downwards_and_share_their_zoom(make_snapshot: MakeSnapshot) -> None:
    models = LiveModels()
    models.place(view_of(make_snapshot()))
    maps = [models.figures[i] for i in (0, 1, 3, 4)]
    assert len({id(plot.x_range) for plot in maps} | {id(plot.y_range) for plot in maps}) == 2
    for plot in models.figures[:5]:
        (x_start, x_end), (y_start, y_end) = ends(plot.x_range), ends(plot.y_range)
        assert x_start < x_end and y_start > y_end
        assert x_end - x_start == pytest.approx(y_start - y_end)


def test_scale_bars_are_in_nm_and_mrad_or_in_px_and_absent_before_data(make_snapshot: MakeSnapshot) -> None:
    models = LiveModels()
    assert scale_bars(models) == []
    idle = make_snapshot(scan_shape=(0, 0), maps={}, pattern=None, pattern_position=None)
    models.place(view_of(idle))
    assert scale_bars(models) == []
    models.place(view_of(make_snapshot()))
    assert scale_bars(models) == ["nm", "nm", "mrad", "nm", "nm"]
    models.place(view_of(make_snapshot(calibration=Calibration())))
    assert scale_bars(models) == ["px"] * 5


def test_the_mrad_bar_knows_no_crad() -> None:
    bars = [bar for bar in models_of(ScaleBar, LiveModels().figures[2:3]) if bar.name == "mrad"]
    assert [bar.dimensional.include for bar in bars] == [["mrad"]]


def test_a_zoom_stays_until_the_scan_changes(make_snapshot: MakeSnapshot) -> None:
    models = LiveModels()
    models.place(view_of(make_snapshot(1)))
    x_range = models.figures[0].x_range
    assert isinstance(x_range, Range1d)
    x_range.update(start=0.1, end=0.2)
    models.place(view_of(make_snapshot(2)))
    assert (x_range.start, x_range.end) == (0.1, 0.2)
    models.place(view_of(make_snapshot(3, scan_shape=(8, 8), maps={})))
    assert (x_range.start, x_range.end) == pytest.approx((0.0, 0.8))


def test_a_page_can_write_to_its_reply_alone(feed: LiveFeed) -> None:
    document = Document()
    LivePages("", "/assets").page(document, feed)
    sources = list(document.select({"type": ColumnDataSource}))
    names = {"measured", "modelled", "scatter", "density", "outline", "arrows", "status", "trends"}
    assert {source.name for source in sources} == names | {"crosshair", "rings", "lasso", "cloud", "palettes", "reply"}
    assert [source.name for source in sources if source.syncable] == ["reply"]
    assert not any(model.syncable for model in document.select({"type": Range1d}))


def test_pages_are_documents_that_can_be_sent(feed: LiveFeed, make_snapshot: MakeSnapshot) -> None:
    feed.publish(make_snapshot())
    live, control = Document(), Document()
    LivePages("", "/assets").page(live, feed)
    make_control(control, Wall([feed, LiveFeed("tcp://127.0.0.1:1")]), "/assets")
    assert (len(live.roots), len(control.roots)) == (6, 4)  # a tile is two figures
    for document in (live, control):
        assert "roots" in serialize_json(document.to_json())
        assert not document.config.reconnect_session and document.config.notifications is None


@pytest.mark.parametrize(
    ("argument", "index"),
    [([], 0), ([b"2"], 1), ([b"3"], 0), ([b"0"], 0), ([b"x"], 0), ([b"\xff\xb2"], 0), ([b"9999999"], 0)],
)
def test_the_instrument_is_chosen_by_number(argument: list[bytes], index: int) -> None:
    feeds = [LiveFeed("tcp://127.0.0.1:1"), LiveFeed("tcp://127.0.0.1:2")]
    assert chosen_feed(feeds, argument) is feeds[index]


def test_the_next_pages_models_are_made_while_nobody_waits(feed: LiveFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.live.page.SPARE_S", 0.0)
    pages = LivePages("", "/assets")
    first, second = Document(), Document()

    async def two_pages() -> LiveModels | None:
        pages.page(first, feed)
        while pages._spare is None:
            await asyncio.sleep(0)
        ready = pages._spare
        pages.page(second, feed)
        return ready

    ready = asyncio.run(two_pages())
    assert ready is not None and list(second.roots) == list(ready.figures)
    assert not set(first.roots) & set(second.roots)
