"""A log of prices: every period of whole episodes, what was seen, asked, sold and earned, and the chances of each price.

The table `logged_prices`, a row a priced period:

    episode        whole number: which run over all periods of the problem
    period         0 to T - 1, each once an episode
    <factor>       a column for each factor of the problem, as it was shown (competitor_price, weather, ...)
    stock          list of L units before the price is asked, by periods left, those that expire first come first
    willingness_people   beside a factor `willingness`: how many people of the store and hour it sums up
    before         price until then
    price          price asked, one of the ladder
    propensities   list of A chances with which the shop would have asked each price of the ladder, cheapest first
    sold, wasted   units of the period
    money          what the period brought: sales, less disposal, less what the next delivery cost, plus what is left at the
                   end; that of period 0 less the cost of the first delivery too, so that an episode sums to its worth
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.common.arrow_columns import need_columns, numbers, refuse_nulls
from models.common.protocols import DataError, InputError
from models.pricing.market import FACTORS, Floats, Ints, Market
from models.pricing.requests import MAX_PRODUCTS, MOST_PEOPLE, PEOPLE, WILLINGNESS, PriceInput, read
from models.pricing.state import Reading

NAME, STOCK, PROPENSITIES = "logged_prices", "stock", "propensities"
MOST_ROWS = 2_000_000
LEAST_EPISODES = 20
MOST_MONEY = 1e9  # of a period
SUMS_TO_ONE = 1e-6
HALF_CENT = 0.005
MOST_EPISODE = 2.0**53  # whole numbers beyond are no longer told apart


@dataclass(frozen=True)
class Log:
    """N episodes of T periods: chain states `e`, numbers of the price before `b` and of the one asked `action`, all (N, T);
    `stock` (N, T, L); `propensities` (N, T, A); `sold`, `wasted` and `money` (N, T)."""

    e: Ints
    b: Ints
    stock: Ints
    action: Ints
    propensities: Floats
    sold: Ints
    wasted: Ints
    money: Floats

    @property
    def episodes(self) -> int:
        """N."""
        return len(self.e)

    @property
    def periods(self) -> int:
        """T."""
        return int(self.e.shape[1])

    def reading(self, t: int) -> Reading:
        """Where all episodes stood in period t."""
        return Reading(np.full(self.episodes, t, dtype=np.int64), self.e[:, t], self.b[:, t], self.stock[:, t])


def read_log(table: Any, market: Market) -> Log:
    """The log of a market from the Arrow table described above, rows in any order.

    DataError names the column, the value, the bound and the remedy.
    """
    factors = [name for number, name in enumerate(FACTORS) if not np.isnan(market.chain.shown[0, number])]
    people = [PEOPLE] if WILLINGNESS in factors else []
    need_columns(
        NAME, table,
        ("episode", "period", *factors, *people, STOCK, "before", "price", PROPENSITIES, "sold", "wasted", "money"),
    )  # fmt: skip
    if not market.periods * LEAST_EPISODES <= table.num_rows <= MOST_ROWS:
        raise DataError(
            f"{NAME}: {table.num_rows} rows: expected {market.periods * LEAST_EPISODES} ({LEAST_EPISODES} episodes of "
            f"{market.periods} periods) to {MOST_ROWS:,}: log more, or give a part"
        )
    order = _order(table, market.periods)
    shape = (-1, market.periods)

    def column(name: str, low: float, high: float, *, whole: bool = False) -> Floats:
        return _column(table, name, low, high, whole=whole)[order]

    stock = _lists(table, STOCK, market.ages, "units by periods left")[order]
    before = column("before", 0.01, 100 * market.list_price)
    at = _situations(
        market,
        column("period", 0, market.periods - 1),
        stock,
        before,
        {name: column(name, -100, 100) for name in factors},
        column(PEOPLE, 0, MOST_PEOPLE, whole=True) if people else None,
    )
    action, b = _on_ladder("price", column("price", 0.01, 1e10), market), at.b.reshape(shape)
    total = at.stock.sum(axis=1)
    sold, wasted = (column(name, 0, market.room, whole=True) for name in ("sold", "wasted"))
    _refuse(
        sold + wasted > total, "sold", sold, "at most the stock, what was thrown away with it: mend the count of units"
    )
    found = Log(
        e=at.e.reshape(shape),
        b=b,
        stock=at.stock.reshape(*b.shape, market.ages),
        action=action.reshape(shape),
        propensities=_chances(table, market, order, action, at.b).reshape(*b.shape, len(market.prices)),
        sold=sold.astype(np.int64).reshape(shape),
        wasted=wasted.astype(np.int64).reshape(shape),
        money=column("money", -MOST_MONEY, MOST_MONEY).reshape(shape),
    )
    _refuse(
        (found.b[:, 1:] != found.action[:, :-1]).ravel(), "before", before.reshape(shape)[:, 1:].ravel(),
        "the price asked the period before: mend it, or give only episodes without a gap",
    )  # fmt: skip
    return found


def _order(table: Any, periods: int) -> Ints:
    """Row numbers sorted by episode and period, each episode whole."""
    episode = _column(table, "episode", -MOST_EPISODE, MOST_EPISODE, whole=True)
    period = _column(table, "period", 0, periods - 1, whole=True)
    order = np.lexsort((period, episode))
    names, counts = np.unique(episode, return_counts=True)
    if (counts != periods).any():
        worst = int((counts != periods).argmax())
        raise DataError(
            f"{NAME}.episode: {names[worst]:.0f} has {counts[worst]} rows, expected {periods}, each period once: mend it or "
            "leave it out"
        )
    runs = period[order].reshape(-1, periods)
    if (wrong := (runs != np.arange(periods)).any(axis=1)).any():
        raise DataError(
            f"{NAME}.period: episode {names[int(wrong.argmax())]:.0f} holds a period twice: expected 0 to {periods - 1}, each "
            "once: mend it or leave it out"
        )
    return np.asarray(order, dtype=np.int64)


def _situations(
    market: Market, period: Floats, stock: Floats, before: Floats, factors: dict[str, Floats], people: Floats | None
) -> Reading:
    """As a request is read, in parts of what a request may hold."""
    parts = []
    for first in range(0, len(period), MAX_PRODUCTS):
        rows = slice(first, first + MAX_PRODUCTS)
        seen = {name: values[rows] for name, values in factors.items()}
        asked = PriceInput(
            market.name, period[rows], stock[rows], before[rows], seen,
            willingness_people=None if people is None else people[rows],
        )  # fmt: skip
        try:
            parts.append(read(asked, market)[0])
        except InputError as error:
            raise DataError(f"{NAME}.{error}") from error
    return Reading(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("t", "e", "b", "stock")))


def _chances(table: Any, market: Market, order: Ints, action: Ints, before: Ints) -> Floats:
    """Propensities (rows, A), checked: chances that sum to 1, above 0 for the price asked, 0 where the largest change binds."""
    found = _lists(table, PROPENSITIES, len(market.prices), "chances of the ladder, cheapest first")[order]
    wrong = ~((found >= 0) & (found <= 1))
    _refuse(wrong.any(axis=1), PROPENSITIES, np.where(wrong, found, 0).sum(axis=1), "chances from 0 to 1: mend the log")
    total = found.sum(axis=1)
    _refuse(np.abs(total - 1) > SUMS_TO_ONE, PROPENSITIES, total, "a sum of 1 a row: give the chance of every price")
    own = found[np.arange(len(action)), action]
    _refuse(own <= 0, PROPENSITIES, own, "more than 0 for the price that was asked: log the chances it was drawn with")
    closed = np.where(market.allowed[before], 0.0, found).max(axis=1)
    _refuse(
        closed > 0, PROPENSITIES, closed, "0 for a price that the largest change closes: give chances of prices asked"
    )
    return found


def _on_ladder(name: str, values: Floats, market: Market) -> Ints:
    away = np.abs(values[:, None] - market.prices[None, :])
    ladder = ", ".join(f"{price:g}" for price in market.prices)
    _refuse(away.min(axis=1) > HALF_CENT, name, values, f"one of {ladder}: leave out what is off the ladder")
    return np.asarray(away.argmin(axis=1), dtype=np.int64)


def _lists(table: Any, name: str, width: int, what: str) -> Floats:
    """A list column (rows, width)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    refuse_nulls(NAME, table, name, f"every row needs {width} {what}")
    kind = table[name].type
    if not (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind)):
        raise DataError(f"{NAME}.{name}: type {kind} is no list: give {width} {what} a row")
    lengths = pc.list_value_length(table[name]).to_numpy()
    if (lengths != width).any():
        raise DataError(
            f"{NAME}.{name}: a list of {lengths[lengths != width][0]}: expected {width} {what}: mend or leave out the row"
        )
    flat = numbers(NAME, pa.table({name: pc.list_flatten(table[name])}), name)
    _refuse(~np.isfinite(flat), name, flat, "finite numbers: mend or leave out the row")
    return flat.reshape(-1, width)


def _column(table: Any, name: str, low: float, high: float, *, whole: bool = False) -> Floats:
    refuse_nulls(NAME, table, name, "fill or leave out the rows")
    values = numbers(NAME, table, name)
    kind = "a whole number" if whole else "a number"
    wrong = ~((values >= low) & (values <= high))
    if whole:
        wrong |= values != np.floor(values)
    _refuse(wrong, name, values, f"{kind} from {low:g} to {high:g}: mend or leave out the row")
    return values


def _refuse(wrong: Any, name: str, values: Floats, expected: str) -> None:
    """DataError with the first value that is wrong, and how many there are."""
    if wrong.any():
        raise DataError(
            f"{NAME}.{name}: {values[wrong][0]:g} ({int(wrong.sum())} of {len(values)} rows): expected {expected}"
        )
