"""What CURVE costs on our native protocol: frames from one process to another, with keys and without, in turns.

python -m tests.benchmarks.curve_cost [ROUNDS]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from stream_rrvae.curve import ClientKeys, ServerKeys, client_keys, make_certificate, server_keys
from stream_rrvae.ingest.sockets import DetectorSockets
from stream_rrvae.ingest.source import parse_source

SIZES_BYTES = {"2.7 kB (192x192, counted, packed)": 2700, "32 KiB": 32 << 10, "512 KiB (512x512 16-bit)": 512 << 10}
TURN_BYTES = 400 << 20
MOST_FRAMES = 60_000
SENDER = "tests.benchmarks.curve_cost"


def keys_in(folder: Path) -> tuple[ServerKeys, ClientKeys]:
    """Those of both ends, made where they are not there yet."""
    if not (folder / "server.key").exists():
        make_certificate(folder, "server")
        make_certificate(folder / "clients", "client")
    server = server_keys(folder / "server.key_secret", folder / "clients")
    client = client_keys(folder / "clients" / "client.key_secret", folder / "server.key")
    assert server is not None and client is not None
    return server, client


def send(url: str, frame_bytes: int, count: int, folder: str) -> None:
    """The sending process."""
    from detector_sim.outlet import Outlet

    with Outlet(url, "push", frame_bytes, keys=keys_in(Path(folder))[0] if folder else None) as outlet:
        print(outlet.endpoint, flush=True)
        parts = [b"h" * 100, b"x" * frame_bytes]
        for _ in range(count):
            outlet.send(parts)


def turn(frame_bytes: int, count: int, folder: Path | None) -> tuple[float, float]:
    """Frames/s, and us of CPU a frame at the receiver."""
    words = [sys.executable, "-m", SENDER, "send", "tcp://127.0.0.1:*", str(frame_bytes), str(count), str(folder or "")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        source = parse_source(sender.stdout.readline().strip().replace("tcp", "native+pull"))
        own = keys_in(folder)[1] if folder else None
        with DetectorSockets([source], 64 << 20, 1 << 20, own) as sockets:
            received, begun_s, begun_cpu_s = 0, 0.0, 0.0
            while received < count:
                sockets.wait(10.0)
                while sockets.endpoints[0].receive() is not None:
                    received += 1
                    if received == 1:
                        begun_s, begun_cpu_s = time.monotonic(), _cpu_s()
            took_s, cpu_s = time.monotonic() - begun_s, _cpu_s() - begun_cpu_s
    return count / took_s, 1e6 * cpu_s / count


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(rounds: int) -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as folder:
        keys_in(Path(folder))
        for name, size_bytes in SIZES_BYTES.items():
            count = min(MOST_FRAMES, TURN_BYTES // size_bytes)
            turns = [(turn(size_bytes, count, None), turn(size_bytes, count, Path(folder))) for _ in range(rounds)]
            bare, locked = (_median(each) for each in zip(*turns, strict=True))
            rates = f"{bare[0]:,.0f} -> {locked[0]:,.0f} frames/s (x{locked[0] / bare[0]:.2f})"
            cost = f"{bare[1]:.1f} -> {locked[1]:.1f} us a frame (+{100 * (locked[1] / bare[1] - 1):.0f} %)"
            print(f"{name}: {rates}, receiving CPU {cost}")


def _median(turns: Sequence[tuple[float, float]]) -> list[float]:
    return [statistics.median(each) for each in zip(*turns, strict=True)]


if __name__ == "__main__":
    if sys.argv[1:2] == ["send"]:
        send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
