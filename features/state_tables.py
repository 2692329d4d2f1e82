"""The tables that a state is made of, and how much of each an origin can see."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.sales import days_later

PROMOTION_ECHO_DAYS = 7  # how long a promotion's buyers may stay away after it

# How many days up to its origin, that day included, a state reads of each table; of promotions those that ended within.
TABLE_DAYS = {
    "sales": 364 + 91,
    "prices": 364,
    "promotions": 364 + PROMOTION_ECHO_DAYS,
    "marks": 364 + 1,
    "inventory": 28,
    "weather": 364 + 28,
    "social_heat": 91,
}


@dataclass(frozen=True)
class StateTables:
    """The tables that the state is made of, in the columns of their contracts; None where the source has none.

    `marks` are the source's covariates, which tell promoted days where it has no promotions (see `state_marks`).
    """

    sales: ir.Table
    series: ir.Table
    prices: ir.Table | None = None
    promotions: ir.Table | None = None
    inventory: ir.Table | None = None
    weather: ir.Table | None = None
    social_heat: ir.Table | None = None
    marks: ir.Table | None = None

    @property
    def provided(self) -> frozenset[str]:
        """Names of the tables that are there; marks tell promotions."""
        there = {each.name for each in fields(self) if getattr(self, each.name) is not None}
        return frozenset(there | ({"promotions"} if "marks" in there else set()))


@dataclass(frozen=True)
class Sight:
    """What the origins can see: the distinct `origins` (one date column `origin`), the first and the last of them."""

    origins: ir.Table
    first: Any
    last: Any
    step: int

    @classmethod
    def of(cls, origins: Sequence[date] | ir.Table | None, sales: ir.Table, step: int) -> "Sight":
        """From dates, a table with `origin`, or None for every period of `sales`."""
        if origins is None or isinstance(origins, ir.Table):
            table = sales.select(origin="period_start") if origins is None else origins.select("origin")
            table = table.distinct()
            return cls(table, table.origin.min().as_scalar(), table.origin.max().as_scalar(), step)
        if not origins:
            raise ValueError("origins is empty: give at least one date, or None for every period")
        table = ibis.memtable(pa.table({"origin": pa.array(sorted(set(origins)), pa.date32())}))
        return cls(table, ibis.literal(min(origins)), ibis.literal(max(origins)), step)

    def promotions(self, promotions: ir.Table) -> ir.Table:
        """Those that had begun by the last origin and whose end is not too long ago for the first one."""
        oldest = days_later(self.first, ibis.literal(1 - TABLE_DAYS["promotions"]))
        return promotions.filter((promotions.ends_on >= oldest) & (promotions.starts_on <= self.last))

    def rows(self, table: ir.Table, column: str, reach: int) -> ir.Table:
        """The rows from `reach` days before the end of the first origin to the last one, their day called `day`."""
        oldest = days_later(self.first, ibis.literal(1 - reach))
        table = table.filter(table[column].between(oldest, self.last))
        return table if column == "day" else table.rename(day=column)
