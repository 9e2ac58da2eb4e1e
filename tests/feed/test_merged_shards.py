"""Shards of a scan merge to the scan, in any order; what became of each is told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stream_rrvae.feed.codec import decode_snapshot, encode_snapshot
from stream_rrvae.feed.merge import UNLIKE_MODELS, sum_counters
from stream_rrvae.feed.shards import SILENT_S, Shards
from stream_rrvae.maps.merging import by_lines, lines_of_each, merged_maps
from stream_rrvae.maps.products import merge_named
from stream_rrvae.messages import Calibration, Counters, Health, ModelStatus, ScanState, Snapshot
from stream_rrvae.wire.shards import shard_of_line

SHAPE = (6, 4)
UNITS = {"com_x": "mrad", "coverage": "1", "rotation": "rad", "latent_1": "1", "latent_2": "1"}


def snapshot(shard: int, values: np.ndarray, scan_id: str = "scan-1", count: int = 2) -> Snapshot:
    """What the service of a shard publishes: its own lines of `values` [y, x]."""
    own = np.repeat(shard_of_line(np.arange(SHAPE[0]), count, 1) == shard, SHAPE[1]).reshape(SHAPE)
    image = np.where(own, values, np.nan).astype(np.float32)
    n_own = int(own.sum())
    return Snapshot(
        instrument=f"shard {shard}",
        serial=1,
        published_unix_s=1.7e9,
        state=ScanState.RUNNING,
        scan_id=scan_id,
        scan_shape=SHAPE,
        calibration=Calibration(mrad_per_px=0.5),
        counters=Counters(n_own + 1, n_own + 1, 0, n_own, 1, 0, 0, {"decode": 1}),
        health=Health(rate_fps=100.0, latency_p95_s=0.01 * (shard + 1), last_frame_age_s=float(shard)),
        model=ModelStatus(1, "ready", "apply", "", {}, {"sha256": "a"}),
        axes="scan",
        maps={**{name: image for name in UNITS if name != "coverage"}, "coverage": own.astype(np.float32)},
        units=UNITS,
        pattern=np.full((2, 2), shard, np.float32),
        pattern_position=(shard, 0),
        shard_id=shard,
        shard_count=count,
    )


@pytest.fixture
def values() -> np.ndarray:
    return np.arange(24, dtype=np.float32).reshape(SHAPE)


def merged(told: Sequence[Snapshot], now_s: float = 0.0, count: int | None = None) -> Snapshot:
    shards = Shards(count or len(told), "whole")
    for number, each in enumerate(told):
        shards.take(number, each, 0.0)
    return shards.merged(now_s)


def test_the_whole_scan_with_the_sum_of_the_accounts(values: np.ndarray) -> None:
    whole = merged([snapshot(1, values), snapshot(0, values)])
    np.testing.assert_array_equal(whole.maps["com_x"], values)
    np.testing.assert_array_equal(whole.maps["coverage"], np.ones(SHAPE))
    assert whole.counters == Counters(26, 26, 0, 24, 2, 0, 0, {"decode": 2})
    assert (whole.instrument, whole.scan_id, whole.state) == ("whole", "scan-1", ScanState.RUNNING)
    assert (whole.health.rate_fps, whole.health.latency_p95_s, whole.health.last_frame_age_s) == (200.0, 0.02, 0.0)
    assert whole.pattern is not None and whole.pattern[0, 0] == 0, "the pattern of the shard that had the last frame"
    assert [(each.shard_id, each.state) for each in whole.shards] == [(0, "running"), (1, "running")]
    assert decode_snapshot(encode_snapshot(whole)).shards == whole.shards


@given(
    arrays.arrays(np.float32, (12,), elements=st.floats(-9, 9, width=32)),
    st.lists(st.integers(0, 4), min_size=12, max_size=12),
    st.randoms(use_true_random=False),
)
def test_merging_in_any_order_and_grouping_gives_equal_maps(
    measured: np.ndarray, owner: list[int], rng: random.Random
) -> None:
    owners = np.array(owner)  # 4 = nobody's: never measured
    parts = [np.where(owners == shard, measured, np.float32(np.nan)) for shard in range(4)]
    expected = np.where(owners == 4, np.float32(np.nan), measured)
    rng.shuffle(parts)
    cut = rng.randrange(1, 4)
    for merged_map in (
        merge_named("com_x", parts),
        merge_named("com_x", [merge_named("com_x", parts[:cut]), merge_named("com_x", parts[cut:])]),
    ):
        np.testing.assert_array_equal(merged_map, expected)
    covered = [np.isfinite(part).astype(np.float32) for part in parts]
    np.testing.assert_array_equal(merge_named("coverage", covered), (owners < 4).astype(np.float32))


@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.integers(0, 2**24 - 1))
def test_parts_with_lines_of_their_own_merge_line_by_line_to_the_same(owners: list[int], holes: int) -> None:
    """3 = nobody's line; bits of `holes` are positions that were not measured."""
    there = np.array([not holes >> i & 1 for i in range(24)]).reshape(SHAPE)
    measured = np.where(there, np.arange(24).reshape(SHAPE), np.nan).astype(np.float32)
    own = [np.repeat(np.array(owners) == shard, 4).reshape(SHAPE) for shard in range(3)]
    parts = [
        {"com_x": np.where(mine, measured, np.float32(np.nan)), "coverage": (mine & there).astype(np.float32)}
        for mine in own
    ]
    lines = lines_of_each(parts)
    assert lines is not None
    for name in ("com_x", "coverage"):
        images = [part[name] for part in parts]
        np.testing.assert_array_equal(by_lines(images, lines), merge_named(name, images))


def test_parts_that_share_a_line_do_not_merge_by_lines() -> None:
    covered = np.zeros((2, 3), np.float32)
    covered[0, 0] = 1
    other = np.zeros((2, 3), np.float32)
    other[0, 1] = 1
    assert lines_of_each([{"coverage": covered}, {"coverage": other}]) is None
    parts = [{"sum": np.where(image, 7, np.nan).astype(np.float32), "coverage": image} for image in (covered, other)]
    whole = merged_maps(parts, one_model=True)
    assert whole["sum"][0].tolist()[:2] == [7.0, 7.0]
    assert whole["coverage"].sum() == 2


@given(st.permutations([0, 1, 2]))
def test_feeds_may_come_in_any_order(order: list[int]) -> None:
    values = np.arange(24, dtype=np.float32).reshape(SHAPE)
    whole = merged([snapshot(shard, values, count=3) for shard in order])
    np.testing.assert_array_equal(whole.maps["rotation"], values)
    assert [each.shard_id for each in whole.shards] == [0, 1, 2]


COUNTERS = st.builds(
    lambda processed, duplicate, refused, missing: Counters(
        processed + duplicate + refused + missing, processed + duplicate + refused, missing, processed, refused,
        duplicate, 0, {"decode": refused},
    ),
    *[st.integers(0, 99)] * 4,
)  # fmt: skip


@given(st.lists(COUNTERS, min_size=1, max_size=5))
def test_both_identities_hold_for_the_sum(accounts: list[Counters]) -> None:
    whole = sum_counters(accounts)
    assert whole.expected == whole.received + whole.missing
    assert whole.received == whole.processed + whole.refused + whole.duplicate
    assert sum(whole.refusals.values()) == whole.refused


def test_a_silent_shard_keeps_what_it_told_and_the_others_go_on(values: np.ndarray) -> None:
    shards = Shards(2, "whole")
    shards.take(1, snapshot(1, values), 0.0)
    shards.take(0, snapshot(0, values), 5.0)
    whole = shards.merged(5.1)
    assert [each.state for each in whole.shards] == ["running", "silent"]
    assert whole.shards[1].silent_s == pytest.approx(5.1)
    np.testing.assert_array_equal(whole.maps["com_x"], values)
    assert (whole.state, whole.health.rate_fps) == (ScanState.RUNNING, 100.0)
    shards.take(0, replace(snapshot(0, values), state=ScanState.COMPLETE), 6.0)
    over = shards.merged(6.0)
    assert over.state is ScanState.ABORTED
    assert over.counters == Counters(26, 26, 0, 24, 2, 0, 0, {"decode": 2}), "all that was due had come"
    shards.take(1, replace(snapshot(1, values), state=ScanState.COMPLETE), 7.0)
    assert shards.merged(7.0).state is ScanState.COMPLETE


def test_a_shard_that_was_started_again_is_lost_for_this_scan_and_merged_in_the_next(values: np.ndarray) -> None:
    shards = Shards(2, "whole")
    for shard in (0, 1):
        shards.take(shard, snapshot(shard, values), 0.0)
    idle = replace(snapshot(1, values), scan_id="", state=ScanState.IDLE, scan_shape=(0, 0), maps={}, pattern=None)
    shards.take(1, replace(idle, pattern_position=None), 0.5)
    assert [each.state for each in shards.merged(0.5).shards] == ["running", "lost"]
    shards.take(0, snapshot(0, 2 * values, "scan-2"), 1.0)
    assert [each.state for each in shards.merged(1.0).shards] == ["running", "waiting"]
    shards.take(1, snapshot(1, 2 * values, "scan-2"), 1.1)
    whole = shards.merged(1.1)
    assert whole.scan_id == "scan-2"
    np.testing.assert_array_equal(whole.maps["com_x"], 2 * values)


def test_what_a_shard_owes_that_told_nothing_is_missing_when_the_scan_is_over(values: np.ndarray) -> None:
    shards = Shards(3, "whole")
    partly = replace(snapshot(1, values, count=3), counters=Counters(5, 4, 1, 3, 1, 0, 0, {"decode": 1}))
    shards.take(2, partly, 0.0)
    shards.take(0, replace(snapshot(2, values, count=3), state=ScanState.COMPLETE), 9.0)
    whole = shards.merged(9.0)
    assert [(each.shard_id, each.state, each.counters.missing) for each in whole.shards] == [
        (0, "silent", 8), (1, "silent", 4), (2, "complete", 0)
    ]  # fmt: skip
    assert whole.counters == Counters(25, 13, 12, 11, 2, 0, 0, {"decode": 2})


def test_a_shard_that_is_behind_by_a_scan_does_not_turn_it_back(values: np.ndarray) -> None:
    shards = Shards(2, "whole")
    shards.take(0, snapshot(0, values), 0.0)
    shards.take(0, snapshot(0, 2 * values, "scan-2"), 0.1)
    shards.take(1, snapshot(1, values), 0.2)
    whole = shards.merged(0.2)
    assert whole.scan_id == "scan-2"
    assert np.isnan(whole.maps["com_x"][1]).all()
    assert [each.state for each in whole.shards] == ["running", "waiting"]


def test_nothing_yet_is_an_idle_service_that_names_who_is_silent(values: np.ndarray) -> None:
    shards = Shards(2, "whole")
    assert shards.merged(0.0).state is ScanState.IDLE
    assert [each.state for each in shards.statuses(0.0)] == ["silent", "silent"]
    shards.take(0, snapshot(0, values), 0.0)
    assert [each.state for each in shards.merged(SILENT_S / 2).shards] == ["running", "silent"]


@pytest.mark.parametrize("change", [{"axes": "detector"}, {"units": {**UNITS, "com_x": "px"}}])
def test_a_shard_whose_maps_mean_something_else_is_left_out_and_said(
    values: np.ndarray, change: dict[str, object]
) -> None:
    unlike = replace(snapshot(1, values), **change)  # type: ignore[arg-type]  # real fields
    whole = merged([snapshot(0, values), unlike])
    assert [each.state for each in whole.shards] == ["running", "unlike"]
    assert np.isnan(whole.maps["com_x"][1]).all()
    assert whole.counters.processed == 12


def with_model(shard: int, values: np.ndarray, version: int, sha256: str, state: str = "ready") -> Snapshot:
    model = ModelStatus(version, state, "apply", "", {"pearson_latent_com": [0.5]}, {"sha256": sha256})
    return replace(snapshot(shard, values), model=model)


def test_maps_of_one_model_merge_whatever_the_number_of_the_version(values: np.ndarray) -> None:
    whole = merged([with_model(0, values, 3, "a"), with_model(1, values, 2, "a", "training")])
    np.testing.assert_array_equal(whole.maps["rotation"], values)
    assert (whole.model.version, whole.model.state, whole.model.model) == (2, "training", {"sha256": "a"})
    assert whole.model.quality == {}, "figures of a shard are not those of the scan"


def test_a_latent_whose_sign_nothing_fixes_goes_on_as_in_the_neighbouring_lines() -> None:
    values = np.tile(np.array([-2, -1, 1, 2], np.float32), (6, 1))
    flipped = snapshot(1, values)
    flipped = replace(flipped, maps={**flipped.maps, "latent_2": -flipped.maps["latent_2"]})
    whole = merged([snapshot(0, values), flipped])
    np.testing.assert_array_equal(whole.maps["latent_2"], values)
    np.testing.assert_array_equal(whole.maps["latent_1"], values)
    np.testing.assert_array_equal(whole.maps["com_x"], values)


def test_maps_of_different_models_are_not_shown_and_it_is_said(values: np.ndarray) -> None:
    whole = merged([with_model(0, values, 3, "a"), with_model(1, values, 3, "b")])
    assert set(whole.maps) == {"com_x", "coverage"}
    assert (whole.model.version, whole.model.state, whole.model.detail) == (0, "failed", UNLIKE_MODELS)


def test_a_shard_without_a_model_yet_differs_from_nobody(values: np.ndarray) -> None:
    untrained = replace(with_model(1, values, 0, ""), model=ModelStatus(0, "waiting", "apply"))
    whole = merged([with_model(0, values, 3, "a"), untrained])
    assert (whole.model.version, whole.model.state) == (3, "waiting")
