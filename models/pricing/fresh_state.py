"""The state of a shelf of fresh goods: what the network reads, each variable with unit and source.

Its last entries tell of each price what it gains: takings today, what is kept for tomorrow at the cost of buying it anew, less
what must be thrown away, if from tomorrow on list price is asked (a rollout of one step: Bertsekas 2020, "Rollout, Policy
Iteration, and Distributed Reinforcement Learning", chapter 2). Counts of customers are taken for log-normal.
"""

import numpy as np
import numpy.typing as npt

from models.pricing.fresh import AHEAD, Situation
from models.pricing.market import SMALLEST, Floats
from models.pricing.state import Variable

AGE_CLASSES = 6
MOST_COVER = 50.0
MOST_LOSS = 6.0  # of a price beside the best, in the scale of rewards
_STOCK, _DEMAND = "stock by age", "demand forecast and elasticity"
_ORDERS = "open orders and the shop's order levels"

VARIABLES: tuple[Variable, ...] = (
    Variable("week_sin", "sine of the day of the week", "the clock"),
    Variable("week_cos", "cosine of the day of the week", "the clock"),
    Variable("life", "log of days a fresh unit can be sold in", "products"),
    Variable("lead", "1 where orders take two mornings", _ORDERS),
    Variable("wait", "nights until the next order / 3", _ORDERS),
    Variable("coming", "log(1 + units that arrive tomorrow over tomorrow's demand)", _ORDERS),
    Variable("up_to", "log(1 + order level over a day's demand)", _ORDERS),
    Variable("demand_now", "log of units expected today at list price", _DEMAND),
    Variable("demand_next", "log of tomorrow's expected units over today's", _DEMAND),
    Variable("demand_week", "log of a day's units over the next week, over today's", _DEMAND),
    Variable("elasticity", "at list price", _DEMAND),
    Variable("elasticity_error", "standard error of its log", _DEMAND),
    Variable("spread", "1 / shape of the negative binomial", _DEMAND),
    Variable("cost", "unit cost over list price", "purchasing"),
    Variable("disposal", "cost of throwing a unit away over list price", "purchasing"),
    Variable("stock", "log(1 + units)", _STOCK),
    Variable("tonight", "log(1 + units that expire tonight)", _STOCK),
    *(
        Variable(f"cover_{k}", f"log(1 + units that expire within {k} days over expected demand until then)", _STOCK)
        for k in range(1, AGE_CLASSES + 1)
    ),
    Variable("cover", "log(1 + all units over expected demand while they last)", _STOCK),
    Variable("at_risk", "share of the units expected to be thrown away at list price", _STOCK),
    Variable("best_alone", "price of the highest margin if stock were free, over list price", _DEMAND),
    Variable("best_now", "price of the highest gain, over list price", f"{_STOCK}; {_DEMAND}"),
    Variable("price_before", "over list price", "price labels"),
)
NAMES = tuple(each.name for each in VARIABLES)
WIDTH = len(VARIABLES)


def assemble(at: Situation, prices: Floats, waste_weight: float) -> npt.NDArray[np.float32]:
    """States (N, WIDTH + A) under prices (A,) over list price, ascending: VARIABLES, then the gain of each price."""
    gain, lost = gains(at, prices, waste_weight)
    total = at.stock.sum(axis=1)
    now = np.maximum(at.mean[:, 0], SMALLEST)
    until, held = demand_until(at), np.cumsum(at.stock, axis=1)
    cover = np.minimum(held / np.maximum(until, SMALLEST), MOST_COVER)
    near = np.minimum(np.arange(AGE_CLASSES), at.stock.shape[1] - 1)
    open_ = np.minimum(prices, at.ceiling[:, None])
    alone = ((open_ - at.cost[:, None]) * open_ ** -at.elasticity[:, None]).argmax(axis=1)
    at_list = int(np.abs(prices - 1.0).argmin())
    following = np.maximum(at.mean[:, 1], SMALLEST)
    states = np.empty((len(now), WIDTH + len(prices)), dtype=np.float32)
    columns = [
        np.sin(2 * np.pi * at.weekday / 7),
        np.cos(2 * np.pi * at.weekday / 7),
        np.log(at.life),
        at.lead - 1.0,
        at.wait / 3.0,
        np.log1p(np.minimum(at.coming / following, MOST_COVER)),
        np.log1p(np.minimum(at.up_to / now, MOST_COVER)),
        np.log(now),
        np.log(following / now),
        np.log(np.maximum(at.mean[:, :7].mean(axis=1), SMALLEST) / now),
        at.elasticity,
        at.elasticity_error,
        1.0 / at.dispersion,
        at.cost,
        at.disposal,
        np.log1p(total),
        np.log1p(at.stock[:, 0]),
        *np.log1p(cover[:, near]).T,
        np.log1p(cover.max(axis=1)),
        lost[:, at_list] / np.maximum(total, 1),
        prices[alone],
        prices[gain.argmax(axis=1)],
        at.before,
    ]
    states[:, :WIDTH] = np.stack(columns, axis=1)
    behind = (gain - gain.max(axis=1, keepdims=True)) / at.scale[:, None]
    states[:, WIDTH:] = np.maximum(behind, -MOST_LOSS)
    return states


def demand_until(at: Situation) -> Floats:
    """Expected units (N, L) at list price until units of each column expire, today included; beyond AHEAD days as before."""
    days = at.stock.shape[1]
    known = np.cumsum(at.mean, axis=1)[:, :days]
    if days <= AHEAD:
        return known
    usual = at.mean.mean(axis=1)[:, None]
    return np.concatenate([known, known[:, -1:] + usual * np.arange(1, days - AHEAD + 1)], axis=1)


def gains(at: Situation, prices: Floats, waste_weight: float) -> tuple[Floats, Floats]:
    """Money over list price (N, A) that each price gains, see the module, and units (N, A) that will be thrown away.

    Prices above the ceiling are the ceiling. `waste_weight` is what a unit thrown away counts for beside its disposal, in unit costs.
    """
    asked = np.minimum(prices, at.ceiling[:, None])
    today = at.mean[:, :1] * asked ** -at.elasticity[:, None]
    later = demand_until(at) - at.mean[:, :1]
    held = np.cumsum(at.stock, axis=1)
    shape = np.maximum(at.dispersion, SMALLEST)[:, None]
    total = at.stock.sum(axis=1)[:, None].astype(np.float64)
    sold = expected_sales(today, today + today**2 / shape, total)
    lost = np.zeros_like(sold)
    for column in np.flatnonzero(at.stock.any(axis=0)).tolist():
        rows = np.flatnonzero((at.life > column) & (at.stock[:, column] > 0))
        if rows.size:
            first, rest = today[rows], later[rows, column : column + 1]
            spread = first + rest + first**2 / shape[rows] + rest**2 / (shape[rows] * max(column, 1))
            units = held[rows, column : column + 1].astype(np.float64)
            lost[rows] = np.maximum(lost[rows], units - expected_sales(first + rest, spread, units))
    wasted = (at.disposal + waste_weight * at.cost)[:, None]
    value = asked * sold + at.cost[:, None] * np.maximum(total - sold - lost, 0.0) - wasted * lost
    return value, lost


def expected_sales(mean: Floats, variance: Floats, units: Floats) -> Floats:
    """Expected units sold of `units` when demand of `mean` and `variance` asks, taken for log-normal: as skewed as counts of few
    and of many are, and cheap for thousands of shelves."""
    mean, held = np.maximum(mean, SMALLEST), np.maximum(units, SMALLEST)
    spread = np.sqrt(np.log1p(np.maximum(variance, SMALLEST) / mean**2))
    z = np.log(held / mean) / spread + spread / 2
    short = held * _below(z) - mean * _below(z - spread)
    return np.asarray(np.clip(held - short, 0.0, units))


def _below(z: Floats) -> Floats:
    """The normal distribution, within 0.0003."""
    return np.asarray(0.5 * (1.0 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))))
