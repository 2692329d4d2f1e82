"""The state a price is chosen from: every variable with its unit and its source, none of them a person's.

One function, `Assembler.assemble`, builds it, for training, evaluation and serving alike.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.pricing.fluid import Fluid, to_the_end
from models.pricing.market import FACTORS, NO_TARGET, SMALLEST, Floats, Ints, Market

AGE_CLASSES = 6  # stock by periods left: 1, 2, ... 5, and 6 or more
MOST_GAIN = 1e3  # in the market's scale, where a whole episode brings about 10
MOST_COVER = 50.0  # times the demand: beyond, more stock says nothing new


@dataclass(frozen=True)
class Variable:
    """One entry of the state."""

    name: str
    unit: str
    source: str


_CLOCK, _STOCK, _DEMAND, _ORDERS = "clock of the shop", "stock by expiry date", "demand model", "orders under way"
_BOTH = f"{_STOCK}, {_DEMAND}"
_SHOWN = {
    "competitor_price": ("over list price", "price watch"),
    "substitute_price": ("over list price", "price labels of the substitute"),
    "weather": ("degrees over usual / 10", "weather service"),
    "attention": ("index, 1 = usual", "counts of the shop's cameras"),
    "willingness": ("index, 1 = usual", "aggregate of at least 20 people a store and hour"),
}
SETTING: tuple[Variable, ...] = (
    Variable("to_go", "share of all periods, this one included", _CLOCK),
    Variable("hour_sin", "sine of the time of day", _CLOCK),
    Variable("hour_cos", "cosine of the time of day", _CLOCK),
    Variable("week_sin", "sine of the day of the week", _CLOCK),
    Variable("week_cos", "cosine of the day of the week", _CLOCK),
    Variable("next_delivery", "1 / periods to the next delivery, 0 for none", _ORDERS),
    Variable("coming", "units of the next delivery over the room", _ORDERS),
    *(Variable(name, f"{_SHOWN[name][0]}; 0 where not observed", _SHOWN[name][1]) for name in FACTORS),
    Variable("demand_now", "expected demand at list price over its mean", _DEMAND),
    Variable("demand_to_go", "expected demand at list price to the end over the room", _DEMAND),
    Variable("elasticity", "at list price, now", _DEMAND),
    Variable("premium", "share of arrivals of the segment that pays most", "bookings by segment"),
    Variable("best_alone", "price of the highest margin if stock were free, over list price", _DEMAND),
    Variable("cost", "unit cost over list price", "purchasing"),
)
SHELF: tuple[Variable, ...] = (
    Variable("stock", "share of the room", _STOCK),
    *(Variable(f"stock_left_{k}", "share of the room", f"{_STOCK}: {k} periods left") for k in range(1, AGE_CLASSES)),
    Variable(f"stock_left_{AGE_CLASSES}", "share of the room", f"{_STOCK}: {AGE_CLASSES} periods left or more"),
    Variable("cover", "log(1 + stock over expected demand to its deadline at list price), the worst age", _BOTH),
    Variable("clearing", "price that would sell the stock by its deadline, over list price", _BOTH),
    Variable("bid", "charge a unit at which stock lasts to the next delivery or the end, over list price", _BOTH),
    Variable("best_charged", "price of the highest gain over that charge, over list price", _BOTH),
    Variable("price_before", "over list price", "price labels"),
)
VARIABLES = SETTING + SHELF
NAMES = tuple(each.name for each in VARIABLES)
WIDTH = len(VARIABLES)


@dataclass(frozen=True)
class Reading:
    """N situations of a market: period `t`, chain state `e`, number of the price before `b`, all (N,); `stock` (N, L)."""

    t: Ints
    e: Ints
    b: Ints
    stock: Ints


def width(market: Market) -> int:
    """Numbers in a state of the market: VARIABLES, and one a price."""
    return WIDTH + len(market.prices)


class Assembler:
    """Builds states of one market; what does not hang on the stock is worked out once, by period and chain."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._fluid = Fluid(market)
        listed = market.nominal[:, :, market.list_index]
        self._ahead = _demand_ahead(market, listed)
        self._response = market.nominal / np.maximum(listed, SMALLEST)[..., None]  # (T, E, A), falling with the price
        self._setting = self._settings(listed)

    def assemble(self, at: Reading) -> npt.NDArray[np.float32]:
        """States (N, WIDTH + A): VARIABLES in their order, then of each price its expected gain now over the charge `bid`."""
        market, fluid = self._market, self._fluid
        where = (at.t, at.e)
        total = at.stock.sum(axis=1)
        worst = (np.cumsum(at.stock, axis=1) / np.maximum(self._ahead[where], SMALLEST)).max(axis=1)
        sells = (self._response[where] >= worst[:, None]).sum(axis=1)  # how many of the prices, from the lowest
        bid = fluid.bid(*where, total)
        states = np.empty((len(total), width(market)), dtype=np.float32)
        shelf = states[:, len(SETTING) : WIDTH].T
        states[:, : len(SETTING)] = self._setting[where]
        shelf[0] = total / market.room
        shelf[1 : AGE_CLASSES + 1] = 0.0
        shelf[1 : min(market.ages, AGE_CLASSES) + 1] = at.stock[:, :AGE_CLASSES].T / market.room
        if market.ages > AGE_CLASSES:
            shelf[AGE_CLASSES] += at.stock[:, AGE_CLASSES:].sum(axis=1) / market.room
        cover, clearing, charge, charged, before = shelf[AGE_CLASSES + 1 :]
        cover[:] = np.log1p(np.minimum(worst, MOST_COVER))
        clearing[:] = market.prices[np.maximum(sells - 1, 0)] / market.list_price
        charge[:] = fluid.bids[bid] / market.list_price
        charged[:] = market.prices[fluid.best[(*where, bid)]] / market.list_price
        before[:] = market.prices[at.b] / market.list_price
        gains = (market.prices - fluid.bids[bid][:, None]) * market.nominal[where] / market.scale
        states[:, WIDTH:] = np.clip(gains, -MOST_GAIN, MOST_GAIN)
        return states

    def _settings(self, listed: Floats) -> npt.NDArray[np.float32]:
        """The variables of SETTING (T, E, len(SETTING))."""
        market = self._market
        t = np.arange(market.periods)[:, None]
        hour = 2 * np.pi * (t % market.periods_per_day) / market.periods_per_day
        week = 2 * np.pi * (t / market.periods_per_day % 7) / 7
        soon, coming = _deliveries(market)
        alone = ((market.prices - market.unit_cost) * market.nominal).argmax(axis=2)
        columns = [
            (market.periods - t) / market.periods,
            *(np.sin(hour), np.cos(hour), np.sin(week), np.cos(week)),
            *(soon[:, None], coming[:, None]),
            *np.nan_to_num(market.chain.shown).T,
            listed / max(float(listed.mean()), SMALLEST),
            to_the_end(market, listed) / market.room,
            market.elasticity,
            market.premium[:, None],
            market.prices[alone] / market.list_price,
            np.array(market.unit_cost / market.list_price),
        ]
        return np.stack([np.broadcast_to(each, listed.shape) for each in columns], axis=2).astype(np.float32)


def _demand_ahead(market: Market, listed: Floats) -> Floats:
    """Expected demand (T, E, L) at list price while units of each age can be sold, given the chain state now."""
    if market.keeps:
        return to_the_end(market, listed)[..., None]
    found = [listed]
    for _ in range(market.ages - 1):
        later = np.concatenate([found[-1][1:], np.zeros_like(listed[:1])])
        found.append(listed + later @ market.chain.transition.T)
    return np.stack(found, axis=2)


def _deliveries(market: Market) -> tuple[Floats, Floats]:
    """Of each period, 1 / periods to the next delivery after it (0: none) and its units, or those filled up to, over the room."""
    size = np.where(market.up_to == NO_TARGET, market.delivered, market.up_to)
    soon, coming = np.zeros(market.periods), np.zeros(market.periods)
    ahead, units = 0, 0
    for t in range(market.periods - 1, -1, -1):
        soon[t] = 1.0 / ahead if ahead else 0.0
        coming[t] = units / market.room
        if size[t] > 0:
            ahead, units = 1, int(size[t])
        elif ahead:
            ahead += 1
    return soon, coming
