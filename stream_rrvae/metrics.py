"""Every metric of the service, in Prometheus' terms; names and labels are given here alone."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from stream_rrvae import __version__
from stream_rrvae.messages import FrameSkip, Refusal

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Metrics:
    """One service's metrics on a registry of its own."""

    registry: CollectorRegistry
    frames_received: Counter
    frames_processed: Counter
    frames_missing: Counter
    frames_duplicate: Counter
    frames_reordered: Counter
    frames_refused: Counter  # label: reason
    frames_skipped: Counter  # label: reason
    messages_rejected: Counter  # label: reason; outside any scan
    scans: Counter  # label: outcome
    scans_shared: Counter
    frame_to_map_seconds: Histogram
    last_frame_timestamp_seconds: Gauge
    lag_seconds: Gauge
    queue_bytes: Gauge
    queue_limit_bytes: Gauge
    compute_busy_seconds: Counter
    compute_threads: Gauge
    loop_age_seconds: Gauge
    degrade_level: Gauge
    degrade_changes: Counter  # label: direction
    scan_running: Gauge
    ready: Gauge
    start_seconds: Gauge
    frames_recorded: Counter
    frames_not_recorded: Counter
    recorded_bytes: Counter
    recording_acknowledged_frames: Gauge
    recording_queue_bytes: Gauge
    recording_queue_limit_bytes: Gauge
    disk_free_bytes: Gauge  # label: folder
    recordings: Counter  # label: outcome
    requests: Counter  # labels: request, outcome
    kept_bytes: Gauge
    learner_restarts: Counter
    learner_running: Gauge
    model_version: Gauge
    snapshots: Counter  # label: outcome
    build_info: Gauge  # label: version


def new_metrics() -> Metrics:
    """Fresh metrics with every label at zero."""
    registry = CollectorRegistry()
    prefix = "stream_rrvae"

    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=prefix, registry=registry)

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=prefix, registry=registry)

    metrics = Metrics(
        registry,
        counter("frames_received", "Frame messages of running scans"),
        counter("frames_processed", "Frames placed in a map"),
        counter("frames_missing", "Positions left without a frame at the end of a scan"),
        counter("frames_duplicate", "Second copies of a frame"),
        counter("frames_reordered", "Frames placed that came after a later one"),
        counter("frames_refused", "Frames refused within a scan", "reason"),
        counter("frames_skipped", "Frames received and left out of the maps to keep up", "reason"),
        counter("messages_rejected", "Messages refused outside any scan", "reason"),
        counter("scans", "Scans ended", "outcome"),
        counter("scans_shared", "Scans of which others on the detector's stream took frames"),
        Histogram(
            "frame_to_map_seconds",
            "Frame received to its value in the scan store",
            (),
            prefix,
            registry=registry,
            buckets=_SECONDS,
        ),
        gauge("last_frame_timestamp_seconds", "Unix time of the last frame"),
        gauge("lag_seconds", "Age of the oldest frame received and not yet computed"),
        gauge("queue_bytes", "Frames received and not yet computed"),
        gauge("queue_limit_bytes", "From here on the sender is held back"),
        counter("compute_busy_seconds", "Time that computing threads spent on frames"),
        gauge("compute_threads", "Computing threads"),
        gauge("loop_age_seconds", "For how long the frame loop has not turned"),
        gauge("degrade_level", "What is left out to keep up: 0 nothing ... 5 all but recording"),
        counter("degrade_changes", "Changes of that level", "direction"),
        gauge("scan_running", "1 while a scan runs"),
        gauge("ready", "1 when frames would be received, and recorded where that is wanted"),
        gauge("start_seconds", "From the start of the process until it was ready"),
        counter("frames_recorded", "Frames written to a recording and acknowledged"),
        counter("frames_not_recorded", "Frames of scans whose recording had failed or ended early"),
        counter("recorded_bytes", "Bytes of the frames recorded"),
        gauge("recording_acknowledged_frames", "Frames of the latest recording that no crash takes away"),
        gauge("recording_queue_bytes", "Frames received and not yet recorded"),
        gauge("recording_queue_limit_bytes", "From here on the sender is held back"),
        gauge("disk_free_bytes", "Free where recordings and results go", "folder"),
        counter("recordings", "Recordings ended", "outcome"),
        counter("requests", "Requests over the back channel", "request", "outcome"),
        gauge("kept_bytes", "Memory that kept frames take"),
        counter("learner_restarts", "Learner processes started again"),
        gauge("learner_running", "1 while there is a learner process"),
        gauge("model_version", "Version of the published model maps"),
        counter("snapshots", "Snapshots made for viewers", "outcome"),
        gauge("build_info", "What runs here", "version"),
    )
    ProcessCollector(registry=registry)
    _begin_labels(metrics)
    return metrics


def _begin_labels(metrics: Metrics) -> None:
    for reason in Refusal:
        metrics.frames_refused.labels(str(reason))
        metrics.messages_rejected.labels(str(reason))
    for outcome in ("complete", "aborted"):
        metrics.scans.labels(outcome)
    for outcome in ("complete", "failed"):
        metrics.recordings.labels(outcome)
    for skip in FrameSkip:
        metrics.frames_skipped.labels(str(skip))
    for direction in ("down", "up"):
        metrics.degrade_changes.labels(direction)
    for outcome in ("published", "failed"):
        metrics.snapshots.labels(outcome)
    metrics.build_info.labels(__version__).set(1)
