"""Pricing problems told completely, so that the best policy can be worked out and any other measured against it.

A file of instances is JSON or YAML: `{"instances": [...]}`, each entry one of the two kinds below. A perishable is sold
over `periods`; goods are delivered, age, and are thrown away when they expire. A capacity (seats, slots) is there once.
What else moves demand are factors: Markov chains of a few levels that everybody sees before the price is set.
"""

import json
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from models.common.protocols import DataError

FactorName = Literal["competitor_price", "substitute_price", "weather", "attention", "willingness"]
MOST_BYTES = 16 * 1024**2
SUMS_TO_ONE = 1e-6
MOST_LEVELS = 500  # of all factors together
MOST_VALUES = 20_000_000  # of a table of periods, levels and prices
STEEPEST = 1e-4
CHEAPEST, DEAREST = 0.01, 100.0  # times list price
Price = Annotated[float, Field(ge=0.01, le=1e8)]
Chance = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1_000)]
Arrivals = Annotated[float, Field(ge=0, le=1e5)]
SHIPPED = Path(__file__).with_name("instances.yaml")


class Strict(BaseModel):
    """Frozen, and closed to keys that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Level(Strict):
    """One level of a factor: what is shown, and what it does to demand and to what customers are willing to pay."""

    value: float = Field(
        ge=-100,
        le=100,
        description="as the state shows it: a price over list price, degrees over usual by 10, an index around 1",
    )
    demand: float = Field(1.0, gt=0, le=20, description="times the mean demand")
    willingness: float = Field(
        1.0, gt=0.05, le=20, description="times what customers are willing to pay: prices look dearer below 1"
    )


class Factor(Strict):
    """A Markov chain that moves once a period; `start` is the level of the first one."""

    name: FactorName
    levels: tuple[Level, ...] = Field(min_length=1, max_length=12)
    transition: tuple[tuple[Chance, ...], ...] | None = Field(
        None, description="chances of the next level, a row a level; none: `stay`, else any other level alike"
    )
    stay: float = Field(0.8, ge=0, le=1, description="chance that a level stays for another period")
    start: int = Field(0, ge=0, description="number of the first period's level")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        count = len(self.levels)
        if len({level.value for level in self.levels}) < count:
            raise ValueError(
                f"factor {self.name}: two levels show the same value, so nobody can tell them apart: join them"
            )
        if self.start >= count:
            raise ValueError(f"factor {self.name}: start {self.start} is no level: give 0 to {count - 1}")
        if self.transition is not None:
            if len(self.transition) != count or any(len(row) != count for row in self.transition):
                raise ValueError(f"factor {self.name}: transition must be {count} rows of {count} chances")
            for row in self.transition:
                if abs(sum(row) - 1) > SUMS_TO_ONE:
                    raise ValueError(f"factor {self.name}: a row of transition is {row}: chances that sum to 1")
        return self


class Delivery(Strict):
    """Goods that arrive before a period's price is set: `units` each time, or as many as fill up to `up_to`."""

    every: int = Field(1, ge=1, le=10_000, description="periods between deliveries")
    first: int = Field(0, ge=0, le=10_000, description="period of the first one")
    units: int | None = Field(None, ge=0, le=100_000)
    up_to: int | None = Field(None, ge=1, le=100_000)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.units is None) == (self.up_to is None):
            raise ValueError("delivery: give either units or up_to")
        return self


class Problem(Strict):
    """What both kinds share."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    periods: int = Field(ge=1, le=2_000)
    periods_per_day: int = Field(1, ge=1, le=96, description="price changes a day; the state shows the hour by them")
    list_price: Price
    prices: tuple[Price, ...] = Field(min_length=2, max_length=64, description="those that may be asked, any order")
    unit_cost: float = Field(0.0, ge=0, le=1e6)
    largest_change: float | None = Field(
        None, gt=0, le=10, description="largest move from one period's price to the next, as a fraction of list price"
    )
    leftover: float = Field(0.0, ge=-1e6, le=1e6, description="worth of a unit that is left after the last period")
    dispersion: float | None = Field(
        None, gt=0, le=1e4, description="shape r of a negative binomial demand, variance m + m^2/r; none: Poisson"
    )
    factors: tuple[Factor, ...] = Field((), max_length=5)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if len(set(self.prices)) != len(self.prices):
            raise ValueError(f"{self.name}: prices hold one twice: give each once")
        if self.list_price not in self.prices:
            raise ValueError(f"{self.name}: list_price {self.list_price} is not among the prices: add it")
        names = [factor.name for factor in self.factors]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: factors {names} hold one twice: join their levels")
        low, high = min(self.prices) / self.list_price, max(self.prices) / self.list_price
        if low < CHEAPEST or high > DEAREST:
            raise ValueError(
                f"{self.name}: prices lie {low:g} to {high:g} times list price: {CHEAPEST} to {DEAREST} can be told"
            )
        levels = prod(len(factor.levels) for factor in self.factors)
        values = self.periods * levels * max(len(self.prices), 64)
        if levels > MOST_LEVELS or values > MOST_VALUES:
            raise ValueError(
                f"{self.name}: {levels:,} joint levels (at most {MOST_LEVELS}) make {values:,} values (at most {MOST_VALUES:,}): "
                "fewer levels or periods"
            )
        return self


class PerishableInstance(Problem):
    """Goods that age. Units sold are the oldest, unless customers pick the newest."""

    kind: Literal["perishable"]
    shelf_life: int = Field(ge=1, le=60, description="periods a delivered unit can be sold in")
    room: int = Field(ge=1, le=100_000, description="units that fit the shelf; what a delivery has beyond stays away")
    stock: tuple[int, ...] = Field((), description="units before the first delivery by periods left, least first")
    delivery: Delivery
    disposal_cost: float = Field(0.0, ge=0, le=1e6, description="of a unit thrown away, beside what it cost")
    picking: Literal["oldest", "newest"] = "oldest"
    mean: float = Field(gt=0, le=1e5, description="units a period at list price, all factors at 1")
    profile: tuple[Weight, ...] = Field((1.0,), min_length=1, description="times the mean, by period, over and over")
    elasticity: float = Field(gt=0, le=20, description="of demand to price, at list price, as a positive number")
    response: Literal["power", "logit"] = Field(
        "power", description="power: (p / list)^-elasticity; logit: a share of visitors with that elasticity at list"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.stock) > self.shelf_life or sum(self.stock) > self.room or min(self.stock, default=0) < 0:
            raise ValueError(f"{self.name}: stock {self.stock} must be at most {self.shelf_life} ages in {self.room}")
        if max(self.profile[: self.periods]) <= 0:
            raise ValueError(f"{self.name}: profile {self.profile} lets nobody come: one must be above 0")
        comes = self.delivery.first < self.periods and (self.delivery.units or self.delivery.up_to)
        if not comes and not sum(self.stock):
            raise ValueError(f"{self.name}: no stock and no delivery before the end: there is nothing to sell")
        return self


class Segment(Strict):
    """Customers who want one unit each. Their willingness to pay is logistic: half of them pay `willingness`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    arrivals: tuple[Arrivals, ...] = Field(min_length=1, description="mean number a period, the last one goes on")
    willingness: Price
    spread: float = Field(gt=0, le=1e6, description="scale of the logistic distribution, in the price's unit")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.spread < STEEPEST * self.willingness:
            raise ValueError(
                f"segment {self.name}: spread {self.spread:g} is under {STEEPEST} of the willingness: widen it"
            )
        return self


class CapacityInstance(Problem):
    """Units that are there once, sold until the last period."""

    kind: Literal["capacity"]
    capacity: int = Field(ge=1, le=100_000)
    segments: tuple[Segment, ...] = Field(min_length=1, max_length=8)

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not any(sum(segment.arrivals[: self.periods]) for segment in self.segments):
            raise ValueError(f"{self.name}: nobody comes before the end: give arrivals")
        return self


Instance = Annotated[PerishableInstance | CapacityInstance, Field(discriminator="kind")]


class InstanceFile(Strict):
    """A file of instances."""

    instances: tuple[Instance, ...] = Field(min_length=1, max_length=1_000)

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [each.name for each in self.instances]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"instances {twice} are there twice: give each a name of its own")
        return self


def read_instances(path: Path) -> tuple[Instance, ...]:
    """The instances of a JSON or YAML file; DataError names the file, the field, the value and the bound."""
    if not path.is_file():
        raise DataError(f"{path} is no file: give a JSON or YAML file of instances")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path} has {path.stat().st_size} bytes, at most {MOST_BYTES}: split it")
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        loaded = yaml.safe_load(text) if path.suffix in (".yaml", ".yml") else json.loads(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read: {str(error)[:200]}: write JSON or YAML in UTF-8") from error
    return check_instances(loaded, str(path))


def check_instances(loaded: object, origin: str = "instances") -> tuple[Instance, ...]:
    """Instances of plain data, `{"instances": [...]}`; DataError as `read_instances`."""
    try:
        return TypeAdapter(InstanceFile).validate_python(loaded).instances
    except ValidationError as error:
        raise DataError(f"{origin}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    one = error.errors(include_url=False)[0]
    where: Sequence[object] = one["loc"]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{'.'.join(map(str, where)) or 'file'}: {one['msg']}, found {str(one['input'])[:120]}{more}"
