"""Where a map would be stands why there is none."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.readings import status
from dashboards.feeds.view_frame import ViewFrame
from dashboards.pictures.wishes import Wishes
from dashboards.replay.recorded_run import run_of
from dashboards.replay.view import CONTRASTS, ReplayView
from dashboards.views.labels import measured_labels
from dashboards.views.view import LiveView
from stream_rrvae.feed.codec import decode_snapshot, encode_snapshot
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]
REASONS = {"charge_density": "the beam energy is not known", "sum": "never told: there is one"}


@pytest.fixture
def snapshot(make_snapshot: MakeSnapshot) -> Snapshot:
    return decode_snapshot(encode_snapshot(make_snapshot(not_made=REASONS)))


def test_the_live_page_offers_it_and_says_why(snapshot: Snapshot, feed: LiveFeed) -> None:
    feed.publish(snapshot)
    offered = dict(status(feed)["choices"])
    assert offered["charge_density"] == "Charge density (not made)" and offered["sum"] == "Sum"
    told = measured_labels(LiveView(ViewFrame(snapshot, 0.0, 0), Wishes(map="charge_density")), 1)
    assert (told["chosen"]["name"], told["has_chosen"]) == ("charge_density", False)
    assert told["chosen"]["empty"] == "not made: the beam energy is not known"
    json.dumps(told)


def test_what_nobody_knows_of_is_not_shown(snapshot: Snapshot) -> None:
    assert LiveView(ViewFrame(snapshot, 0.0, 0), Wishes(map="of_somebodys_making")).choice == "latent_1"


def test_the_replay_page_offers_it_and_says_why() -> None:
    names = ["com_magnitude", "com_direction"]
    facts = {
        "id": "aa", "results": "", "name": "run", "is_part": False, "scan_id": "run", "scan_shape": [2, 3],
        "frame_shape": [8, 8], "pixel_type": "uint16", "frames": 6, "size_bytes": 1, "axes": "detector",
        "calibration": {}, "maps": names, "units": {}, "quality": {}, "made_by": {}, "analyses": [], "notes": [],
        "not_made": REASONS,
    }  # fmt: skip
    due = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    empty = np.zeros((0, 2), np.float32)
    course = {"due": due, "seconds": empty.T, "gaps": empty, "marks": empty, "marks_left_out": 0, "flags": {}}
    view = ReplayView(run_of(facts, course))
    assert view.choices == ["charge_density", "sum"] and view.needed("charge_density") == names
    columns = view.columns(6, "charge_density", 1, lambda _name: CONTRASTS["1-99"])
    told = json.loads(columns["labels"][0])
    assert not told["has_chosen"] and told["why_not"] == "the beam energy is not known"
