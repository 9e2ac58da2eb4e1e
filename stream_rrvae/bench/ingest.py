"""What `bench ingest` measures: cases, contestants, and rows of their figures side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from stream_rrvae.bench.rows import Row


class Contestant(StrEnum):
    """Who receives; the value is its column's name."""

    BARE = "bare"  # throws messages away; of uncompressed frames it reads every byte
    SERVICE = "service"
    BARE_V1 = "bare V1"
    SERVICE_V1 = "service V1"
    PEER = "LiberTEM-live"  # CoMUDF, Stream V1


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of frame; `target_fps` is what the service is to reach, `target_ratio` its part of the bare receiver."""

    name: str
    detector: str
    electrons: int
    compression: str = "bslz4"
    target_fps: float | None = None
    target_ratio: float | None = None
    peer: bool = True

    @property
    def protocol(self) -> str:
        """Compressed frames come from a DECTRIS detector, plain ones by our own protocol."""
        return "native" if self.compression == "none" else "dectris-v2"

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """In the order of their turns."""
        return tuple(Contestant) if self.peer else (Contestant.BARE, Contestant.SERVICE)


CASES = (
    Case("192x192 u8, 2,000 e", "192x192:uint8", 2000, target_fps=150_000),
    Case("192x192 u16, 2,000 e", "192x192:uint16", 2000, target_fps=130_000),
    Case("256x256 u16, 2,000 e", "256x256:uint16", 2000, target_fps=110_000),
    Case("192x192 u8, 200 e", "192x192:uint8", 200, target_fps=250_000, peer=False),
    Case("192x192 u8, plain", "192x192:uint8", 2000, "none", target_ratio=0.9, peer=False),
    Case("192x192 u16, plain", "192x192:uint16", 2000, "none", target_ratio=0.9, peer=False),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One contestant's turn; `lost` counts frames that are missing or were refused."""

    fps: float
    cpu_us: float  # of all its processes, a frame
    frames: int
    lost: int = 0
    threads_us: Mapping[str, float] = field(default_factory=dict)  # of its process, by their names, a frame


@dataclass(slots=True)
class Standing:
    """A contestant's turns at one case, or why there is none."""

    turns: list[Turn] = field(default_factory=list)
    why_not: str = ""

    @property
    def fps(self) -> float | None:
        """Median over the turns."""
        return self._median(lambda turn: turn.fps)

    @property
    def cpu_us(self) -> float | None:
        """Median over the turns."""
        return self._median(lambda turn: turn.cpu_us)

    @property
    def spread(self) -> tuple[float, float] | None:
        """Slowest and fastest turn, frames/s."""
        rates = [turn.fps for turn in self.turns]
        return (min(rates), max(rates)) if rates else None

    @property
    def lost(self) -> int:
        """Frames lost in all turns."""
        return sum(turn.lost for turn in self.turns)

    def _median(self, of: Callable[[Turn], float]) -> float | None:
        return median(of(turn) for turn in self.turns) if self.turns else None


Standings = dict[Contestant, Standing]


def rows_of(case: Case, standings: Standings) -> Iterator[Row]:
    """The service beside the bare receiver and beside the peer, then everybody's CPU time and losses."""
    absent = Standing()
    for who, reference in ((Contestant.SERVICE, Contestant.BARE), (Contestant.SERVICE_V1, Contestant.BARE_V1)):
        if who in standings:
            ours, bare = standings[who], standings[reference]
            first = who is Contestant.SERVICE
            target = case.target_fps if first else None
            if first and case.target_ratio and bare.fps:
                target = case.target_ratio * bare.fps
            yield Row(f"{case.name}: {who}", ours.fps, "frames/s", reference, bare.fps, target, ours.spread)
            yield Row(f"{case.name}: {who}, frames lost", float(ours.lost), "frames", None, None, 0.0)
    peer = standings.get(Contestant.PEER, absent)
    for who in (Contestant.SERVICE, Contestant.SERVICE_V1):
        if who in standings and case.peer:
            ours = standings[who]
            target = None if peer.cpu_us is None else peer.cpu_us / 5
            yield Row(f"{case.name}: {who} beside the peer", ours.fps, "frames/s", Contestant.PEER, peer.fps)
            yield Row(f"{case.name}: CPU of the {who}", ours.cpu_us, "us/frame", Contestant.PEER, peer.cpu_us, target)


HEAD = ("frames", "receiver", "frames/s", "slowest-fastest", "of bare", "of the peer", "CPU us/frame", "lost")
WIDTHS = (21, 14, 10, 18, 8, 12, 13, 5)


def table(case: Case, standings: Standings) -> list[str]:
    """The case's lines under `HEAD`."""
    return [_line(case, who, standings) for who in standings]


def head() -> str:
    """The line above all tables."""
    return _cells(HEAD)


def _line(case: Case, who: Contestant, standings: Standings) -> str:
    standing = standings[who]
    if standing.fps is None:
        return f"{case.name:{WIDTHS[0]}s} {who:{WIDTHS[1]}s} {standing.why_not}"
    bare = (
        Contestant.BARE_V1 if who in (Contestant.BARE_V1, Contestant.SERVICE_V1, Contestant.PEER) else Contestant.BARE
    )
    low, high = standing.spread or (0.0, 0.0)
    return _cells((
        case.name, who, f"{standing.fps:,.0f}", f"{low:,.0f}-{high:,.0f}", _ratio(standing, standings.get(bare)),
        _ratio(standing, standings.get(Contestant.PEER)), f"{standing.cpu_us or 0.0:.2f}", str(standing.lost),
    ))  # fmt: skip


def _ratio(one: Standing, other: Standing | None) -> str:
    return f"{one.fps / other.fps:.2f}" if one.fps and other and other.fps else "-"


def _cells(cells: Sequence[str]) -> str:
    first, second, *rest = cells
    right = [f"{cell:>{width}s}" for cell, width in zip(rest, WIDTHS[2:], strict=True)]
    return " ".join([f"{first:{WIDTHS[0]}s}", f"{second:{WIDTHS[1]}s}", *right])
