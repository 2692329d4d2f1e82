"""What an artifact says of itself: the problems it was trained for and the rules around it (`model.json`)."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.pricing.guardrails import Rules
from models.pricing.instances import Instance

FRESH = "fresh"  # name of the network of fresh goods
FORMAT_VERSION = 2  # of `model.json` and of the networks beside it


class MarketSpec(BaseModel):
    """One problem and its limits; the network lies in `NAME.safetensors`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance: Instance
    rules: Rules = Rules()

    def limits(self) -> Rules:
        """The rules, with the largest change that the problem itself allows, whichever is smaller."""
        told = [each for each in (self.rules.largest_change, self.instance.largest_change) if each is not None]
        return self.rules.model_copy(update={"largest_change": min(told) if told else None})


class FreshSpec(BaseModel):
    """Fresh goods that one network prices; their numbers lie in `fresh_goods.safetensors`, the network in `fresh.safetensors`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    goods: tuple[str, ...] = Field(min_length=1)
    essential: tuple[bool, ...] = Field(description="of each good: never above its list price")
    prices: tuple[float, ...] = Field(min_length=2, description="over list price, ascending")
    waste_weight: float = Field(ge=0)
    variables: tuple[str, ...] = Field(min_length=12, description="of a state, in their order")
    rules: Rules = Rules()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.essential) != len(self.goods) or len(set(self.goods)) != len(self.goods):
            raise ValueError("fresh: a flag each and no good twice: retrain")
        return self


class ModelSpec(BaseModel):
    """Everything a predictor must know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    variables: tuple[str, ...] = Field(min_length=12, description="of a state, in their order")
    markets: tuple[MarketSpec, ...] = ()
    fresh: FreshSpec | None = None

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of what a network lies beside for."""
        return (*(each.instance.name for each in self.markets), *((FRESH,) if self.fresh else ()))

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.markets and self.fresh is None:
            raise ValueError("neither markets nor fresh goods: retrain")
        if FRESH in (each.instance.name for each in self.markets):
            raise ValueError(f"a market is called {FRESH}, as the network of fresh goods is: rename it")
        return self
