"""What an artifact says of itself: the problems it was trained for and the rules around it (`model.json`)."""

from pydantic import BaseModel, ConfigDict, Field

from models.pricing.guardrails import Rules
from models.pricing.instances import Instance

FORMAT_VERSION = 1  # of `model.json` and of the networks beside it


class MarketSpec(BaseModel):
    """One problem and its limits; the network lies in `NAME.safetensors`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance: Instance
    rules: Rules = Rules()

    def limits(self) -> Rules:
        """The rules, with the largest change that the problem itself allows, whichever is smaller."""
        told = [each for each in (self.rules.largest_change, self.instance.largest_change) if each is not None]
        return self.rules.model_copy(update={"largest_change": min(told) if told else None})


class ModelSpec(BaseModel):
    """Everything a predictor must know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    variables: tuple[str, ...] = Field(min_length=12, description="of a state, in their order")
    markets: tuple[MarketSpec, ...] = Field(min_length=1)
