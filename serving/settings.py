"""The one reader of the environment in this room: `STORELOOP_SERVE_<NAME>`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyAddress, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_PORT = 3100  # Dagster's page has 3000
PIXELS_OF_A_REQUEST = 50_000_000  # at most, 150 MB decoded


class ServeSettings(BaseSettings):
    """Every knob of a running service, each settable as `STORELOOP_SERVE_<NAME>`.

    Durations carry their unit in the name; sizes are bytes; paths may be relative to the working directory.
    """

    model_config = SettingsConfigDict(env_prefix="STORELOOP_SERVE_", frozen=True, extra="ignore")

    releases: Path = Field(
        default=Path(".storeloop/releases"), description="Folder with one sub-folder a bot, each with a champion.json."
    )
    host: IPvAnyAddress = Field(default="127.0.0.1", validate_default=True, description="Address the service binds to.")
    port: int = Field(default=DEFAULT_PORT, ge=1, le=65535, description="TCP port of the service.")
    poll_s: float = Field(default=1.0, ge=0.05, le=3600, description="Seconds between two looks at champion.json.")
    deadline_ms: float = Field(
        default=250.0, ge=1, le=60_000, description="The model must answer one series within this time."
    )
    deadline_per_series_ms: float = Field(
        default=2.0, ge=0, le=1_000, description="Time added to the deadline for each further series of a request."
    )
    reasons_deadline_ms: float = Field(
        default=2_000.0, ge=1, le=60_000, description="Time added for each series whose reasons are asked for."
    )
    breaker_failures: int = Field(default=5, ge=1, le=1_000, description="Failures in a row that open the breaker.")
    breaker_reset_s: float = Field(
        default=10.0, ge=0.05, le=3_600, description="Rest before an open breaker is probed."
    )
    breaker_min_confidence: float = Field(
        default=0.5, ge=0, le=1, description="Least share of feature values that must lie inside the range of training."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that answer, each with the model in its memory and a breaker of its own: as many as cores, where "
        "many ask at once. Each takes over a new champion by itself, within `poll_s` of the others.",
    )
    model_threads: int = Field(default=2, ge=1, le=64, description="Threads of a process that run the model.")
    max_body_bytes: int = Field(default=1 << 20, ge=1_024, le=1 << 28, description="Largest request body accepted.")
    online_state: Literal["snapshot", "feast"] = Field(
        default="snapshot",
        description="Where feature values come from: the release's snapshot, or Feast's online store.",
    )
    feast_repo: Path | None = Field(default=None, description="Folder of the applied Feast repository, for `feast`.")
    online: Path | None = Field(
        default=None,
        description="Folder of what the recommender learns from feedback, shared by its replicas; none: nothing is learned.",
    )
    learner: Literal["process", "elsewhere"] = Field(
        default="elsewhere",
        description="Who learns in that folder: a process that this service starts and watches, or somebody else's.",
    )
    label_wait_s: float = Field(
        default=1_800.0, gt=0, le=30 * 86_400, description="Seconds in which a click on what was shown is expected."
    )
    publish_s: float = Field(
        default=1.0, ge=0.05, le=3_600, description="Seconds between two looks at what was learned, or is to be."
    )
    candidates: int = Field(
        default=200, ge=20, le=1_000, description="Items by the offline ranker that the online part puts in order."
    )
    explore: float = Field(
        default=0.1, ge=0, le=1, description="Share of slates in which one place is a trial, to learn of other items."
    )
    deadline_per_price_ms: float = Field(
        default=0.2, ge=0, le=1_000, description="Time added to the deadline for each further item that is priced."
    )
    pricing: Path | None = Field(
        default=None,
        description="Folder of what pricing writes down, shared by its replicas: clipped prices, proposals; none: the log alone.",
    )
    approval: bool = Field(
        default=False, description="Prices are proposed and go live only where somebody approves them at `/approvals`."
    )
    approvers: SecretStr = Field(
        default=SecretStr(""),
        description="Who may approve prices: `name:token`, several by commas, tokens of 16 or more.",
    )
    viewers: SecretStr = Field(default=SecretStr(""), description="Who may look at proposals, in the same way.")
    proposers: SecretStr = Field(
        default=SecretStr(""),
        description="What may call `reprice` in approval mode, in the same way; approvers may too. Without any token anybody may.",
    )
    boxes: SecretStr = Field(
        default=SecretStr(""),
        description="Boxes of shelf labels that may tell of their decisions at `/decisions`, in the same way.",
    )
    engineers: SecretStr = Field(
        default=SecretStr(""),
        description="Who may enrol products into the detector's gallery and take them out, in the same way; without any token nobody.",
    )
    picture_deadline_ms: float = Field(
        default=10_000.0,
        ge=1,
        le=60_000,
        description="The detector must find and name the items of a picture within this time.",
    )
    picture_pixels: int = Field(
        default=2 * PIXELS_OF_A_REQUEST,
        ge=PIXELS_OF_A_REQUEST,
        le=1 << 34,
        description="Pixels of pictures that a process holds decoded at once, 3 bytes each; further requests wait.",
    )
    picture_wait_s: float = Field(
        default=5.0, ge=0, le=50, description="Seconds that a request waits for that room; then the answer is 503."
    )
    proposal_s: float = Field(
        default=86_400.0, ge=1, le=30 * 86_400, description="Seconds in which a proposed price may be approved."
    )
    approved_s: float = Field(
        default=86_400.0, ge=1, le=365 * 86_400, description="Seconds for which an approved price is served."
    )
