"""Trains one peer and writes what it says of every frame as the training goes on; run as a file, in its own process.

It imports nothing of ours, so that it runs in any Python that has the peers: `python peer_script.py JOB.json`.
JOB: peer, frames (.npy, float32 [n, ky, kx]), out (.npz to write), seconds, look_s, batch, learning_rate, latents,
seed. OUT: CPU seconds [t] of training alone, frames_trained [t], rotation [t, n], latents [t, n, latents] and
encode_fps. Exit status 3: the peer is not installed.
"""

from __future__ import annotations

import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NOT_INSTALLED = 3
TURNS = 5
Job = dict[str, Any]
Train = Callable[[], None]  # one pass over the frames
Encode = Callable[[], Any]  # [n, 1 + latents], the rotation first


def atomai_rvae(job: Job, frames: Any) -> tuple[Train, Encode]:
    """AtomAI's rVAE by its own trainer, less the printing and the checkpoint after each pass of `fit`."""
    import atomai
    import torch

    model = atomai.models.rVAE(frames.shape[1:], latent_dim=job["latents"], translation=False, seed=job["seed"])
    model.loss, model.kdict_["phi_prior"] = "mse", math.pi / 2
    adam = lambda parameters: torch.optim.Adam(parameters, lr=job["learning_rate"])  # noqa: E731
    model.compile_trainer((frames, None), (None, None), optimizer=adam, batch_size=job["batch"])
    return model.train_epoch, lambda: model.encode(frames, num_batches=1)[0]


def pyroved_ivae(job: Job, frames: Any) -> tuple[Train, Encode]:
    """pyroVED's iVAE with rotational invariance; a Gaussian of unit width, as the frames' noise is."""
    import pyroved
    import torch

    shape, images = frames.shape[1:], torch.from_numpy(frames)
    model = pyroved.models.iVAE(
        shape, job["latents"], ["r"], sampler_d="gaussian", sigmoid_d=False, decoder_sig=1.0, seed=job["seed"]
    )
    trainer = pyroved.trainers.SVItrainer(model, lr=job["learning_rate"], seed=job["seed"])
    loader = pyroved.utils.init_dataloader(images, batch_size=job["batch"])
    encode = lambda: model.encode(images, batch_size=len(images))[0].numpy()  # noqa: E731
    return lambda: trainer.step(loader), encode


PEERS = {"atomai": atomai_rvae, "pyroved": pyroved_ivae}


def run(job: Job) -> None:
    """Train for the job's seconds, looking at the encoding every `look_s`; looks do not count."""
    import torch

    torch.set_num_threads(1)
    frames = np.load(job["frames"], allow_pickle=False)
    train, encode = PEERS[job["peer"]](job, frames)
    taken_s, looked_s, passes = 0.0, 0.0, 0
    looks: list[tuple[float, int, Any]] = []
    while taken_s < job["seconds"]:
        begun_s = time.process_time()
        train()
        taken_s += time.process_time() - begun_s
        passes += 1
        if taken_s - looked_s >= job["look_s"] or taken_s >= job["seconds"]:
            looked_s = taken_s
            looks.append((taken_s, passes * len(frames), encode().copy()))
    seconds, trained, codes = zip(*looks, strict=True)
    z = np.stack(codes).astype(np.float32)
    rate = len(frames) / min(_timed(encode) for _ in range(TURNS))
    np.savez(
        job["out"], seconds=seconds, frames_trained=trained, rotation=z[..., 0], latents=z[..., 1:], encode_fps=rate
    )


def _timed(work: Callable[[], Any]) -> float:
    begun_s = time.process_time()
    work()
    return time.process_time() - begun_s


def main() -> None:
    """Entry point: the job is the file that the first argument names."""
    warnings.simplefilter("ignore")
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        __import__(job["peer"])
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(NOT_INSTALLED)
    run(job)


if __name__ == "__main__":
    main()
