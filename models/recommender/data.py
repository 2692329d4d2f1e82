"""From tables to histories: the only place of this package that knows column names. Splits by time, customer by customer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import need_columns, refuse_nulls
from models.common.protocols import DataError
from models.recommender.config import Config
from models.recommender.histories import Histories, Ints

if TYPE_CHECKING:
    from scipy import sparse

COMMON_SHARE = 0.5  # of the items: an attribute that more of them have tells nothing
COLUMNS = {
    "interactions": ("customer_id", "item_id", "place", "happened_at", "kind", "amount"),
    "item_attributes": ("item_id", "attribute", "value"),
}
TIES = ("customer_id", "friend_id")  # of the table `friendships`, where there is one


@dataclass(frozen=True)
class Dataset:
    """Histories of all customers, what is known of the items, and who is held out.

    `judged` are the customers with at least three items. Of these the last is the test item, the one before it the
    validation item; `train` is what remains, and all items of everybody else. `attributes` (I, A) is 1 where an item has a
    value; `categories` (I,) are names, "" unknown. `days` (nnz,) is when each item of `histories` was taken, NaT where the
    source tells no time. `ties` are the friends of each customer by number, ascending; None where nobody has any.
    """

    customers: npt.NDArray[np.str_]
    items: npt.NDArray[np.str_]
    histories: Histories
    judged: Ints
    attributes: "sparse.csr_matrix"
    categories: npt.NDArray[np.str_]
    fingerprint: str
    trained_until: np.datetime64
    days: npt.NDArray[np.datetime64]
    ties: Histories | None = None

    @cached_property
    def train(self) -> Histories:
        """What a model is chosen on: validation and test items left out."""
        return self.histories.without_last(self._held_out(2))

    @cached_property
    def known(self) -> Histories:
        """What a chosen model is fitted on and asked with: test items left out."""
        return self.histories.without_last(self._held_out(1))

    @cached_property
    def test_items(self) -> Ints:
        """The held-out item of each judged customer."""
        return self.histories.last(self.judged)

    @cached_property
    def test_days(self) -> npt.NDArray[np.datetime64]:
        """When each judged customer took the held-out item (J,), NaT where the source tells no time."""
        return self.days[self.histories.starts[self.judged + 1] - 1]

    @cached_property
    def validation_items(self) -> Ints:
        """The item before it."""
        return self.known.last(self.judged)

    def _held_out(self, count: int) -> Ints:
        held = np.zeros(len(self.customers), dtype=np.int64)
        held[self.judged] = count
        return held


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """The data set of Arrow tables `interactions`, `item_attributes` (which may be empty) and, if known, `friendships`.

    An item that a customer took several times stands where it was taken first. Of the kinds of interaction those in
    `cfg.kinds` count. A friendship told in one direction holds in both; those of oneself, told twice, or of somebody who took
    nothing say nothing. Errors: DataError naming the table, the column, the count and the remedy.
    """
    import pyarrow.compute as pc

    rows, attributes = (_checked(tables, name) for name in COLUMNS)
    kinds = sorted(pc.unique(rows["kind"]).drop_null().to_pylist())
    rows = rows.filter(pc.is_in(rows["kind"], _strings(cfg.kinds)))
    if not rows.num_rows:
        raise DataError(
            f"interactions: no row is of a kind in {list(cfg.kinds)} (there are {kinds or 'none at all'}); name the "
            "kinds that count under recommender.kinds in params.yaml"
        )
    rows = rows.sort_by([("customer_id", "ascending"), ("place", "ascending")])
    (customers, who), (items, what) = _numbered(rows["customer_id"]), _numbered(rows["item_id"])
    _, first = np.unique(who * len(items) + what, return_index=True)
    first.sort()
    starts = np.concatenate([[0], np.cumsum(np.bincount(who[first], minlength=len(customers)))])
    histories = Histories(starts, what[first].astype(np.int64))
    judged = np.flatnonzero(histories.lengths >= 3)
    if judged.size < cfg.min_judged:
        raise DataError(
            f"interactions: {judged.size} of {len(customers)} customers took 3 different items or more, at least "
            f"{cfg.min_judged} are needed to choose a model and to judge it; bring more history"
        )
    ties = _ties(tables["friendships"], customers) if "friendships" in tables else None
    return Dataset(
        customers=customers,
        items=items,
        histories=histories,
        judged=judged,
        attributes=_attribute_matrix(attributes, items),
        categories=_categories(attributes, items, cfg.category_attribute),
        fingerprint=_fingerprint(histories, customers, items, ties),
        trained_until=_newest(rows),
        days=rows["happened_at"].to_numpy()[first].astype("datetime64[D]"),
        ties=ties,
    )


def _ties(table: Any, customers: npt.NDArray[np.str_]) -> Histories | None:
    need_columns("friendships", table, TIES)
    ends = []
    for column in TIES:
        refuse_nulls("friendships", table, column, "drop them")
        names = _texts(table[column])
        place = np.minimum(np.searchsorted(customers, names), len(customers) - 1)
        ends.append(np.where(customers[place] == names, place, -1))
    one, other = np.concatenate(ends), np.concatenate(ends[::-1])
    pairs = np.unique((one * len(customers) + other)[(one >= 0) & (other >= 0) & (one != other)])
    if not pairs.size:
        return None
    who, friend = np.divmod(pairs, len(customers))
    return Histories(np.concatenate([[0], np.cumsum(np.bincount(who, minlength=len(customers)))]), friend)


def _checked(tables: Mapping[str, Any], name: str) -> Any:
    if name not in tables:
        raise DataError(f"table {name} is missing; it may be empty, with columns {', '.join(COLUMNS[name])}")
    table = tables[name]
    need_columns(name, table, COLUMNS[name])
    for column in ("customer_id", "item_id", "place"):
        if column in COLUMNS[name]:
            refuse_nulls(name, table, column, "drop them")
    return table


def _strings(values: tuple[str, ...]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.string())


def _texts(column: Any) -> npt.NDArray[np.str_]:
    return np.asarray(column.to_pylist(), dtype=np.str_)


def _numbered(column: Any) -> tuple[npt.NDArray[np.str_], Ints]:
    """The different names of a column, ascending, and which of them stands in each row: Arrow is quicker at it than NumPy."""
    coded = column.combine_chunks().dictionary_encode()
    names = _texts(coded.dictionary)
    order = np.argsort(names, kind="stable")
    number = np.empty(order.size, dtype=np.int64)
    number[order] = np.arange(order.size)
    return names[order], number[coded.indices.to_numpy()]


def _attribute_matrix(table: Any, items: npt.NDArray[np.str_]) -> "sparse.csr_matrix":
    from scipy import sparse

    texts = [_texts(table[name]) for name in COLUMNS["item_attributes"]]
    place = np.searchsorted(items, texts[0]) if len(items) else np.zeros(0, dtype=np.int64)
    known = (place < len(items)) & (items[np.minimum(place, len(items) - 1)] == texts[0])
    named = np.char.add(np.char.add(texts[1][known], "\x1f"), texts[2][known])
    values, which = np.unique(named, return_inverse=True)
    found = sparse.csr_matrix(
        (np.ones(known.sum(), dtype=np.float32), (place[known], which)), shape=(len(items), len(values))
    )
    found.data[:] = 1.0  # an attribute that is said twice is no more so
    holders = np.asarray(found.sum(axis=0)).ravel()
    return found[:, holders <= COMMON_SHARE * len(items)]


def _categories(table: Any, items: npt.NDArray[np.str_], attribute: str) -> npt.NDArray[np.str_]:
    """Of an item with several the first by name."""
    import pyarrow.compute as pc

    told = table.filter(pc.equal(table["attribute"], attribute)).sort_by([("value", "descending")])
    named = dict(zip(told["item_id"].to_pylist(), told["value"].to_pylist(), strict=True))
    return np.asarray([named.get(item) or "" for item in items.tolist()], dtype=np.str_)


def _fingerprint(
    histories: Histories, customers: npt.NDArray[np.str_], items: npt.NDArray[np.str_], ties: Histories | None
) -> str:
    digest = hashlib.sha256()
    for names in (customers, items):
        digest.update("\x1f".join(names.tolist()).encode() + b"\0")
    digest.update(histories.starts.astype("<i8").tobytes() + histories.items.astype("<i8").tobytes())
    if ties is not None:
        digest.update(b"ties" + ties.starts.astype("<i8").tobytes() + ties.items.astype("<i8").tobytes())
    return digest.hexdigest()


def _newest(rows: Any) -> np.datetime64:
    import pyarrow.compute as pc

    newest = pc.max(rows["happened_at"]).as_py()
    return np.datetime64("1970-01-01") if newest is None else np.datetime64(newest.date())
