"""How long a service takes from its start to `ready`, with the kernels that CACHE holds.

python .ci/cold_start.py CACHE STREAM_RRVAE
"""

import os
import subprocess
import sys
import tempfile
import time

ROUNDS = 3


def main() -> int:
    """Prints the times."""
    cache, program = sys.argv[1:3]
    took_s = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            words = [program, "serve", "--source", "native+pull://127.0.0.1:9", "--feed", f"ipc://{folder}/feed"]
            begun_s = time.monotonic()
            service = subprocess.Popen(
                [*words, "--out", folder], stdout=subprocess.PIPE, env={**os.environ, "NUMBA_CACHE_DIR": cache}
            )
            assert service.stdout is not None
            ready = any(line.strip() == b"ready" for line in service.stdout)
            took_s.append(time.monotonic() - begun_s)
            service.terminate()
            service.wait(30)
            if not ready:
                print("it never was ready")
                return 1
    print(f"cold start to ready: {', '.join(f'{each:.1f}' for each in took_s)} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
