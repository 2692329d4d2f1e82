"""Every knob of the online learner."""

import hashlib
import json

from pydantic import BaseModel, ConfigDict, Field


class FtrlConfig(BaseModel):
    """Knobs that decide what is learned: two learners of one config and one journal hold the same state."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(
        0.5, gt=0, le=10, description="rate of a weight, times beta, before it learns; it falls as its gradients add up"
    )
    beta: float = Field(
        1.0, gt=0, le=100, description="squared gradients of a weight below which its rate hardly falls"
    )
    l1: float = Field(
        0.1,
        ge=0,
        le=1_000,
        description="gradient that a weight has to collect before it leaves 0: fewer weights to carry",
    )
    l2: float = Field(
        1.0, ge=0, le=1_000, description="pull of every weight to 0, where the offline ranker has the last word"
    )
    bits: int = Field(
        18, ge=8, le=24, description="2 ** bits places for weights; at 18 and 10,000 items few features share a place"
    )
    hash_seed: int = Field(0, ge=0, lt=2**63, description="another seed puts features that shared a place apart")
    half_life_events: int | None = Field(
        None,
        ge=100,
        le=10**10,
        description="events after which what was learned counts half; None never forgets, for a shop without fashions",
    )
    forget_every_events: int = Field(
        50_000,
        ge=100,
        le=10**9,
        description="events between two forgettings; each takes a second for a few million weights",
    )

    def identity(self) -> str:
        """SHA-256 of all knobs, by which a snapshot knows its config."""
        settings = self.model_dump(mode="json")
        return hashlib.sha256(json.dumps(settings, sort_keys=True, allow_nan=False).encode()).hexdigest()


class FeedbackConfig(BaseModel):
    """Knobs of the journal of feedback and of the snapshots."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label_wait_s: float = Field(
        1_800.0, gt=0, le=30 * 86_400, description="seconds after which an impression without a click is a label 0"
    )
    remember_s: float = Field(
        7 * 86_400.0,
        gt=0,
        le=400 * 86_400,
        description="seconds for which an impression is known again when it comes twice; older feedback is refused",
    )
    snapshot_every: int = Field(
        50_000, ge=1, le=10**9, description="events between snapshots: what a restart has to learn again at most"
    )
    snapshots_kept: int = Field(3, ge=2, le=100, description="newest snapshots kept; one may be found broken")
    chunk: int = Field(
        8_192, ge=1, le=10**6, description="events read from the journal at a time: memory, nothing else"
    )

    @classmethod
    def of_wait(cls, label_wait_s: float) -> "FeedbackConfig":
        """The defaults with another wait for clicks, remembered for as long at least: alike for who writes and who learns."""
        return cls(label_wait_s=label_wait_s, remember_s=max(cls().remember_s, label_wait_s))
