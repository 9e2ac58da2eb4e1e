"""One scan under the learner: waits for positions, trains in rounds, encodes everything after each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.config import LearnSettings
from stream_rrvae.messages import DegradeLevel, Float32Array, ModelStatus, ScanState
from stream_rrvae.rrvae.context import Context, with_context
from stream_rrvae.rrvae.described import described
from stream_rrvae.rrvae.gathering import Gathered, gather
from stream_rrvae.rrvae.gauge import Surroundings, locked_latents, locked_rotation
from stream_rrvae.rrvae.identity import Origin, identity
from stream_rrvae.rrvae.model import Model, RoundReport
from stream_rrvae.rrvae.preparation import SMALLEST_MODULATION, Prepared, basis_of, com_beside
from stream_rrvae.rrvae.quality import Quality, agreement_with_com
from stream_rrvae.rrvae.registry import factory
from stream_rrvae.scan_store import LearnerMaps, ScanStore

FEWEST_POSITIONS = 64
LOOK_S = 0.5  # between two looks at a scan that is not ready to be learnt from
APPLY_S = 1.0  # between two encodings by a model that does not learn
SELDOM = 4  # times as long, at ENCODE_SELDOM
SHARE_BEFORE_END = 0.5  # of the budget; the rest is for the whole scan
LONGEST_HISTORY = 200  # versions; a note in the store has room for more
RANDOM = Origin()
LEANS = (
    "directions count from the scan's mean, which leans by {:.2f} of what varies: either less than a cell of the "
    "specimen was scanned (say the cell: learn.cell_nm), or the detector is uneven"
)
FROM_CENTER = "the scan is smaller than the specimen's cell: directions count from the beam centre, not its mean"
NO_CONTEXT = "no context: it takes all positions of the scan at once, and there are more than learn.most_frames"
TRAINING, READY, WAITING, FAILED = "training", "ready", "waiting", "failed"


@dataclass(slots=True)
class _Progress:
    used_s: float = 0.0
    frames: int = 0
    version: int = 0
    encoded: int = -1  # positions in the latest maps
    last: RoundReport | None = None
    heldout: list[float] = field(default_factory=list)  # log-likelihood after each round, latest last


class Session:
    """Work on one scan store; `step` does a piece of it and says how long to wait for the next.

    `model` is that of the previous scan or of a checkpoint, as `origin` says, None to begin with random weights.
    `level` says what is to be left out at the moment (`messages.DegradeLevel`).
    """

    def __init__(
        self,
        store: ScanStore,
        settings: LearnSettings,
        model: Model | None,
        origin: Origin = RANDOM,
        level: Callable[[], int] = int,
    ) -> None:
        self.model = model
        self._level = level
        self.origin = origin
        self._store = store
        self._settings = settings
        self._basis = basis_of(store)
        self._is_shard = store.start.shard_count > 1  # whose latents must mean the same as those of the others
        self._context: Context | None = None
        self._progress = _Progress(version=store.read_status().version)

    def step(self) -> float | None:
        """Seconds until the next step is due (0 = at once); None when the scan is done."""
        level = self._level()
        if level >= DegradeLevel.NO_ENCODING:
            return LOOK_S
        # Read before the features, so that "ended" means that all of them are seen.
        ended = self._store.read_account().state is not ScanState.RUNNING
        gathered = gather(self._store, self._settings)
        lacking = _lacking(gathered.data)
        if lacking:
            self._note(FAILED if ended else WAITING, lacking)
            return None if ended else LOOK_S
        if ended and self._settings.context == "scan" and not gathered.is_sample:
            gathered = replace(gathered, data=self._with_context(gathered.data))
        if self._settings.mode == "finetune" and self._training_due_s(gathered, ended) > 0:
            return self._learn(gathered, ended) if level == DegradeLevel.ALL else self._meanwhile(gathered, level)
        return self._encode_only(gathered, ended, level)

    def fail(self, detail: str) -> None:
        """Say in the store why there will be no more maps."""
        self._note(FAILED, detail)

    def _with_context(self, data: Prepared) -> Prepared:
        if self._context is None:
            self._context = with_context(data, self._store.shape.scan_shape, self._basis, self._settings.seed)
            if self._context.used and self._settings.mode == "finetune":
                # Averaged frames are like those of another dose: a model of single frames is no beginning.
                self.model, self.origin, self._progress.used_s = None, RANDOM, 0.0
        return self._context.data

    def _learn(self, gathered: Gathered, ended: bool) -> float | None:
        settings, progress, data = self._settings, self._progress, gathered.data
        if self.model is None:
            self.model = factory(settings.decoder).create(
                data, self._basis, self._store.shape.n_latents, settings.seed, settings.device
            )
        seconds = min(settings.round_s, settings.budget_s - progress.used_s)
        shares = (progress.used_s / settings.budget_s, (progress.used_s + seconds) / settings.budget_s)
        progress.last = self.model.train(data, seconds, shares)
        # Counted as planned: a round that overran on a busy machine must not shorten the rest.
        progress.used_s += seconds
        progress.frames += progress.last.frames
        progress.heldout = [*progress.heldout, progress.last.heldout_loglikelihood][-LONGEST_HISTORY:]
        progress.version += 1
        done = ended and self._training_due_s(gathered, ended) <= 0
        self._publish(self.model, gathered, READY if done else TRAINING)
        return None if done else 0.0

    def _meanwhile(self, gathered: Gathered, level: int) -> float:
        """Training is due and has to wait: encode by what there is."""
        if self.model is None:
            return LOOK_S
        return self._encode_only(gathered, False, level) or LOOK_S

    def _encode_only(self, gathered: Gathered, ended: bool, level: int) -> float | None:
        if self.model is None:
            raise ValueError("mode apply needs a checkpoint: give one, or use mode finetune")
        progress = self._progress
        if ended or gathered.covered != progress.encoded:
            progress.version = max(1, progress.version)
            self._publish(self.model, gathered, READY if ended else TRAINING)
        rest_s = APPLY_S * (SELDOM if level >= DegradeLevel.ENCODE_SELDOM else 1)
        return None if ended else rest_s

    def _training_due_s(self, gathered: Gathered, ended: bool) -> float:
        settings, used_s = self._settings, self._progress.used_s
        left_s = settings.budget_s - used_s
        if ended:
            return left_s if left_s > 1e-6 else 0.0
        covered = gathered.covered / self._store.shape.n_positions
        allowed_s = SHARE_BEFORE_END * settings.budget_s * covered - used_s
        return min(left_s, allowed_s + (settings.round_s if used_s == 0.0 else 0.0))

    def _publish(self, model: Model, gathered: Gathered, state: str) -> None:
        data, said = gathered.data, described(model, gathered, self._store, own_gauge=not self._is_shard)
        encoding, found, at = said.encoding, said.novelty, said.positions
        around = self._surroundings(data, at)
        rotation = locked_rotation(encoding, model.fixes_rotation, around)
        latents = locked_latents(encoding, around)
        quality = agreement_with_com(rotation, latents, around.com_y, around.com_x) | self._figures() | self._help()
        quality |= data.descan.figures() | data.lean.figures() | (found.figures() if found else {})
        n = self._store.shape.n_positions
        self._progress.encoded = gathered.covered
        made_by = identity(model, self.origin)
        detail = self._detail(gathered)
        status = ModelStatus(self._progress.version, state, self._settings.mode, detail, quality, made_by)
        self._store.write_maps(
            LearnerMaps(
                status,
                _spread(rotation, at, n),
                _spread(encoding.confidence, at, n),
                np.stack([_spread(latent, at, n) for latent in latents]),
                _spread(found.misfit, at, n) if found else None,
            )
        )

    def _surroundings(self, data: Prepared, at: NDArray[np.int64]) -> Surroundings:
        com_y, com_x = com_beside(self._store, data, at)
        maps = self._store.read_maps()
        return Surroundings(com_y, com_x, maps.rotation[at], maps.latents[:, at])

    def _figures(self) -> Quality:
        progress = self._progress
        if progress.last is None:
            return {}
        return {
            "heldout_loglikelihood": progress.last.heldout_loglikelihood,
            "heldout_history": progress.heldout,
            "n_trained": float(progress.frames),
            "train_frames_per_s": progress.last.frames / max(progress.last.seconds, 1e-9),
        }

    def _help(self) -> Quality:
        return {} if self._context is None else self._context.figures()

    def _detail(self, gathered: Gathered) -> str:
        last, data = self._progress.last, gathered.data
        undone = "the last round made the model worse and was undone" if last and last.rolled_back else ""
        reference = FROM_CENTER if data.from_center else self._lean(data)
        context = self._context.said() if self._context else ""
        if gathered.is_sample and self._settings.context == "scan":
            context = NO_CONTEXT
        return "; ".join(filter(None, (context, gathered.said(), reference, undone)))

    def _lean(self, data: Prepared) -> str:
        is_known = self._settings.cell_nm is not None
        return LEANS.format(data.lean.ratio) if data.lean.unexplained and not is_known else ""

    def _note(self, state: str, detail: str) -> None:
        before = self._store.read_status()
        after = ModelStatus(before.version, state, self._settings.mode, detail, before.quality, before.model)
        if (before.state, before.mode, before.detail) != (after.state, after.mode, after.detail):
            self._store.write_status(after)


def _lacking(data: Prepared) -> str:
    """Why nothing can be learnt from `data`; empty when it can."""
    n = len(data.positions)
    if n < FEWEST_POSITIONS:
        return f"{n} positions with counts, a model needs {FEWEST_POSITIONS}"
    if not math.isfinite(data.modulation) or data.modulation < SMALLEST_MODULATION:
        return "the frames do not differ from one another: nothing to learn"
    return ""


def _spread(values: Float32Array, positions: NDArray[np.int64], n_positions: int) -> Float32Array:
    """`values` at their positions of the scan, NaN elsewhere."""
    spread = np.full(n_positions, np.nan, np.float32)
    spread[positions] = values
    return spread
