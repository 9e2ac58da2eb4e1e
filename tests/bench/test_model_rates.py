from __future__ import annotations

import torch

from stream_rrvae.bench.model import model_lines, model_rows


def test_a_scan_is_encoded_and_learnt_on_every_device() -> None:
    rows = list(model_rows(0.1, (32, 32)))
    named = {row.name: row for row in rows}
    assert all(row.value for row in rows)
    assert {"encoding 1024 frames, cpu", "left over of 1024 frames, cpu", "training, batches of 512, cpu"} <= set(named)
    assert named["encoding 1024 frames, cpu"].reference is None
    if torch.cuda.is_available():
        assert named["encoding 1024 frames, cuda"].reference_value == named["encoding 1024 frames, cpu"].value
    else:
        assert "not run on a GPU" in model_lines(rows)[-1]
