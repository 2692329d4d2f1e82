"""Every knob of the recommender."""

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[str, ...] = Field(
        ("purchase", "play", "rating", "interaction"),
        min_length=1,
        description="kinds of interaction that say that a customer took an item; looks and clicks say less",
    )
    min_judged: int = Field(
        20, ge=2, le=1_000_000, description="customers with three items or more below which nothing can be chosen or judged"
    )
