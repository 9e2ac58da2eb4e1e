"""What goes to live pages, encoded once for all pages of a feed that see the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.readings import status
from dashboards.feeds.view_frame import ViewFrame
from dashboards.live.packed import packed
from dashboards.pictures.wishes import Wishes
from dashboards.views.columns import density_columns, measured_columns, model_columns, outline_columns, point_columns
from dashboards.views.view import LiveView

SHARED = 8  # ways of seeing one frame that are kept at most
STATUS_S = 0.05
_PLAIN = Wishes()
Key = TypeVar("Key")
Encode = Callable[[LiveView, int], "Push"]


@dataclass(frozen=True, slots=True)
class Push:
    """A message and the number by which pages acknowledge it; `extent` is that of latent space, of a model's."""

    number: int
    message: bytes
    extent: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelKey:
    """Two pages with equal ones see the same of the learner's maps."""

    scan_id: str
    generation: int
    latents: tuple[str, str]
    is_enlarged: bool
    lasso: tuple[tuple[float, float], ...]


def model_key(view: LiveView) -> ModelKey:
    """What the model's part of `view` depends on."""
    wishes, frame = view.wishes, view.frame
    enlarged = wishes.enlarged == "rotation"
    return ModelKey(frame.snapshot.scan_id, frame.model_generation, view.latents, enlarged, wishes.lasso)


class Pushes:
    """Keeps what is shared of the newest frame and of the newest model, SHARED of each; the rest is kept by nobody."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._frame: ViewFrame | None = None
        self._generation = -1
        self._measured: deque[tuple[Wishes, Push]] = deque(maxlen=SHARED)
        self._modelled: deque[tuple[ModelKey, Push]] = deque(maxlen=SHARED)
        self._status: tuple[ViewFrame | None, float, dict[str, Any]] | None = None

    def status(self, feed: LiveFeed) -> dict[str, Any]:
        """What is told of `feed` to all pages, not older than STATUS_S."""
        now_s = feed.clock()
        if self._status is not None and self._status[0] is feed.newest and now_s - self._status[1] < STATUS_S:
            return self._status[2]
        told = status(feed)
        self._status = (feed.newest, now_s, told)
        return told

    def measured(self, view: LiveView) -> Push:
        """What changes with every snapshot; with the arrows, if they are wished."""
        if view.wishes.pinned is not None or view.detector_map is not None or view.mean is not None:
            return self._push(_measured, view)
        if view.frame is not self._frame:
            self._frame = view.frame
            self._measured.clear()
        wishes = replace(view.wishes, frozen=False, back=0, lasso=(), latents=_PLAIN.latents, ring=None)
        return self._shared(self._measured, wishes, _measured, view)

    def modelled(self, view: LiveView) -> Push:
        """What changes with the learner's maps only."""
        key = model_key(view)
        if key.generation > self._generation:
            self._generation = key.generation
            self._modelled.clear()
        if key.lasso or key.generation < self._generation:
            return self._push(_modelled, view)
        return self._shared(self._modelled, key, _modelled, view)

    def _shared(self, made: deque[tuple[Key, Push]], key: Key, encode: Encode, view: LiveView) -> Push:
        for known, push in made:
            if known == key:
                return push
        push = self._push(encode, view)
        made.append((key, push))
        return push

    def _push(self, encode: Encode, view: LiveView) -> Push:
        return encode(view, next(self._numbers))


def _measured(view: LiveView, number: int) -> Push:
    sources = {"measured": measured_columns(view, number)}
    if view.wishes.arrows:
        sources["arrows"] = dict(view.frame.arrows)
    return Push(number, packed(sources, number))


def _modelled(view: LiveView, number: int) -> Push:
    points, selection = view.frame.latents(*view.latents), view.selection()
    sources = {"modelled": model_columns(view, selection)}
    sources |= {"density": density_columns(points), "scatter": point_columns(points)}
    if selection is not None:
        sources["outline"] = outline_columns(view, selection)
    return Push(number, packed(sources, number), points.extent)
