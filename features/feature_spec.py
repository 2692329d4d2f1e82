"""What a documented feature is: its name, meaning, unit, group, and the tables it is made of."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

Frequency = Literal["daily", "weekly"]
Group = Literal[
    "level",
    "spread",
    "trend",
    "intermittency",
    "weekly season",
    "yearly season",
    "hierarchy",
    "stock",
    "launch and history",
    "promotion",
    "price",
    "social heat",
    "weather",
    "calendar",
]
GROUPS: tuple[Group, ...] = get_args(Group)
BASIC_TABLES = ("sales", "series")  # what every source of demand has


@dataclass(frozen=True)
class FeatureSpec:
    """One state feature. `unit` is "sales" for the unit of the series (units or a currency) per period.

    `needs` are the tables it is made of: a source that lacks one of them lacks the feature.
    """

    name: str
    meaning: str
    unit: str
    frequency: Literal["daily", "weekly", "both"] = "both"
    group: Group = "level"
    needs: tuple[str, ...] = BASIC_TABLES


@dataclass(frozen=True)
class Feature:
    """A feature beside the expression that gives its value (an Ibis deferred expression on rolled columns)."""

    name: str
    meaning: str
    unit: str
    value: Any


@dataclass(frozen=True)
class Family:
    """Features of one group: `make(windows)` lists them and asks for their windows."""

    group: Group
    make: Callable[[Any], Iterable[Feature]]
    needs: tuple[str, ...] = ()
    daily_only: bool = False


def ratio(numerator: Any, denominator: Any) -> Any:
    """The quotient, null where the denominator is 0."""
    return numerator / denominator.nullif(0.0)
