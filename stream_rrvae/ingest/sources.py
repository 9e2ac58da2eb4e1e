"""What compiled receivers are made of, as a number: code kept on disk is made anew when any of it changes."""

from __future__ import annotations

from pathlib import Path

from stream_rrvae.kernels.compiled import sources_stamp

_HERE = Path(__file__).parent
STAMP = sources_stamp(_HERE, _HERE.with_name("wire"))  # and of `kernels`; from `wire` come tags and limits
