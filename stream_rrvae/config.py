"""The one settings tree: TOML file < environment (STREAM_RRVAE_...) < command line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from stream_rrvae.detector_settings import DetectorSettings, check_names
from stream_rrvae.errors import ConfigError
from stream_rrvae.log import LogFormat
from stream_rrvae.scan_path import MOST_FLYBACK, MOST_PASSES, ScanPath

ENV_PREFIX = "STREAM_RRVAE_"
DEFAULT_FEED = "tcp://127.0.0.1:5556"
Mode = Literal["apply", "finetune", "off"]
Decoder = Literal["harmonic", "exact", "spatial"]
Context = Literal["none", "scan"]
DECODERS: tuple[str, ...] = get_args(Decoder)
CONTEXTS: tuple[str, ...] = get_args(Context)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CalibrationSettings(_Part):
    """What the site knows of its geometry; it overrides what the stream says."""

    mrad_per_px: float | None = Field(None, gt=0)
    semiangle_mrad: float | None = Field(None, gt=0)
    beam_center_px: tuple[float, float] | None = None  # (ky, kx)
    scan_step_nm: tuple[float, float] | None = None  # (y, x)
    detector_rotation_deg: float | None = None
    detector_flip: bool | None = None
    beam_energy_ev: float | None = Field(None, gt=0)
    thickness_nm: float | None = Field(None, gt=0)  # of the specimen, along the beam
    rotation: Literal["given", "find"] | None = None  # find: use what a scan's COM shows, once it is certain
    descan: Literal["none", "plane", "quadratic"] | None = None  # to take out of the COM maps; None: none


class IngestSettings(_Part):
    receive: Literal["auto", "compiled", "python"] = "auto"  # "compiled": without Python for each frame
    compute_threads: int | None = Field(None, ge=1, le=64)  # None: as many as the machine has cores, at most 4
    batch_frames: int = Field(2048, ge=1, le=4096)
    batch_wait_s: float = Field(0.01, gt=0)
    queue_bytes: int = Field(256 << 20, ge=1 << 20)  # frames received and not yet computed
    settle_frames: int = Field(32, ge=1)  # first frames, looked at to find what the stream does not say; shown after
    stall_timeout_s: float = Field(5.0, gt=0)  # no frame for so long: the scan is aborted
    end_grace_s: float = Field(0.5, ge=0)  # late frames are still taken after the announced end
    frame_bytes_limit: int = Field(256 << 20, ge=1)


class LearnSettings(_Part):
    mode: Mode = "finetune"
    checkpoint: Path | None = None
    decoder: Decoder = "harmonic"
    latents: int = Field(2, ge=1, le=8)
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(1, ge=1)  # CPU threads of torch, so that acquisition keeps its own
    round_s: float = Field(2.0, gt=0)  # training between two published versions
    budget_s: float = Field(12.0, gt=0)  # training for one scan, counted over its rounds
    most_frames: int = Field(1 << 18, ge=64)  # of a scan held, 2 kB each: of more a uniform sample is learnt from
    assumed_dose_electrons: float = Field(1e4, gt=0)  # for data that is not in counts
    cell_nm: tuple[PositiveFloat, PositiveFloat] | None = None  # of the specimen, along the scan's (y, x), if known
    context: Context = "none"  # "scan": average counted frames over lattice and neighbours at its end


class LadderSettings(_Part):
    """What is left out when not everything can be done (decision 025)."""

    lag_s: float = Field(0.5, gt=0)  # frames that wait so long are too late: something is left out
    rest_s: float = Field(2.0, gt=0)  # without any lag, before something is taken up again
    skip_frames: Literal["recorded", "always", "never"] = "recorded"  # in the maps: only of scans that are recorded
    stride: int = Field(2, ge=2, le=16)  # then every so manieth row and column is computed


class ScanSettings(_Part):
    """Which way the scans go, where the stream does not say it or is wrong; see `scan_path`."""

    line_flyback: int | None = Field(None, ge=0, le=MOST_FLYBACK)  # frames after each line that lie nowhere
    frame_flyback: int | None = Field(None, ge=0, le=MOST_FLYBACK)  # the same before the first line of a pass
    serpentine: bool | None = None
    passes: int | None = Field(None, ge=1, le=MOST_PASSES)  # over the same positions, one after another
    offset: tuple[NonNegativeInt, NonNegativeInt] | None = None  # (y, x) where it begins in a larger scan ...
    within: tuple[PositiveInt, PositiveInt] | None = None  # ... of this shape
    endless: bool | None = None  # scan after scan in one series

    def over(self, told: ScanPath) -> ScanPath:
        """What the stream told, with this over it."""
        return replace(told, **self.model_dump(exclude_none=True))


AS_TOLD = ScanSettings()


class RecordingSettings(_Part):
    queue_bytes: int = Field(256 << 20, ge=1 << 20)  # frames received and not yet written; then the sender is held back
    segment_bytes: int = Field(4 << 30, ge=1 << 12)  # a file of the recording is followed by the next from here on
    flush_s: float = Field(0.2, gt=0, le=10)  # a received frame is acknowledged after so long at the latest
    fsync_s: float = Field(1.0, ge=0)  # the disk itself has it after so long; 0 = left to the system
    keep_free_bytes: int = Field(256 << 20, ge=0)  # on the disk: recording ends before it takes these


class FeedSettings(_Part):
    url: str = DEFAULT_FEED
    rate_hz: float = Field(20.0, gt=0, le=60)
    derived: bool = True  # phase and charge density while the scan runs


class RequestSettings(_Part):
    url: str | None = None  # where the service answers who holds the key; None: nowhere
    key: Path = Path("requests.key")  # made if it is not there


class CurveSettings(_Part):
    """CURVE keys, made by `stream-rrvae keygen`; without `clients` feed and requests ask for none."""

    key: Path | None = None  # our own NAME.key_secret
    clients: Path | None = None  # folder with the NAME.key of all who may connect to feed and requests
    source: Path | None = None  # NAME.key of what sends frames, where it speaks our native protocol


class KeepSettings(_Part):
    bytes: int = Field(256 << 20, ge=0)  # of memory for frames of the running scan, to answer with; 0: none


class Settings(BaseSettings):
    """Everything that `serve` can be told."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    source: str = ""
    instrument: str = "instrument"
    channel: str | None = None
    scan_shape: tuple[int, int] | None = None  # (y, x)
    scans: int | None = Field(None, ge=1)  # end after so many
    http: str | None = None  # HOST:PORT of /livez, /readyz and /metrics; None: nowhere
    log_format: LogFormat = "auto"
    out: Path | None = None
    record: Path | None = None  # folder for recordings, one folder a scan in it
    allow_remote: bool = False  # bind beyond loopback without keys
    site: Path | None = None  # the site's calibration file
    camera_length_mm: float | None = Field(None, gt=0)  # where the stream does not say it
    calibration: CalibrationSettings = CalibrationSettings()
    ingest: IngestSettings = IngestSettings()
    learn: LearnSettings = LearnSettings()
    ladder: LadderSettings = LadderSettings()
    recording: RecordingSettings = RecordingSettings()
    feed: FeedSettings = FeedSettings()
    requests: RequestSettings = RequestSettings()
    keep: KeepSettings = KeepSettings()
    curve: CurveSettings = CurveSettings()
    scan: ScanSettings = AS_TOLD
    detectors: tuple[DetectorSettings, ...] = ()  # virtual ones, beside bright and dark field

    _names_differ = field_validator("detectors")(check_names)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FileSource(settings_cls)


class _FileSource(PydanticBaseSettingsSource):
    """The TOML file that `load` was given, weakest of the sources."""

    content: Mapping[str, Any] = {}

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self.content.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self.content)


def load(file: Path | None, command_line: Mapping[str, Any]) -> Settings:
    """Settings from `file`, environment and `command_line` (nested dict, None = not given).

    Raises ConfigError with one line that names the setting and what it should be.
    """
    _FileSource.content = _read_toml(file) if file else {}
    try:
        return Settings(**_given(command_line))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"setting {name}: {first['msg']} (got {first['input']!r})") from error
    finally:
        _FileSource.content = {}


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error


def _given(tree: Mapping[str, Any]) -> dict[str, Any]:
    """`tree` without what was not given, so that weaker sources show through."""
    kept: dict[str, Any] = {}
    for name, value in tree.items():
        inner = _given(value) if isinstance(value, Mapping) else value
        if inner is not None and inner != {}:
            kept[name] = inner
    return kept
