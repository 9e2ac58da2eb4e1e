"""`bench trust`: the table of checks, each run for real."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from stream_rrvae.bench.rows import Row
from stream_rrvae.bench.trust.table import Check, Effort, Found, Verdict, judged, lines_of, markdown, not_run, rows_of
from stream_rrvae.commands.trust import hostile, processes, rates, readers, recordings, soak, streams
from stream_rrvae.commands.trust.suite import by_tests
from stream_rrvae.errors import ConfigError, StreamRrvaeError

CHECKS = (
    Check(
        1, "sustained rate", "simulator at full speed, 4 s a case (60 s)", ">= 1.5 x rated, 0 missing",
        rates.sustained_rate,
    ),
    Check(2, "accounting identity", "every account that the other checks saw", "0", streams.identities),
    Check(
        3, "latency", "paced sender that notes when it sends, a viewer that notes when it sees",
        "p99 <= 50 ms beyond the publishing period", rates.latency,
    ),
    Check(4, "slow recorder pushes back", "HDF5 may write a tenth of the time", "0 lost", recordings.slow_recorder),
    Check(5, "slow learning never hurts", "learner stopped by SIGSTOP", "0 missing; < 10 %", rates.slow_learner),
    Check(6, "slow or dead viewer", "SIGSTOP a subscriber, 8 s (10 min)", "< 5 MiB, 0 ms", processes.frozen_viewer),
    Check(
        7, "degradation ladder", "load 0.5, 3, 0.5 x", "in order, normal again in <= 5 s",
        by_tests("tests/operations/test_ladder.py", "tests/service/test_degradation.py"),
    ),
    Check(
        8, "kill -9 acquire", "5 kills at random moments (200)", "0 acknowledged frames lost; 0 fail to recover",
        recordings.killed_acquire,
    ),
    Check(9, "in-flight loss at kill", "the runs of 8", "<= mark + 64 + 0.2 s", recordings.lost_in_flight),
    Check(10, "kill learner, pages, readers", "2 kills each (50)", "0 lost; <= 3 s", processes.killed_others),
    Check(11, "power loss", "bytes on a loop device, 2 turns (20)", "<= 1 s after 0.2 s", recordings.power_loss),
    Check(
        12, "truncated segment", "cut at every 4 KiB", "0 crashes; whole frames or refusal",
        by_tests("tests/recording/test_recover.py", wanted="cut or breaks"),
    ),
    Check(
        13, "disk full", "tmpfs of 1 MiB, file size limit", "clean close, recoverable",
        by_tests("tests/recording/test_recording_faults.py", wanted="full or reserve or little or failed"),
    ),
    Check(14, "old readers", "plain h5py, LiberTEM, h5dump", "read it", readers.old_readers),
    Check(15, "decoder and recovery fuzz", "4 s a target (1 h)", "0 crashes; < 64 MiB", hostile.decoder_fuzz),
    Check(16, "size bombs", "header, shape, packing, HDF5", "< 64 MiB; < 10 ms", hostile.size_bombs),
    Check(
        17, "storm of bad frames", "half of all malformed, 5,000 frames/s", "100 % kept; <= 1 line/s a reason",
        streams.bad_frame_storm,
    ),
    Check(18, "fault matrix", "every fault x 3 seeds (50)", "100 % equal to the oracle", streams.fault_matrix),
    Check(19, "second consumer", "attached in mid-scan, 3 turns (20)", "alarm <= 2 s", streams.second_consumer),
    Check(
        20, "wire security", "no key, unknown key, wrong server", "0 of 3 accepted",
        by_tests("tests/config/test_curve_certificates.py", "tests/feed/test_links_with_keys.py"),
    ),
    Check(
        21, "bind guard", "settings x addresses", "0 binds without keys",
        by_tests("tests/config/test_every_bind.py"),
    ),
    Check(
        22, "no unsafe deserialising", "malicious checkpoints and arrays", "0 executed",
        by_tests("tests/plain/test_nothing_is_unpickled.py", "tests/rrvae/test_model_checkpoints.py"),
    ),
    Check(
        23, "replay browser", "traversal, links, external storage", "0 bytes outside the folder",
        by_tests("tests/archive/test_listing.py", "tests/recording/formats/test_hostile_hdf5_files.py"),
    ),
    Check(
        24, "pages", "foreign origin, forged session, login", "0 accepted",
        by_tests("tests/dashboards/test_uninvited.py", "tests/dashboards/test_roles.py"),
    ),
    Check(
        25, "hardening", "systemd-analyze security, offline", "<= 2.0; non-root",
        by_tests("tests/deploy/test_deploy_samples.py", "tests/deploy/test_container_files.py"),
    ),
    Check(26, "soak", "rated load, 60 s (2 h)", "<= 1 MiB/h; 0 files, threads, blocks; < 10 %", soak.soak),
)  # fmt: skip
LAST = (2,)  # which looks back at the others


def measure_trust(
    only: Sequence[int],
    long: bool,
    table: bool,
    show: Callable[[str], None],
    checks: Sequence[Check] = CHECKS,
    peers_python: str = sys.executable,
) -> list[Row]:
    """Run the checks (`only` these), shown as they come; `peers_python` has the programs of others.

    Raises ConfigError for a number that there is not.
    """
    unknown = [number for number in only if number not in {check.number for check in checks}]
    if unknown:
        raise ConfigError(f"there is no check {unknown[0]}; there are 1 to {len(checks)}")
    effort = Effort(long, peers_python=peers_python)
    wanted = [check for check in checks if not only or check.number in only]
    results = {check.number: (check, _run(check, effort, show)) for check in _in_order(wanted)}
    ordered = [results[check.number] for check in wanted]
    verdicts = [found.verdict for _, found in ordered]
    show(", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict))
    for line in markdown(ordered) if table else ():
        show(line)
    return rows_of(ordered)


def _in_order(checks: Sequence[Check]) -> list[Check]:
    return sorted(checks, key=lambda check: check.number in LAST)


def _run(check: Check, effort: Effort, show: Callable[[str], None]) -> Found:
    try:
        found = check.run(effort)
    except StreamRrvaeError as error:  # one check that cannot be made does not take the others along
        found = judged(False, f"failed: {error}")
    except ImportError as error:
        found = not_run(f"{error.name} is not installed")
    for line in lines_of(check, found):
        show(line)
    return found
