"""From tables to customers, purchases and friendships: the only place of this package that knows column names."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import need_columns, numbers, refuse_nulls
from models.common.protocols import DataError
from models.profiles.behaviour import SUMS, Floats, Ints
from models.profiles.config import Config

ALWAYS = -(2**31)  # day of a friendship of which nobody knows since when it is
COLUMNS = {
    "customer_behaviour": ("customer_id", *SUMS),
    "customer_purchases": ("customer_id", "item_id", "happened_at"),
    "friendships": ("customer_id", "friend_id", "since"),
}


@dataclass(frozen=True)
class Purchases:
    """Who bought what on which day, columns (B,): customers and items by number, days since 1970; each once a day."""

    customer: Ints
    item: Ints
    day: Ints

    def __len__(self) -> int:
        return len(self.day)


@dataclass(frozen=True)
class Ties:
    """Friendships from a source to a target, columns (E,) in rows sorted by source, then target; both ways where the table
    tells both. `since` in days since 1970, ALWAYS where unknown. `begins` (N + 1,) delimits each source's rows."""

    source: Ints
    target: Ints
    since: Ints
    begins: Ints

    def __len__(self) -> int:
        return len(self.source)

    @property
    def degree(self) -> Ints:
        """Friends of each customer (N,)."""
        return np.diff(self.begins)


@dataclass(frozen=True)
class Dataset:
    """N customers with their sums (N,) each, M items, purchases and ties."""

    customers: npt.NDArray[np.str_]
    items: npt.NDArray[np.str_]
    sums: Mapping[str, Floats]
    purchases: Purchases
    ties: Ties
    fingerprint: str
    trained_until: np.datetime64


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """The data set of Arrow tables `customer_behaviour`, `customer_purchases` and `friendships` (may be empty).

    Purchases and ties of customers without a row of behaviour are passed over: they were erased, or registered later.
    Errors: DataError naming the table, the column, the count and the remedy.
    """
    for name, columns in COLUMNS.items():
        if name not in tables:
            raise DataError(f"table {name} is missing; it may be empty, with columns {', '.join(columns)}")
        need_columns(name, tables[name], columns)
        refuse_nulls(name, tables[name], "customer_id", "drop them")
    rows = tables["customer_behaviour"].sort_by("customer_id")
    customers = _texts(rows["customer_id"])
    if len(customers) < cfg.min_customers:
        raise DataError(
            f"customer_behaviour: {len(customers)} customers, at least {cfg.min_customers} are needed to tell segments "
            "apart; bring more, or lower profiles.min_customers in params.yaml"
        )
    if (twice := customers[1:] == customers[:-1]).any():
        raise DataError(
            f"customer_behaviour: customer {str(customers[1:][twice][0])!r} has several rows; bring one row a customer"
        )
    sums = {name: numbers("customer_behaviour", rows, name) for name in SUMS}
    _check_sums(sums)
    items, purchases = _purchases(tables["customer_purchases"], customers)
    if not len(purchases):
        raise DataError(
            "customer_purchases: nobody bought anything; segments need purchases: bring events of kind 'purchase' or "
            "transactions that name their customer"
        )
    ties = _ties(tables["friendships"], customers)
    return Dataset(
        customers=customers,
        items=items,
        sums=sums,
        purchases=purchases,
        ties=ties,
        fingerprint=_fingerprint(customers, items, sums, purchases, ties),
        trained_until=np.datetime64(int(purchases.day.max()), "D"),
    )


def _check_sums(sums: Mapping[str, Floats]) -> None:
    for name, values in sums.items():
        wrong = values[~np.isnan(values)] < 0 if name == "unbought_days" else ~(np.isfinite(values) & (values >= 0))
        if wrong.any():
            raise DataError(
                f"customer_behaviour.{name}: {int(wrong.sum())} of {len(values)} rows are negative or no number: build the "
                "table again"
            )


def _purchases(table: Any, customers: npt.NDArray[np.str_]) -> tuple[npt.NDArray[np.str_], Purchases]:
    import pyarrow as pa

    refuse_nulls("customer_purchases", table, "item_id", "drop them")
    refuse_nulls("customer_purchases", table, "happened_at", "drop them, for influence is a matter of days")
    who, known = _numbers(_texts(table["customer_id"]), customers)
    items, what = np.unique(_texts(table["item_id"]), return_inverse=True)
    day = table["happened_at"].cast(pa.timestamp("us")).cast(pa.date32(), safe=False).cast(pa.int32()).to_numpy()
    once = np.unique(np.stack([who[known], what[known], day[known].astype(np.int64)]), axis=1)
    return items, Purchases(*once)


def _ties(table: Any, customers: npt.NDArray[np.str_]) -> Ties:
    import pyarrow as pa

    refuse_nulls("friendships", table, "friend_id", "drop them")
    source, known = _numbers(_texts(table["customer_id"]), customers)
    target, known_too = _numbers(_texts(table["friend_id"]), customers)
    since = table["since"].cast(pa.date32()).cast(pa.int32()).fill_null(ALWAYS).to_numpy().astype(np.int64)
    kept = known & known_too & (source != target)
    source, target, since = source[kept], target[kept], since[kept]
    _, first = np.unique(source * len(customers) + target, return_index=True)
    source, target, since = source[first], target[first], since[first]
    begins = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=len(customers)))])
    return Ties(source, target, since, begins.astype(np.int64))


def _numbers(names: npt.NDArray[np.str_], customers: npt.NDArray[np.str_]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Place of each name among the sorted customers, and whether it is there."""
    place = np.minimum(np.searchsorted(customers, names), len(customers) - 1)
    return place.astype(np.int64), np.asarray(customers[place] == names)


def _texts(column: Any) -> npt.NDArray[np.str_]:
    return np.asarray(column.to_pylist(), dtype=np.str_)


def _fingerprint(
    customers: npt.NDArray[np.str_],
    items: npt.NDArray[np.str_],
    sums: Mapping[str, Floats],
    purchases: Purchases,
    ties: Ties,
) -> str:
    digest = hashlib.sha256()
    for names in (customers, items):
        digest.update("\x1f".join(names.tolist()).encode() + b"\0")
    columns = (
        *(sums[name] for name in SUMS),
        purchases.customer,
        purchases.item,
        purchases.day,
        ties.source,
        ties.target,
        ties.since,
    )
    for values in columns:
        digest.update(np.ascontiguousarray(values.astype("<f8")).tobytes())
    return digest.hexdigest()
