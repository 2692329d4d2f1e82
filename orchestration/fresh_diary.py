"""What a shop saw of its goods, day by day, as grids: from the tables prices, inventory and promotions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
EVERYWHERE = None  # store of a promotion of the whole chain


@dataclass(frozen=True)
class Diary:
    """D days of S stores and P products, grids (D, S, P): `units` sold, `price` asked and `base` price, `received` and `closing`
    units, NaN where not on sale; `sold_out`; `promoted` the discount of a promotion, 0 for none. `first` the first day."""

    stores: tuple[str, ...]
    products: tuple[str, ...]
    first: date
    units: Floats
    price: Floats
    base: Floats
    received: Floats
    closing: Floats
    sold_out: Bools
    promoted: Floats

    @property
    def weekday(self) -> Ints:
        """Of each day (D,), 0 on Monday."""
        return (self.first.weekday() + np.arange(len(self.units))) % 7


def read_diary(tables: Mapping[str, "pa.Table"], stores: Sequence[str], products: Sequence[str]) -> Diary:
    """From Arrow tables as their contracts say; rows of other stores and products are left out."""
    import pyarrow.compute as pc

    prices, stock = tables["prices"], tables["inventory"]
    days = prices["date"].to_numpy().astype("datetime64[D]")
    first, last = days.min(), days.max()
    shape = (int((last - first).astype(int)) + 1, len(stores), len(products))
    numbers = {"store_id": _numbers(stores), "product_id": _numbers(products)}

    def grid(table: "pa.Table", column: str) -> Floats:
        made = np.full(shape, np.nan)
        day = (table["date"].to_numpy().astype("datetime64[D]") - first).astype(np.int64)
        of = [_places(table[name], known) for name, known in numbers.items()]
        kept = (of[0] >= 0) & (of[1] >= 0) & (day >= 0) & (day < shape[0])
        values = pc.cast(table[column], "float64").to_numpy()
        made[day[kept], of[0][kept], of[1][kept]] = values[kept]
        return made

    return Diary(
        stores=tuple(stores),
        products=tuple(products),
        first=first.astype(date),
        units=grid(stock, "sold_units"),
        price=grid(prices, "price"),
        base=grid(prices, "base_price"),
        received=grid(stock, "received_units"),
        closing=grid(stock, "closing_units"),
        sold_out=grid(stock, "stocked_out") == 1.0,
        promoted=_promoted(tables["promotions"], first, shape, numbers),
    )


def promotions_on(table: "pa.Table", diary: Diary, first: date, days: int) -> Floats:
    """Deepest discount (days, S, P) of the promotions of the table from a day on."""
    shape = (days, len(diary.stores), len(diary.products))
    numbers = {"store_id": _numbers(diary.stores), "product_id": _numbers(diary.products)}
    return _promoted(table, np.datetime64(first, "D"), shape, numbers)


def _numbers(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _places(column: "pa.ChunkedArray", known: Mapping[str, int]) -> Ints:
    """Number (N,) of each name, -1 where it is unknown."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.asarray(
        pc.fill_null(pc.index_in(column, pa.array(list(known), pa.string())), -1).to_numpy(), dtype=np.int64
    )


def _promoted(
    table: "pa.Table", first: np.datetime64, shape: tuple[int, int, int], numbers: Mapping[str, Mapping[str, int]]
) -> Floats:
    """Deepest discount (D, S, P) of the promotions that run."""
    deepest = np.zeros(shape)
    product = _places(table["product_id"], numbers["product_id"])
    store = _places(table["store_id"], numbers["store_id"])
    chain = table["store_id"].is_null().to_numpy()
    starts, ends = (
        (table[name].to_numpy().astype("datetime64[D]") - first).astype(np.int64) for name in ("starts_on", "ends_on")
    )
    for row in np.flatnonzero((product >= 0) & (chain | (store >= 0)) & (ends >= 0) & (starts < shape[0])):
        where = (slice(max(starts[row], 0), ends[row] + 1), slice(None) if chain[row] else store[row], product[row])
        deepest[where] = np.maximum(deepest[where], float(table["discount_fraction"][int(row)].as_py()))
    return deepest
