from __future__ import annotations

from stream_rrvae.bench.drain import drained
from stream_rrvae.commands.children import Child


def test_everything_that_a_bare_sender_sends_is_taken() -> None:
    with Child("bare sender", "stream_rrvae.bench.plain_sender", "1000", "300") as sender:
        taken = drained(f"tcp://{sender.line_with('bound tcp://')}", lambda: sender.process.poll() is not None)
        sender.check()
    assert (taken.messages, taken.total_bytes) == (300, 300_000)
    assert taken.seconds > 0
