"""Goods that age, in many shops at once: what one network prices, each in units of its own list price.

A day of a shelf: what was ordered arrives, the price is asked, customers come, the oldest units go first, what expired is
thrown away, the rest ages; at night the shop orders up to a level, which reaches the shelf `lead` mornings later. Orders
follow the shop's own rule; selling a unit more today is buying one more tomorrow.
"""

from dataclasses import dataclass, fields

import numpy as np

from models.common.protocols import DataError
from models.pricing.market import Bools, Floats, Ints
from models.pricing.shelf import age, take

WEEK = 7
LONGEST_LIFE, LONGEST_LEAD = 30, 2
AHEAD = 14  # days of demand that a situation tells
FREE, ESSENTIAL = 100.0, 1.0  # ceilings over list price: none, and that of essential goods
LEAST_LEVEL, MOST_LEVEL = 1e-3, 500.0  # units a day


@dataclass(frozen=True)
class Goods:
    """K goods, each a product in a shop; money over list price.

    `level` (K,) expected units a day at list price, by weekday times `week` (K, 7), Monday first; `level_error` and
    `elasticity_error` (K,) standard errors of their logs; `dispersion` (K,) shape r of a negative binomial; `cost` of a unit
    and `disposal` of one thrown away; `ceiling` that no price goes above (essential
    goods: 1); `life` days a unit can be sold in; `lead` mornings from order to shelf; `every` nights
    there is an order; `up_to` units on the shelf and on the way that an order fills up to.
    """

    level: Floats
    week: Floats
    level_error: Floats
    elasticity: Floats
    elasticity_error: Floats
    dispersion: Floats
    cost: Floats
    disposal: Floats
    ceiling: Floats
    life: Ints
    lead: Ints
    every: Ints
    up_to: Ints

    def __post_init__(self) -> None:
        count = len(self.level)
        bounds = {
            "level": (LEAST_LEVEL, MOST_LEVEL),
            "week": (0.0, 20.0),
            "level_error": (0.0, 2.0),
            "elasticity": (0.0, 20.0),
            "elasticity_error": (0.0, 2.0),
            "dispersion": (0.05, 1e4),
            "cost": (0.0, 10.0),
            "disposal": (0.0, 10.0),
            "ceiling": (0.01, 100.0),
            "life": (1, LONGEST_LIFE),
            "lead": (1, LONGEST_LEAD),
            "every": (1, WEEK),
            "up_to": (0, 100_000),
        }
        if not count:
            raise DataError("goods: none: give at least one")
        for name, (low, high) in bounds.items():
            values = getattr(self, name)
            if values.shape != ((count, WEEK) if name == "week" else (count,)):
                raise DataError(f"goods.{name}: shape {values.shape}, {count} goods: give a value each")
            wrong = ~((values >= low) & (values <= high))
            if wrong.any():
                raise DataError(
                    f"goods.{name}: {values[wrong].ravel()[0]:g} lies outside [{low:g}, {high:g}]: mend or drop it"
                )

    def __len__(self) -> int:
        return len(self.level)

    @property
    def ages(self) -> int:
        """L: days that the longest-lived good can be sold in."""
        return int(self.life.max())

    @property
    def scale(self) -> Floats:
        """Units of list price (K,) that rewards are divided by: slow goods are not told louder than they bring."""
        return scale_of(self.level)

    def rows(self, chosen: Ints) -> "Goods":
        """The goods of numbers `chosen`."""
        return Goods(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


def scale_of(level: Floats) -> Floats:
    """What rewards of goods of a level, units a day, are divided by."""
    return np.asarray(level + 0.5)


def dearest(ceiling: Floats, listed: Floats) -> Floats:
    """Money (N,) that no price goes above, of ceilings over list price; infinite where there is none."""
    return np.where(ceiling < FREE, ceiling * listed, np.inf)


@dataclass(frozen=True)
class Situation:
    """N shelves in the morning, deliveries in: `mean` (N, AHEAD) expected units at list price, today first; `elasticity`,
    `elasticity_error`, `dispersion`, `cost`, `disposal`, `ceiling`, `life`, `lead`, `up_to` and `scale` as in Goods; `stock`
    (N, L) units by days left, the column of those that expire tonight first; `coming` units that arrive tomorrow whatever
    happens; `wait` nights until the next order, 0 tonight; `before` the price until now over list price; `weekday` 0 on
    Monday."""

    mean: Floats
    elasticity: Floats
    elasticity_error: Floats
    dispersion: Floats
    cost: Floats
    disposal: Floats
    ceiling: Floats
    life: Ints
    lead: Ints
    up_to: Ints
    scale: Floats
    stock: Ints
    coming: Ints
    wait: Ints
    before: Floats
    weekday: Ints

    def rows(self, chosen: Ints) -> "Situation":
        """The shelves of numbers `chosen`."""
        return Situation(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


@dataclass(frozen=True)
class Night:
    """What a day did, fields (...): units sold, thrown away and ordered; the next morning's `stock` (..., L) with what arrived,
    and `coming` the morning after."""

    sold: Ints
    wasted: Ints
    ordered: Ints
    stock: Ints
    coming: Ints


def pass_day(goods: Goods, stock: Ints, coming: Ints, asked: Ints, due: Bools, usual: Floats) -> Night:
    """A day and a night of N shelves, one of `goods` each, when `asked` (N, K) units are asked for under K prices.

    `stock` (N, L), `coming` (N,); `due` (N,) where there is an order tonight; `usual` (N,) units the shop expects to sell
    tomorrow: of what will expire before an order arrives, only so much counts as stock.
    """
    sold = np.minimum(asked, stock.sum(axis=1)[:, None])
    older, wasted = age(take(stock[:, None, :], sold, newest_first=False), keeps=False)
    late = (goods.lead > 1)[:, None]
    on_way = np.where(late, coming[:, None], 0)
    lost = older[..., 0] + np.where((goods.life == 1)[:, None], on_way, 0) - np.floor(usual)[:, None].astype(np.int64)
    position = older.sum(axis=2) + on_way - np.where(late, np.maximum(lost, 0), 0)
    ordered = np.where(due[:, None], np.maximum(goods.up_to[:, None] - position, 0), 0)
    arrives = np.where(late, on_way, ordered)
    # Fresh units have their whole life before them.
    fresh = np.arange(older.shape[2]) == (goods.life - 1)[:, None]
    return Night(sold, wasted, ordered, older + arrives[..., None] * fresh[:, None, :], np.where(late, ordered, 0))
