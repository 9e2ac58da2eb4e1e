"""The one way of features to the device that computes: in batches that fill it, copied while the last one is computed.

On a GPU two page-locked buffers take turns: while the device works on one batch, the next is copied by a stream of its
own. On the CPU batches are views, small enough for what is made of them to stay in cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from stream_rrvae.messages import Float32Array

CPU_ROWS = 2048
GPU_ROWS = 1 << 16  # 26 MB of 100 features: beyond it a large GPU gains nothing, a small one has room
BUFFERS = 2


def batches_on(device: torch.device, x: Float32Array, rows: int | None = None) -> Iterator[Tensor]:
    """`x` [n, n_features] as float32 tensors [up to `rows`, n_features] on `device`; None = what suits it."""
    if device.type == "cuda":
        yield from _through_page_locked(device, x, min(rows or GPU_ROWS, max(1, len(x))))
    else:
        yield from torch.split(whole_on(device, x), rows or CPU_ROWS)


def whole_on(device: torch.device, x: Float32Array) -> Tensor:
    """All of `x` [n, n_features] as one tensor on `device`."""
    if device.type == "cuda" and len(x):
        return torch.cat(list(batches_on(device, x)))
    return torch.from_numpy(np.ascontiguousarray(x, np.float32)).to(device)


def _through_page_locked(device: torch.device, x: Float32Array, rows: int) -> Iterator[Tensor]:
    room = [torch.empty((rows, x.shape[1]), pin_memory=True) for _ in range(BUFFERS)]
    copied = [torch.cuda.Event() for _ in range(BUFFERS)]  # type: ignore[no-untyped-call]  # torch leaves it untyped
    copying, computing = torch.cuda.Stream(device), torch.cuda.current_stream(device)  # type: ignore[no-untyped-call]

    def send(number: int) -> tuple[Tensor, torch.cuda.Event]:
        batch = x[number * rows : (number + 1) * rows]
        buffer, done = room[number % BUFFERS][: len(batch)], copied[number % BUFFERS]
        done.synchronize()  # the batch before the last has left the buffer
        buffer.numpy()[:] = batch
        with torch.cuda.stream(copying):
            there = buffer.to(device, non_blocking=True)
            done.record(copying)
        return there, done

    n_batches = -(-len(x) // rows)
    ahead = [send(0)] if n_batches else []
    for number in range(n_batches):
        batch, done = ahead.pop()
        if number + 1 < n_batches:
            ahead.append(send(number + 1))
        computing.wait_event(done)
        batch.record_stream(computing)  # its memory is the copying stream's: not to be used again before we are done
        yield batch
