"""What an artifact says of itself: item names, how its parts are weighed, whether a ranker follows (`model.json`)."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT_VERSION = 1  # of `model.json` and of the arrays beside it


class Mix(BaseModel):
    """Weights in the score `sequence * logit + linear * log(floor + linear score) + popularity * log(1 + customers)`.

    The linear score is close to a probability and the network's answer a logit, so that they meet as logarithms: the wide
    part of Wide & Deep (Cheng et al. 2016) says what is known of pairs, the deep part generalises.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: float = Field(ge=0, description="weight of the sequence network's logit")
    linear: float = Field(ge=0, description="weight of the logarithm of the regression of items on items")
    popularity: float = Field(description="weight of the logarithm of how many customers took an item")

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that have a say."""
        return tuple(name for name in ("sequence", "linear", "popularity") if getattr(self, name))


class ModelSpec(BaseModel):
    """Everything a predictor must know beside its arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    items: tuple[str, ...] = Field(min_length=1, description="names of the I items, in the order of all arrays")
    categories: tuple[str, ...] = Field((), description="category of each item, '' unknown; none where no item has one")
    mix: Mix
    linear_floor: float = Field(gt=0, description="added to linear scores, none below 0, before their logarithm")
    candidates: int = Field(
        ge=0, description="best items by the mix that the ranker puts in order; 0 = there is no ranker"
    )
    attributes: int = Field(ge=0, description="number of attribute values")
    query_decay: float = Field(gt=0, le=1, description="what an item of a history counts less for each taken after it")
    max_length: int = Field(ge=1, description="newest items of a history that the network reads")

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if self.categories and len(self.categories) != len(self.items):
            raise ValueError(f"{len(self.categories)} categories for {len(self.items)} items: give one each, or none")
        return self
