"""Every error that stream-rrvae raises on purpose, in one tree.

StreamRrvaeError
├── ConfigError        a setting or an argument is wrong            (exit status 2)
├── SecurityError      refused to do something unsafe               (exit status 2)
├── WireError          one message from a detector is unacceptable  (counted, never ends a scan)
├── StoreError         a scan store cannot be made, found or read
├── CalibrationError   the beam or the geometry could not be determined
├── CheckpointError    a model file is malformed, foreign or does not fit
├── FileFormatError    a recording or results file cannot be read or written
├── FeedError          a snapshot from a service cannot be understood
└── RequestError       what was asked of a service could not be answered
"""

from __future__ import annotations

from stream_rrvae.messages import Refusal


class StreamRrvaeError(Exception):
    """Base of all errors below; its text says what to do, `exit_status` how a command ends by it."""

    exit_status = 1


class ConfigError(StreamRrvaeError):
    """A setting or an argument is wrong."""

    exit_status = 2


class SecurityError(StreamRrvaeError):
    """The request would be unsafe, such as an unprotected bind beyond loopback."""

    exit_status = 2


class WireError(StreamRrvaeError):
    """One message is unacceptable; `reason` is what the counters show.

    `frame_number` is set when the message still said which frame it was.
    """

    def __init__(self, reason: Refusal, detail: str, frame_number: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.frame_number = frame_number


class StoreError(StreamRrvaeError):
    """A scan store cannot be made, found or read."""


class CalibrationError(StreamRrvaeError):
    """The beam or the geometry could not be determined from the data."""


class CheckpointError(StreamRrvaeError):
    """A model file is malformed, foreign or does not fit the scan."""


class FileFormatError(StreamRrvaeError):
    """A recording or results file cannot be read or written."""


class FeedError(StreamRrvaeError):
    """A snapshot from a service cannot be understood."""


class RequestError(StreamRrvaeError):
    """What was asked of a service could not be answered; the text is for whoever asked."""
