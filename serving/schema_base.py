"""What the requests and replies of all bots have in common: bounded, unknown fields refused."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

PAGE_MAX = 1_000

Breaker = Literal["closed", "open", "half_open"]


class Request(BaseModel):
    """What a caller sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reply(BaseModel):
    """What is sent back."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageRequest(Request):
    """One page of the ids that a service knows."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"prefix": "", "limit": 100}})

    prefix: str = Field(default="", max_length=200, description="Only those whose id starts so.")
    after: str = Field(
        default="", max_length=200, description="Continue after this id (`next_after` of the last page)."
    )
    limit: int = Field(default=100, ge=1, le=PAGE_MAX, strict=True, description="How many a page.")


class PageReply(Reply):
    """Known ids in their order."""

    total: int = Field(description="How many match the prefix.")
    next_after: str | None = Field(description="Send as `after` for the next page; null on the last one.")


class ModelRequest(Request):
    """Nothing to say: send `{}`."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {}})


class CardReply(Reply):
    """Which champion answers, and whether something is wrong."""

    bot: str
    artifact_id: str
    registry_version: str
    trained_until: date | None
    metrics: list[dict[str, JsonValue]] = Field(description="Rows of its report, measured when it was trained.")
    breaker: Breaker
    swaps: int = Field(description="Champions taken over since the service started, the first not counted.")
    problem: str | None = Field(
        description="Why the champion of champion.json is not the one that answers; null if it is."
    )
