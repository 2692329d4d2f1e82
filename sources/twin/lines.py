"""A day's sales as receipt lines, and the returns that follow on later days."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.catalogue import Catalogue
from sources.twin.keyed_random import KeyedRandom
from sources.twin.params import TwinParams

DAY_US = 86_400_000_000
_SECOND_US = 1_000_000
NOBODY = -1
MOST_BASKETS = 49_999  # a store and day: their numbers fit five digits, and leave room for baskets that never were
MISSING = -1


@dataclass(frozen=True)
class Lines:
    """Receipt lines as columns (N,).

    Stores, products and customers by number, MISSING where null; times in microseconds since 1970; `text` is the
    product whose name is printed; `piece` is the line's first unit within its cell and day, which keys its draws.
    """

    transaction_id: Any
    line_no: Ints
    store: Ints
    product: Ints
    customer: Ints
    sold_us: Ints
    recorded_us: Ints
    is_return: Bools
    units: Ints
    price: Floats
    text: Ints
    broken_text: Bools
    original_id: Any
    original_line: Ints
    basket: Ints
    piece: Ints

    def __len__(self) -> int:
        return len(self.line_no)

    def take(self, rows: Ints) -> "Lines":
        """The lines at positions `rows`."""
        picked = (getattr(self, f.name) for f in fields(self))
        return Lines(*(c[rows] if isinstance(c, np.ndarray) else c.take(pa.array(rows)) for c in picked))

    def joined(self, *others: "Lines") -> "Lines":
        """These lines and then the others."""
        columns = ([getattr(lines, f.name) for lines in (self, *others)] for f in fields(self))
        return Lines(*(np.concatenate(c) if isinstance(c[0], np.ndarray) else pa.concat_arrays(c) for c in columns))


@dataclass(frozen=True)
class PendingReturns:
    """Sale lines that will come back, as columns (N,); `due` and `sold_day` in days since 1970."""

    due: Ints
    sold_day: Ints
    store: Ints
    product: Ints
    basket: Ints
    line_no: Ints
    customer: Ints
    units: Ints
    price: Floats
    piece: Ints

    @classmethod
    def none(cls) -> "PendingReturns":
        """Nothing to come back."""
        none: Ints = np.zeros(0, dtype=np.int64)
        return cls(none, none, none, none, none, none, none, none, np.zeros(0), none)

    def where(self, mask: Bools) -> "PendingReturns":
        """Those for which mask (N,) holds."""
        return PendingReturns(*(getattr(self, f.name)[mask] for f in fields(self)))

    def joined(self, other: "PendingReturns") -> "PendingReturns":
        """These and then the others."""
        return PendingReturns(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


class Tills:
    """Splits units sold into lines of baskets with times and customers, and brings goods back later."""

    def __init__(self, params: TwinParams, random: KeyedRandom, catalogue: Catalogue) -> None:
        self._params = params.transactions
        self._random = random
        self._stores = catalogue.stores

    def sell(self, day: int, sold: Ints, price: Floats) -> tuple[Lines, Bools, PendingReturns]:
        """Lines of a day's units `sold` (S, P) at `price` (S, P), ordered by store and basket.

        Also which lines will come back (N,), and what is then due. A line's basket hangs on its own key, so another
        store's or a later product's sales leave it where it is.
        """
        store, product, piece, units = self._split(day, sold)
        basket = self._baskets(day, store, product, piece)
        order = np.argsort(store * np.int64(1 << 32) + basket, kind="stable")
        store, product, piece, units, basket = (a[order] for a in (store, product, piece, units, basket))
        first = np.flatnonzero(np.diff(store * np.int64(1 << 32) + basket, prepend=MISSING))
        size = np.diff(np.append(first, len(store)))
        # What a basket's lines share is drawn once a basket.
        of_store, number = store[first], basket[first]
        sold_us = self._clock("basket.clock", day, of_store, number)
        recorded_us = sold_us + self._delay("basket", of_store, day, number)
        ids = transaction_ids(self._stores.ids, of_store, np.full(of_store.shape, day), _padded(number, 5))
        lines = Lines(
            transaction_id=ids.take(pa.array(np.repeat(np.arange(len(first)), size))),
            line_no=np.arange(len(store)) - np.repeat(first, size) + 1,
            store=store,
            product=product,
            customer=np.repeat(self._customers(day, of_store, number), size),
            sold_us=np.repeat(sold_us, size),
            recorded_us=np.repeat(recorded_us, size),
            is_return=np.zeros(store.shape, dtype=np.bool_),
            units=units,
            price=price[store, product],
            text=product,
            broken_text=np.zeros(store.shape, dtype=np.bool_),
            original_id=pa.nulls(len(store), pa.string()),
            original_line=np.full(store.shape, MISSING),
            basket=basket,
            piece=piece,
        )
        keys = (store, product, day, piece)
        comes_back = self._random.uniform("return.chosen", *keys) < self._params.return_share
        return lines, comes_back, self._pending(day, lines, comes_back)

    def bring_back(self, day: int, due: PendingReturns) -> Lines:
        """Return lines of a day, each a receipt of its own that names the line it undoes."""
        age = day - due.sold_day
        code = pc.binary_join_element_wise(
            _padded(age, 2), _padded(due.basket, 5), pc.cast(pa.array(due.line_no), pa.string()), "-"
        )
        keys = (due.store, due.product, due.sold_day, due.piece)
        sold_us = self._clock("return.clock", day, due.store, *keys[1:])
        return Lines(
            transaction_id=transaction_ids(self._stores.ids, due.store, np.full(age.shape, day), _prefixed("R", code)),
            line_no=np.ones(age.shape, dtype=np.int64),
            store=due.store,
            product=due.product,
            customer=due.customer,
            sold_us=sold_us,
            recorded_us=sold_us + self._delay("return", *keys),
            is_return=np.ones(age.shape, dtype=np.bool_),
            units=due.units,
            price=due.price,
            text=due.product,
            broken_text=np.zeros(age.shape, dtype=np.bool_),
            original_id=transaction_ids(self._stores.ids, due.store, due.sold_day, _padded(due.basket, 5)),
            original_line=due.line_no,
            basket=due.basket,
            piece=due.piece,
        )

    def _split(self, day: int, sold: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Units of each cell as lines: some units share the line of the unit before."""
        cell_store, cell_product = np.nonzero(sold)
        count = sold[cell_store, cell_product]
        cell = np.repeat(np.arange(len(count)), count)
        piece = np.arange(len(cell)) - np.repeat(np.cumsum(count) - count, count)
        joins = (
            self._random.uniform("line.joins", cell_store[cell], cell_product[cell], day, piece)
            < self._params.multi_unit_share
        )
        first = np.flatnonzero(~joins | (piece == 0))
        units = np.diff(np.append(first, len(cell)))
        return cell_store[cell[first]], cell_product[cell[first]], piece[first], units

    def _baskets(self, day: int, store: Ints, product: Ints, piece: Ints) -> Ints:
        weekday = (day + 3) % 7
        mean = self._params.baskets_per_store_day * self._stores.level * self._stores.weekly[:, weekday]
        offered = np.clip(np.round(mean), 1.0, MOST_BASKETS)
        return np.asarray(
            np.floor(self._random.uniform("line.basket", store, product, day, piece) * offered[store])
        ).astype(np.int64)

    def _clock(self, domain: str, day: int, store: Ints, *ids: Ints) -> Ints:
        """Time within the store's opening hours, busiest half-way through."""
        first = self._random.uniform(f"{domain}.a", store, day, *ids)
        second = self._random.uniform(f"{domain}.b", store, day, *ids)
        middle = 0.5 * (first + second)
        opens, closes = (self._stores.hours[store, i] * 3600 for i in (0, 1))
        return np.asarray(
            day * DAY_US + (opens + np.floor(middle * (closes - opens - 1)).astype(np.int64)) * _SECOND_US
        )

    def _delay(self, domain: str, *keys: int | Ints) -> Ints:
        """Microseconds between sale and record: seconds, for some baskets hours to 5 days."""
        u = self._random.uniform(f"{domain}.delay", *keys)
        slow = self._random.uniform(f"{domain}.slow", *keys) < self._params.slow_recording_share
        seconds = np.where(slow, 3600 + u * (5 * 86_400 - 3600), 1 + u * 90)
        return np.asarray(np.floor(seconds)).astype(np.int64) * _SECOND_US

    def _customers(self, day: int, store: Ints, basket: Ints) -> Ints:
        known = self._random.uniform("basket.known", store, day, basket) < self._params.known_customer_share
        # Regulars come oftener than others: low numbers are drawn more.
        rank = np.floor(
            self._random.uniform("basket.customer", store, day, basket) ** 1.5 * self._params.customers_per_store
        )
        return np.where(known, store * self._params.customers_per_store + rank.astype(np.int64), NOBODY)

    def _pending(self, day: int, lines: Lines, comes_back: Bools) -> PendingReturns:
        back = lines.take(np.flatnonzero(comes_back))
        keys = (back.store, back.product, day, back.piece)
        wait = self._random.integers("return.wait", 1, self._params.return_within_days + 1, *keys)
        units = 1 + np.floor(self._random.uniform("return.units", *keys) * back.units).astype(np.int64)
        sold_day = np.full(wait.shape, day)
        return PendingReturns(
            day + wait,
            sold_day,
            back.store,
            back.product,
            back.basket,
            back.line_no,
            back.customer,
            units,
            back.price,
            back.piece,
        )


def transaction_ids(store_ids: list[str], store: Ints, day: Ints, code: Any) -> Any:
    """Ids such as S0001-20240131-00017 for stores (N,), days since 1970 (N,) and codes, an Arrow string array (N,)."""
    days, at = np.unique(day, return_inverse=True)
    dates = pa.array([str(d).replace("-", "") for d in days.astype("datetime64[D]")], pa.string())
    return pc.binary_join_element_wise(
        pa.array(store_ids, pa.string()).take(pa.array(store)), dates.take(pa.array(at)), code, "-"
    )


def _padded(numbers: Ints, width: int) -> Any:
    return pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")


def _prefixed(letter: str, code: Any) -> Any:
    return pc.binary_join_element_wise(pa.scalar(letter), code, "")
