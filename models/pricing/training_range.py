"""How far a situation lies outside what a market's network was trained on: there the last approved ladder answers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.pricing.guardrails import CENT
from models.pricing.market import FACTORS, Bools, Floats, Ints, Market


@dataclass(frozen=True)
class Outside:
    """Where N situations lie outside in one variable: `value` (N,), NaN where it was not given; the range `low` to `high`;
    `rows` (N,) that lie outside."""

    variable: str
    value: Floats
    low: float
    high: float
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
        some = stock > 0
        longest = np.where(some.any(axis=1), stock.shape[1] - some[:, ::-1].argmax(axis=1), 0)
        count = len(period)
        told: list[tuple[str, Floats, float, float, float]] = [
            ("period", period.astype(np.float64), 0, self.periods - 1, 0.0),
            ("stock", stock.sum(axis=1).astype(np.float64), 0, self.room, 0.0),
            ("periods_left", longest.astype(np.float64), 0, self.ages, 0.0),
            ("before", before, self.cheapest, self.dearest, CENT / 2),
        ]
        for name, (low, high) in self.factors.items():
            told.append((name, factors.get(name, np.full(count, np.nan)), low, high, 1e-9))
        found, anywhere = [], np.zeros(count, dtype=np.bool_)
        for name, value, low, high, tolerance in told:
            rows = ~((value >= low - tolerance) & (value <= high + tolerance))
            if rows.any():
                found.append(Outside(name, value, low, high, rows))
                anywhere |= rows
        return tuple(found), anywhere
