"""Compile what tests and programs load from Numba's disk cache, beside the checks that need one core alone."""

from __future__ import annotations

from stream_rrvae.config import IngestSettings
from stream_rrvae.ingest import compute
from stream_rrvae.ingest.line import QUICK, warm_up_line
from stream_rrvae.kept.copy_loop import warm_up_keeping
from stream_rrvae.kernels.warm_up import warm_up
from stream_rrvae.recording.chunk_loop import warm_up_chunks

warm_up()
compute.warm_up()
for protocol in QUICK:
    warm_up_line(protocol, IngestSettings())
warm_up_keeping()
warm_up_chunks()
