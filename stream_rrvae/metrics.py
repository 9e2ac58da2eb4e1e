"""Every metric of the service, in Prometheus' terms; names and labels are given here alone."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stream_rrvae.messages import Refusal

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Metrics:
    """One service's metrics on a registry of its own."""

    registry: CollectorRegistry
    frames_received: Counter
    frames_processed: Counter
    frames_missing: Counter
    frames_duplicate: Counter
    frames_refused: Counter  # label: reason
    messages_rejected: Counter  # label: reason; outside any scan
    scans: Counter  # label: outcome
    scans_shared: Counter
    frame_to_map_seconds: Histogram
    last_frame_timestamp_seconds: Gauge
    queue_bytes: Gauge
    frames_recorded: Counter
    frames_not_recorded: Counter
    recorded_bytes: Counter
    recording_acknowledged_frames: Gauge
    recording_queue_bytes: Gauge
    recordings: Counter  # label: outcome
    requests: Counter  # labels: request, outcome
    kept_bytes: Gauge
    learner_restarts: Counter
    model_version: Gauge


def new_metrics() -> Metrics:
    """Fresh metrics with every label at zero."""
    registry = CollectorRegistry()
    prefix = "stream_rrvae"

    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=prefix, registry=registry)

    def gauge(name: str, text: str) -> Gauge:
        return Gauge(name, text, namespace=prefix, registry=registry)

    metrics = Metrics(
        registry,
        counter("frames_received", "Frame messages of running scans"),
        counter("frames_processed", "Frames placed in a map"),
        counter("frames_missing", "Positions left without a frame at the end of a scan"),
        counter("frames_duplicate", "Second copies of a frame"),
        counter("frames_refused", "Frames refused within a scan", "reason"),
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
        gauge("queue_bytes", "Frames received and not yet computed"),
        counter("frames_recorded", "Frames written to a recording and acknowledged"),
        counter("frames_not_recorded", "Frames of scans whose recording had failed or ended early"),
        counter("recorded_bytes", "Bytes of the frames recorded"),
        gauge("recording_acknowledged_frames", "Frames of the latest recording that no crash takes away"),
        gauge("recording_queue_bytes", "Frames received and not yet recorded"),
        counter("recordings", "Recordings ended", "outcome"),
        counter("requests", "Requests over the back channel", "request", "outcome"),
        gauge("kept_bytes", "Memory that kept frames take"),
        counter("learner_restarts", "Learner processes started again"),
        gauge("model_version", "Version of the published model maps"),
    )
    for reason in Refusal:
        metrics.frames_refused.labels(str(reason))
        metrics.messages_rejected.labels(str(reason))
    for outcome in ("complete", "aborted"):
        metrics.scans.labels(outcome)
    for outcome in ("complete", "failed"):
        metrics.recordings.labels(outcome)
    return metrics
