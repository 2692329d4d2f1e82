"""The answer that is always there for fresh goods: the last approved markdown ladder of each, within the rules. No network is
asked, nor the numbers it was trained with."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.common.protocols import InputError
from models.pricing.fresh import LONGEST_LIFE, dearest
from models.pricing.guardrails import Limits, Ruled, Rules, limits_of_each
from models.pricing.instances import CHEAPEST, DEAREST
from models.pricing.market import Bools, Floats, Ints
from models.pricing.shelf import oldest

Multiple = Annotated[float, Field(ge=CHEAPEST, le=DEAREST)]  # of list price


class GoodLadder(BaseModel):
    """Of one good, over list price: `steps` while the oldest units have 1, 2, ... days left, `top` otherwise and without stock."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    good: str = Field(min_length=1, max_length=200)
    essential: bool = Field(description="never above its list price")
    unit_cost: float = Field(ge=0, le=10)
    ceiling: float = Field(gt=0, le=100)
    steps: tuple[Multiple, ...] = Field(max_length=LONGEST_LIFE)
    top: Multiple


class FreshLadders(BaseModel):
    """Ladders of K goods and the rules that they share."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    rules: Rules
    goods: tuple[GoodLadder, ...] = Field(min_length=1)
    made_by: str = Field(max_length=200, description="how they were chosen")

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(self.numbers) < len(self.goods):
            raise ValueError("fresh: a good has two ladders: give each one")
        return self

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Number of each good by name."""
        return {each.good: number for number, each in enumerate(self.goods)}

    def number_of(self, names: Sequence[str]) -> Ints:
        """Numbers (N,) of goods; InputError for the first that has no ladder."""
        for name in names:
            if name not in self.numbers:
                raise InputError(f"unknown good {name[:60]!r}: name one that has a ladder")
        return np.array([self.numbers[name] for name in names], dtype=np.int64)

    def bounds(self, number: Ints, listed: Floats, before: Floats) -> Limits:
        """What the rules leave of N prices of the goods of `number`, (N,) each, in money of today."""
        cost, most = self._cost[number] * listed, dearest(self._ceiling[number], listed)
        told = {"list_price": listed, "unit_cost": cost, "before": before, "ceiling": most}
        return limits_of_each(self.rules, self._essential[number], **told)

    def answer(self, number: Ints, listed: Floats, stock: Ints, before: Floats) -> Ruled:
        """Prices of N shelves: stock (N, W) units by days left, those that expire tonight first; the rest (N,)."""
        last = self._multiples.shape[1] - 1
        wanted = self._multiples[number, np.minimum(oldest(stock, last), last)] * listed
        return self.bounds(number, listed, before).within(wanted)

    @cached_property
    def _multiples(self) -> Floats:
        """(K, S + 1), each ladder's steps, then its top as often as it takes; no more than the ceiling."""
        most = max(len(each.steps) for each in self.goods)
        rows = [[*each.steps, *([each.top] * (most + 1 - len(each.steps)))] for each in self.goods]
        return np.asarray(np.minimum(rows, self._ceiling[:, None]))

    @cached_property
    def _ceiling(self) -> Floats:
        return np.array([each.ceiling for each in self.goods])

    @cached_property
    def _cost(self) -> Floats:
        return np.array([each.unit_cost for each in self.goods])

    @cached_property
    def _essential(self) -> Bools:
        return np.array([each.essential for each in self.goods])
