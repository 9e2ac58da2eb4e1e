"""A scan as a whole: positions, announcement, truth, pool."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector_sim.detector import detector_model
from detector_sim.optics import Optics
from detector_sim.pool import FramePool
from detector_sim.scan_plan import plan_scan
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from detector_sim.truth import InjectedFault, ScanTruth, write_truth
from stream_rrvae.errors import ConfigError

SMALL = SimulationSettings(detector=detector_model("32x32:float32"), scan_shape=(6, 11), step_nm=(0.03, 0.02))


def truth_of(settings: SimulationSettings) -> ScanTruth:
    simulation = Simulation(settings)
    frames = sum(len(block.frames) for block in simulation.blocks())
    assert frames == math.prod(settings.scan_shape)
    return simulation.truth()


def test_positions_are_row_major_and_centred() -> None:
    plan = plan_scan((3, 5), (0.2, 0.1))
    assert plan.positions_angstrom.reshape(3, 5, 2)[2, 0] == pytest.approx([2.0, -2.0])
    assert plan.positions_angstrom.mean(0) == pytest.approx([0.0, 0.0], abs=1e-12)
    assert not plan.shifts_px.any()


def test_drift_grows_with_time_and_descan_with_the_scan() -> None:
    still, moving = plan_scan((4, 4), (0.1, 0.1)), plan_scan((4, 4), (0.1, 0.1), (0.3, -0.6), (2.0, 4.0))
    drift = moving.positions_angstrom - still.positions_angstrom
    assert drift[0] == pytest.approx([0.0, 0.0])
    assert drift[-1] == pytest.approx([3.0, -6.0])
    assert moving.shifts_px.reshape(4, 4, 2)[0, 3] == pytest.approx([-1.0, 2.0])
    assert moving.max_shift_px == pytest.approx(2.0)


@pytest.mark.parametrize(("rotation_deg", "flip"), [(0.0, False), (37.0, False), (-120.0, True)])
def test_truth_in_scan_axes_does_not_depend_on_the_detector(rotation_deg: float, flip: bool) -> None:
    plain = truth_of(SMALL)
    turned = truth_of(replace(SMALL, rotation_deg=rotation_deg, flip=flip, beam_offset_px=(1.4, -0.7)))
    assert np.abs(turned.com_mrad - plain.com_mrad).max() < 0.02
    assert turned.com_direction_rad == pytest.approx(np.arctan2(turned.com_mrad[..., 0], turned.com_mrad[..., 1]))


def test_detector_com_is_the_scan_com_turned_by_the_convention() -> None:
    truth = truth_of(replace(SMALL, rotation_deg=30.0, flip=True))
    y, x = np.moveaxis(truth.com_mrad / (truth.calibration.mrad_per_px or math.nan), -1, 0)
    c, s = math.cos(math.radians(30.0)), math.sin(math.radians(30.0))
    assert truth.com_detector_px[..., 1] == pytest.approx(c * x + s * y)
    assert truth.com_detector_px[..., 0] == pytest.approx(s * x - c * y)


def test_descan_is_seen_on_the_detector_but_is_not_part_of_the_specimen() -> None:
    still, moving = truth_of(SMALL), truth_of(replace(SMALL, descan_px=(1.5, -2.0)))
    assert np.abs(moving.com_mrad - still.com_mrad).max() < 0.03
    walk = moving.com_detector_px - still.com_detector_px
    assert walk[-1, -1] - walk[0, 0] == pytest.approx([1.5, -2.0], abs=0.02)


def test_defects_and_orientation_are_told() -> None:
    vacancy = truth_of(replace(SMALL, specimen="graphene-vacancy", scan_shape=(2, 3)))
    assert vacancy.defect_kinds == ("vacancy",)
    assert vacancy.defects_nm.tolist() == [[0.0, 0.0]]
    wall = truth_of(replace(SMALL, specimen="graphene-wall", scan_shape=(2, 3), step_nm=(0.1, 1.0)))
    assert wall.orientation_rad[0] == pytest.approx([-0.06, 0.0, 0.06], abs=2e-3)
    assert wall.defects_nm.shape == (0, 2)


@pytest.mark.parametrize("announce", ["all", "shape", "nothing"])
def test_the_start_tells_what_was_asked(announce: str) -> None:
    simulation = Simulation(replace(SMALL, announce=announce, dead_pixels=2, detector=detector_model("32x32:uint8")))
    start = simulation.start(4, "scan-4")
    assert (start.series, start.frames_expected, start.frame_shape, start.saturation) == (4, 66, (32, 32), 254)
    assert start.scan_shape == (None if announce == "nothing" else (6, 11))
    assert (start.calibration.beam_center_px == (15.5, 15.5)) == (announce == "all")
    assert start.pixel_mask is not None
    assert start.pixel_mask.sum() == 32 * 32 - 2


def test_the_pool_gives_the_same_frames_again_also_after_a_scan_broken_off() -> None:
    pool = FramePool(Simulation(replace(SMALL, dose_electrons=50.0)), 1 << 24)
    broken_off = iter(pool.frames())
    assert [next(broken_off).number for _ in range(3)] == [0, 1, 2]
    first = list(pool.frames())
    assert pool.complete
    assert [frame.number for frame in first] == list(range(66))
    assert list(pool.frames()) == first


def test_a_scan_larger_than_the_pool_is_refused_with_advice() -> None:
    with pytest.raises(ConfigError, match="--pool-mib"):
        FramePool(Simulation(SMALL), 1000).fill()


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_angle_mrad": 0.0},
        {"step_nm": (-0.1, 0.1)},
        {"max_angle_mrad": 900.0},
        {"optics": Optics(semiangle_mrad=-1)},
    ],
)
def test_impossible_settings_are_usage_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Simulation(replace(SMALL, **wrong))  # type: ignore[arg-type]  # the cases differ in type


def test_truth_file_holds_plain_arrays(tmp_path: Path) -> None:
    truth = truth_of(SMALL)
    write_truth(tmp_path / "truth.npz", truth, [InjectedFault(2, 17, "drop")])
    with np.load(tmp_path / "truth.npz", allow_pickle=False) as read:
        assert np.array_equal(read["com_mrad"], truth.com_mrad)
        assert json.loads(str(read["calibration"]))["semiangle_mrad"] == 31.0
        assert (read["fault_series"][0], read["fault_frame"][0], read["fault_name"][0]) == (2, 17, "drop")
    assert list(tmp_path.iterdir()) == [tmp_path / "truth.npz"]
