"""LiberTEM-live's CoMUDF on a Stream V1 detector, scan after scan; run as a file, in its own process.

It imports nothing of ours, so that it runs in any Python that has the peer: `python libertem_script.py JOB.json`.
JOB: api_port, data_port, scan_shape [y, x], center_px [ky, kx], workers, seconds, out (.npy of the COM [y, x, 2] of
the last scan, or null). It says in lines of JSON when it listens and how long each scan took from its header to its
result. Exit status 3: the peer is not installed.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

NOT_INSTALLED = 3
LOOK_S = 1.0


def run(job: dict[str, Any]) -> None:
    """Scans until the job's seconds are over, one at least."""
    from libertem.executor.pipelined import PipelinedExecutor
    from libertem.udf.com import CoMUDF
    from libertem_live.api import LiveContext

    executor = PipelinedExecutor(spec=PipelinedExecutor.make_spec(cpus=range(job["workers"]), cudas=[]))
    ports = {"api_port": job["api_port"], "data_port": job["data_port"]}
    udf = CoMUDF.with_params(cy=job["center_px"][0], cx=job["center_px"][1])
    with (
        LiveContext(executor=executor) as context,
        context.make_connection("dectris").open(api_host="127.0.0.1", data_host="127.0.0.1", **ports) as connection,
    ):
        say(event="ready")
        begun_s = time.monotonic()
        while True:
            com = _one_scan(context, connection, tuple(job["scan_shape"]), udf)
            if time.monotonic() - begun_s >= job["seconds"]:
                break
    if job["out"]:
        import numpy as np

        np.save(job["out"], com)


def _one_scan(context: Any, connection: Any, scan_shape: tuple[int, int], udf: Any) -> Any:
    pending = None
    while pending is None:
        pending = connection.wait_for_acquisition(LOOK_S)
    begun_s = time.monotonic()
    acquisition = context.make_acquisition(conn=connection, nav_shape=scan_shape, pending_aq=pending)
    result = context.run_udf(dataset=acquisition, udf=udf)
    say(event="scan_closed", processed=scan_shape[0] * scan_shape[1], seconds=time.monotonic() - begun_s)
    return result["raw_com"].data


def say(**fields: Any) -> None:
    """A line of JSON for whoever started this."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Entry point: the job is the file that the first argument names."""
    warnings.simplefilter("ignore")
    try:
        import libertem_live  # noqa: F401  # what is missing is said by the exit status
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(NOT_INSTALLED)
    run(json.loads(Path(sys.argv[1]).read_text()))


if __name__ == "__main__":
    main()
