"""What an artifact says of itself (`model.json`): the shop that it knows, and how its numbers are to be read."""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.behaviour.shop import Shop

FORMAT_VERSION = 1
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the quantiles of what is left of a stop


class ShopSpec(BaseModel):
    """A shop's gondolas and lanes, see `models.behaviour.shop.Shop`; lengths in metres."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    front: tuple[tuple[float, float], ...] = Field(min_length=1)
    facing: tuple[tuple[float, float], ...]
    width: tuple[float, ...]
    gondola: tuple[int, ...] = Field(min_length=1)
    lane: tuple[int, ...]
    level: tuple[int, ...]
    left: tuple[float, ...]
    right: tuple[float, ...]
    product: tuple[int, ...]
    products: tuple[str, ...]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        lanes = {len(each) for each in (self.gondola, self.lane, self.level, self.left, self.right, self.product)}
        if len(lanes) > 1 or len({len(self.front), len(self.facing), len(self.width)}) > 1:
            raise ValueError("lanes or gondolas of different counts: write the artifact again")
        return self

    @classmethod
    def of(cls, shop: Shop) -> "ShopSpec":
        """The shop as it is written."""
        told = {name: getattr(shop, name) for name in cls.model_fields}
        return cls(**{name: each.tolist() if isinstance(each, np.ndarray) else each for name, each in told.items()})

    def shop(self) -> Shop:
        """The shop as it is computed with."""
        gondola, lane, level = (np.array(each, dtype=np.int64) for each in (self.gondola, self.lane, self.level))
        front, facing, width, left, right = (
            np.array(getattr(self, name), dtype=np.float64) for name in ("front", "facing", "width", "left", "right")
        )
        product = np.array(self.product, dtype=np.int64)
        return Shop(front, facing, width, gondola, lane, level, left, right, product, self.products)


class ModelSpec(BaseModel):
    """Everything a predictor must know beside the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    shop: ShopSpec
    zone_m: float = Field(gt=0)
    zone_beside_m: float = Field(ge=0)
    recency_s: float = Field(gt=0)
    together: float = Field(gt=0, description="steps that err as one: by how much seconds of attention spread")
    left_scale_s: float = Field(gt=0, description="seconds in whose unit the network tells what is left of a stop")
