"""Which of two ways to the same results is faster for a series: found by timing both on some of its frames."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

TRIAL_FRAMES = 16
TRIALS = 4  # of each; the first of them also fills caches and does not count
RENEWED_AFTER_FRAMES = 16_384  # a scan may go from vacuum to specimen; both for 64 frames cost 0.4 %, ...
LONGEST_INTERVALS = 4.0  # ... and no more where the other path takes several times as long, which is tried less often


Work = Callable[[slice], None]


class PathChoice:
    """Runs a piece of work by the faster path; each path gets the range of frames to work on."""

    def __init__(self) -> None:
        self._taken_s: tuple[list[float], list[float]] = ([], [])  # a frame, each trial
        self._frames = 0
        self._renewed_after = RENEWED_AFTER_FRAMES
        self.best = 0

    def run(self, paths: tuple[Work, Work], count: int) -> None:
        """Work on frames 0..count - 1, some of them twice while the choice is open."""
        done = 0
        while len(self._taken_s[0]) < TRIALS and done < count:
            end = min(count, done + TRIAL_FRAMES)
            self._try(paths, slice(done, end))
            done = end
        if done < count:
            paths[self.best](slice(done, count))
        self._frames += count
        if self._frames >= self._renewed_after:
            self._taken_s, self._frames = ([], []), 0

    def _try(self, paths: tuple[Work, Work], frames: slice) -> None:
        for path, taken_s in zip(paths, self._taken_s, strict=True):
            begin = perf_counter()
            path(frames)
            taken_s.append((perf_counter() - begin) / (frames.stop - frames.start))
        if len(self._taken_s[0]) == TRIALS:
            # The shortest of some: what another process took away meanwhile makes none of them shorter.
            first, second = (min(taken_s[1:]) for taken_s in self._taken_s)
            self.best = int(second < first)
            clearly = max(first, second) / max(min(first, second), 1e-9)
            self._renewed_after = int(RENEWED_AFTER_FRAMES * min(LONGEST_INTERVALS, clearly))
