"""How far a situation lies outside what a market's network was trained on: there the last approved ladder answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.pricing.guardrails import CENT
from models.pricing.market import FACTORS, Bools, Floats, Ints, Market

Told = tuple[str, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, float]  # name, values, low, high, tolerance


@dataclass(frozen=True)
class Outside:
    """Where N situations lie outside in one variable: `value` (N,), NaN where it was not given; the ranges `low` to `high`
    (N,); `rows` (N,) that lie outside."""

    variable: str
    value: Floats
    low: Floats
    high: Floats
    rows: Bools

    @property
    def by(self) -> Floats:
        """How far (N,) beyond the nearer end, in the variable's unit; 0 inside, NaN where it was not given."""
        return np.maximum(np.maximum(self.low - self.value, self.value - self.high), 0.0)


@dataclass(frozen=True)
class TrainingRange:
    """What the network of a market has seen: periods, units in all, periods left of a unit, prices before, and each factor
    between its levels. Units: periods, units, the currency of the price, and the factor's own."""

    periods: int
    room: int
    ages: int
    cheapest: float
    dearest: float
    factors: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, market: Market) -> "TrainingRange":
        """The range of a market."""
        shown = market.chain.shown
        known = {name: shown[:, number] for number, name in enumerate(FACTORS) if not np.isnan(shown[0, number])}
        return cls(
            periods=market.periods,
            room=market.room,
            ages=market.ages,
            cheapest=float(market.prices[0]),
            dearest=float(market.prices[-1]),
            factors={name: (float(levels.min()), float(levels.max())) for name, levels in known.items()},
        )

    def outside(
        self, period: Ints, stock: Ints, before: Floats, factors: Mapping[str, Floats]
    ) -> tuple[tuple[Outside, ...], Bools]:
        """Variables in which some of N situations lie outside, and which situations (N,) do in any.

        period, before (N,); stock (N, W) units by periods left, W of any length; a factor (N,), NaN or no entry: not given.
        """
        told: list[Told] = [
            ("period", period, 0, self.periods - 1, 0.0),
            ("stock", stock.sum(axis=1), 0, self.room, 0.0),
            ("periods_left", longest_left(stock), 0, self.ages, 0.0),
            ("before", before, self.cheapest, self.dearest, CENT / 2),
        ]
        for name, (low, high) in self.factors.items():
            told.append((name, factors.get(name, np.full(len(period), np.nan)), low, high, 1e-9))
        return outside_in(told)


def longest_left(stock: Ints) -> Ints:
    """Periods left (N,) of the newest units of stock (N, W), those that expire first in the first column; 0 without stock."""
    some = stock > 0
    return np.where(some.any(axis=1), stock.shape[1] - some[:, ::-1].argmax(axis=1), 0)


def outside_in(told: Sequence[Told]) -> tuple[tuple[Outside, ...], Bools]:
    """Of variables with their values (N,), bounds and tolerance, those in which some of N lie outside; which (N,) do in any."""
    found: list[Outside] = []
    anywhere: Bools = np.zeros(np.shape(told[0][1]), dtype=np.bool_)
    for name, *given, tolerance in told:
        value, low, high = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in given))
        rows = ~((value >= low - tolerance) & (value <= high + tolerance))
        if rows.any():
            found.append(Outside(name, value, low, high, rows))
            anywhere |= rows
    return tuple(found), anywhere


def told_by_row(outside: Sequence[Outside]) -> dict[int, list[dict[str, Any]]]:
    """By row that lies outside: variable, its low and high, value and how far beyond, None where it was not given."""
    found: dict[int, list[dict[str, Any]]] = {}
    for each in outside:
        by = each.by
        for row in np.flatnonzero(each.rows).tolist():
            told = {"variable": each.variable, "low": float(each.low[row]), "high": float(each.high[row])}
            given = not np.isnan(each.value[row])
            values = {"value": float(each.value[row]), "by": float(by[row])} if given else {"value": None, "by": None}
            found.setdefault(row, []).append({**told, **values})
    return found
