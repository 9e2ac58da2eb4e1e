"""The comparison: our models, their peers and linear baselines on the same frames, in one run, on one machine.

Times are CPU seconds of one thread, so that other work on the machine does not decide; each peer runs in a
process of its own. The time of our model counts from the raw pixels on.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from threadpoolctl import threadpool_limits

from stream_rrvae.bench.course import GOOD_R, Course, Figures, judged, median_figures
from stream_rrvae.bench.linear import leading_mode, pca_doublet, raw_com
from stream_rrvae.bench.ours import course_of
from stream_rrvae.bench.peers import HOW_TO_INSTALL, SETTINGS, PeerRun, PeerSetting, peer_course
from stream_rrvae.bench.rows import Row
from stream_rrvae.bench.scan_frames import ScanFrames
from stream_rrvae.errors import StreamRrvaeError

OURS = "stream-rrvae harmonic"
MORE_OF_OURS = {"stream-rrvae exact": "exact", "stream-rrvae spatial": "spatial"}  # which want the time of the peers
WIDTHS = (10, 11, 8, 8, 8, 8, 8, 11, 11, 11)
LINEAR = {"raw COM": raw_com, "PCA doublet": pca_doublet, "leading m = 1 mode": leading_mode}
# figure -> (what it is called, unit, target, whether more is better)
MEASURES: dict[str, tuple[str, str, float | None, bool]] = {
    "train_fps": ("training", "frames/s", None, True),
    "good_after_s": (f"time to |r| >= {GOOD_R}", "s", None, False),
    "correlation": ("|r| with the COM magnitude", "1", GOOD_R, True),
    "joint_correlation": ("|r| of all latents together", "1", None, True),
    "angle_deg": ("angle error", "degrees", None, False),
    "angle_mod120_deg": ("angle error modulo 120", "degrees", None, False),
    "angle_mod180_deg": ("angle error modulo 180", "degrees", None, False),
    "encode_fps": ("encoding", "frames/s", None, True),
    "raw_encode_fps": ("encoding raw frames", "frames/s", None, True),
    "measured_fps": ("encoding raw frames beside COM, detectors and features", "frames/s", None, True),
}


@dataclass(frozen=True, slots=True)
class RrvaeOptions:
    """CPU `seconds` of training for `OURS`, `peer_seconds` for each other model; `seeds` runs of each.

    `names` picks contestants by what their name contains; none = all.
    """

    seconds: float = 12.0
    peer_seconds: float = 120.0
    seeds: int = 1
    latents: int = 2
    peers_python: str = field(default=sys.executable)
    names: tuple[str, ...] = ()

    def wants(self, name: str) -> bool:
        """Whether `name` is among those asked for."""
        return not self.names or any(part in name for part in self.names)


@dataclass(frozen=True, slots=True)
class Standing:
    """A contestant's figures, or why there are none."""

    name: str
    figures: Figures | None
    why_not: str = ""


def compare(scan: ScanFrames, options: RrvaeOptions, say: Callable[[str], None]) -> list[Standing]:
    """Every contestant in turn; `say` is told who is running. Our model is the first."""
    with threadpool_limits(1):
        standings = [_ours(OURS, "harmonic", options.seconds, scan, options, say)] if options.wants(OURS) else []
        for name, decoder in MORE_OF_OURS.items():
            if options.wants(name):
                standings.append(_ours(name, decoder, options.peer_seconds, scan, options, say))
        standings += [_peer(setting, scan, options, say) for setting in SETTINGS if options.wants(setting.name)]
        return standings + [_linear(name, fit, scan, say) for name, fit in LINEAR.items() if options.wants(name)]


def _ours(
    name: str, decoder: str, seconds: float, scan: ScanFrames, options: RrvaeOptions, say: Callable[[str], None]
) -> Standing:
    train = lambda seed: course_of(decoder, scan, seconds, options.latents, seed)  # noqa: E731
    return _median(name, train, scan, options.seeds, say)


def _linear(name: str, fit: Callable[[ScanFrames], Course], scan: ScanFrames, say: Callable[[str], None]) -> Standing:
    return _median(name, lambda _seed: fit(scan), scan, 1, say)


def _peer(setting: PeerSetting, scan: ScanFrames, options: RrvaeOptions, say: Callable[[str], None]) -> Standing:
    def train(seed: int) -> Course:
        run = PeerRun(options.peers_python, options.peer_seconds, options.latents, seed)
        course = peer_course(setting, scan, run)
        if course is None:
            raise StreamRrvaeError(HOW_TO_INSTALL)
        return course

    try:
        return _median(setting.name, train, scan, options.seeds, say)
    except StreamRrvaeError as error:
        return Standing(setting.name, None, str(error))


def _median(
    name: str, train: Callable[[int], Course], scan: ScanFrames, seeds: int, say: Callable[[str], None]
) -> Standing:
    runs = []
    for seed in range(seeds):
        say(f"{name}, seed {seed}")
        runs.append(judged(train(seed), scan.com))
    return Standing(name, median_figures(runs))


def rows_of(standings: Sequence[Standing]) -> list[Row]:
    """Ours beside the best peer in each figure; everyone else beside ours."""
    return list(_rows(standings))


def _rows(standings: Sequence[Standing]) -> Iterator[Row]:
    peers = {setting.name for setting in SETTINGS}
    for measure, (called, unit, target, more_is_better) in MEASURES.items():
        values = {standing.name: _value(standing, measure) for standing in standings}
        best = _best({name: value for name, value in values.items() if name in peers}, more_is_better)
        for name, value in values.items():
            reference = best if name == OURS else OURS
            known = values.get(reference) if reference else None
            yield Row(f"{name}: {called}", value, unit, reference, known, target if name == OURS else None)


def _value(standing: Standing, measure: str) -> float | None:
    value = getattr(standing.figures, measure) if standing.figures else math.nan
    return float(value) if math.isfinite(value) else None


def _best(values: dict[str, float | None], more_is_better: bool) -> str | None:
    known = {name: value for name, value in values.items() if value is not None}
    return (max if more_is_better else min)(known, key=lambda name: known[name]) if known else None


def table(standings: Sequence[Standing]) -> list[str]:
    """Lines of a table, one contestant a line."""
    heads = ("train", f"|r|>={GOOD_R}", "|r|", "joint", "angle", "mod120", "mod180", "encode", "from raw", "and maps")
    units = ("frames/s", "after s", "", "", "deg", "deg", "deg", "frames/s", "frames/s", "frames/s")
    head, unit = (f"{'':28s}" + "".join(map("{:>{}s}".format, line, WIDTHS)) for line in (heads, units))
    return [head, unit, *(_line(standing) for standing in standings)]


def _line(standing: Standing) -> str:
    figures = standing.figures
    if figures is None:
        return f"{standing.name:28s}  {standing.why_not}"
    angles = (figures.angle_deg, figures.angle_mod120_deg, figures.angle_mod180_deg)
    return (
        f"{standing.name:28s}{_number(figures.train_fps, '10,.0f', '-')}"
        f"{_number(figures.good_after_s, '11.2f', 'never')}{figures.correlation:8.4f}{figures.joint_correlation:8.4f}"
        + "".join(f"{angle:8.2f}" for angle in angles)
        + f"{figures.encode_fps:11,.0f}{figures.raw_encode_fps:11,.0f}{_number(figures.measured_fps, '11,.0f', '-')}"
    )


def _number(value: float, form: str, otherwise: str) -> str:
    width = int("".join(c for c in form.split(".")[0] if c.isdigit()))
    return format(value, form) if math.isfinite(value) else f"{otherwise:>{width}s}"
