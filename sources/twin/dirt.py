"""Faults put into observed transactions on purpose, and a record of each.

Faults meet sale lines that do not come back, so that a genuine return always finds its sale; a line gets one fault at
most, and one kind's rate never moves another kind's lines.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.keyed_random import KeyedRandom
from sources.twin.lines import DAY_US, MISSING, MOST_BASKETS, Lines, transaction_ids
from sources.twin.params import DirtParams

KINDS = tuple(DirtParams.model_fields)
DUPLICATES, MISSING_KEYS, IMPOSSIBLE_PRICES, LATE_ROWS, WRONG_ENCODINGS, UNMATCHED_RETURNS = range(6)
_COLUMNS = (None, None, "unit_price", "recorded_at", "receipt_text", None)


@dataclass(frozen=True)
class Soiled:
    """Observed lines, and the dirt table's rows about them."""

    lines: Lines
    records: pa.Table


RECORD_SCHEMA = pa.schema(
    [
        ("table", pa.string()),
        ("kind", pa.string()),
        ("transaction_id", pa.string()),
        ("line_no", pa.int64()),
        ("copy", pa.int64()),
        ("column", pa.string()),
        ("original_value", pa.string()),
    ]
)


class Dirt:
    """Soils the lines of a day at the rates of `DirtParams`."""

    def __init__(
        self, rates: DirtParams, random: KeyedRandom, store_ids: list[str], product_ids: list[str], texts: list[str]
    ) -> None:
        # Each kind owns a sixth of the unit interval, which keeps kinds disjoint and independent of each other's rates.
        self._within = np.array([getattr(rates, kind) for kind in KINDS]) * len(KINDS)
        self._random = random
        self._store_ids = store_ids
        self._product_ids = pa.array(product_ids, pa.string())
        self._texts = pa.array(texts, pa.string())

    def soil(self, day: int, lines: Lines, comes_back: Bools) -> Soiled:
        """Observed lines of a day from the true ones (N,); copies and invented returns are put at the end."""
        keys = (lines.store, lines.product, day, lines.piece)
        slot, within = np.divmod(self._random.uniform("dirt.kind", *keys) * len(KINDS), 1.0)
        kind = np.where((within < self._within[slot.astype(np.int64)]) & ~comes_back, slot, -1).astype(np.int64)
        records = [self._records(kind, lines, day)]
        observed = self._spoil(kind, lines, day)
        copied = np.flatnonzero(kind == DUPLICATES)
        invented = self._unmatched(day, lines.take(np.flatnonzero(kind == UNMATCHED_RETURNS)))
        records.append(_table(UNMATCHED_RETURNS, invented, 0, None, pa.nulls(len(invented), pa.string())))
        return Soiled(observed.joined(observed.take(copied), invented), pa.concat_tables(records))

    def _spoil(self, kind: Ints, lines: Lines, day: int) -> Lines:
        def hit(which: int) -> tuple[Ints, tuple[Ints, Ints, int, Ints]]:
            rows = np.flatnonzero(kind == which)
            return rows, (lines.store[rows], lines.product[rows], day, lines.piece[rows])

        store, product = lines.store.copy(), lines.product.copy()
        price, recorded_us = lines.price.copy(), lines.recorded_us.copy()
        rows, keys = hit(MISSING_KEYS)
        no_store = self._loses_store(*keys)
        store[rows[no_store]] = MISSING
        product[rows[~no_store]] = MISSING
        rows, keys = hit(IMPOSSIBLE_PRICES)
        price[rows] = _impossible(lines.price[rows], self._random.uniform("dirt.price", *keys))
        rows, keys = hit(LATE_ROWS)
        late = np.floor((10 + 20 * self._random.uniform("dirt.late", *keys)) * DAY_US).astype(np.int64)
        recorded_us[rows] = lines.sold_us[rows] + late
        return replace(
            lines,
            store=store,
            product=product,
            price=price,
            recorded_us=recorded_us,
            broken_text=kind == WRONG_ENCODINGS,
        )

    def _loses_store(self, store: Ints, product: Ints, day: int, piece: Ints) -> Bools:
        return self._random.uniform("dirt.key", store, product, day, piece) < 0.5

    def _unmatched(self, day: int, like: Lines) -> Lines:
        """Returns that name a sale that never was, otherwise like the given lines."""
        codes = [f"R99-{b:05d}-{n}" for b, n in zip(like.basket, like.line_no, strict=True)]
        never = [f"{b + MOST_BASKETS + 1:05d}" for b in like.basket]
        days = np.full(len(like), day)
        return replace(
            like,
            transaction_id=transaction_ids(self._store_ids, like.store, days, pa.array(codes, pa.string())),
            original_id=transaction_ids(
                self._store_ids, like.store, days - 1 - like.basket % 10, pa.array(never, pa.string())
            ),
            original_line=like.line_no,
            line_no=np.ones(len(like), dtype=np.int64),
            is_return=np.ones(len(like), dtype=np.bool_),
        )

    def _records(self, kind: Ints, lines: Lines, day: int) -> pa.Table:
        """Dirt rows about given lines (copies included, invented returns not)."""
        tables = [_table(DUPLICATES, lines.take(np.flatnonzero(kind == DUPLICATES)), 1, None, None)]
        lost = lines.take(np.flatnonzero(kind == MISSING_KEYS))
        loses_store = self._loses_store(lost.store, lost.product, day, lost.piece)
        stores = lost.take(np.flatnonzero(loses_store))
        tables.append(
            _table(
                MISSING_KEYS, stores, 0, "store_id", pa.array(self._store_ids, pa.string()).take(pa.array(stores.store))
            )
        )
        products = lost.take(np.flatnonzero(~loses_store))
        tables.append(
            _table(MISSING_KEYS, products, 0, "product_id", self._product_ids.take(pa.array(products.product)))
        )
        for k in (IMPOSSIBLE_PRICES, LATE_ROWS, WRONG_ENCODINGS):
            hit = lines.take(np.flatnonzero(kind == k))
            tables.append(_table(k, hit, 0, _COLUMNS[k], self._original(k, hit)))
        return pa.concat_tables(tables)

    def _original(self, kind: int, hit: Lines) -> pa.Array:
        if kind == IMPOSSIBLE_PRICES:
            return pc.cast(pa.array(hit.price), pa.string())
        if kind == LATE_ROWS:
            return pc.cast(pa.array(hit.recorded_us.view("datetime64[us]")), pa.string())
        return self._texts.take(pa.array(hit.text))


def _impossible(price: Floats, u: Floats) -> Floats:
    """Negative, zero or 1000-fold prices, a third each."""
    return np.asarray(np.select([u < 1 / 3, u < 2 / 3], [-price, 0.0 * price], np.round(price * 1000.0, 2)))


def _table(kind: int, lines: Lines, copy: int, column: str | None, original: pa.Array | None) -> pa.Table:
    rows = len(lines)
    return pa.table(
        [
            pa.array(["transactions"] * rows, pa.string()),
            pa.array([KINDS[kind]] * rows, pa.string()),
            lines.transaction_id,
            pa.array(lines.line_no),
            pa.array([copy] * rows, pa.int64()),
            pa.array([column] * rows, pa.string()),
            pa.nulls(rows, pa.string()) if original is None else original,
        ],
        schema=RECORD_SCHEMA,
    )
