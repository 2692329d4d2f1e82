"""From requests to columns of one market, who prices which row, and how prices become rows and columns of a reply."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from models.pricing.guardrails import HALF_CENT, RULES, rule_names, shown_reference
from models.pricing.instances import FactorName
from models.pricing.ladder import NAME, ApprovedLadder, Ruled
from models.pricing.market import Bools, Floats, Ints
from models.pricing.predict import PriceInput
from models.pricing.training_range import Outside, TrainingRange
from serving.guarded import Implausible
from serving.pricing_champion import Champion, Model
from serving.pricing_schemas import Item, Shelves

CHAMPION, APPROVED, LADDER = "champion", "approved", NAME
WORST = (CHAMPION, APPROVED, LADDER)  # the last one says most
SERVED = np.array(WORST)
RULE_TEXT = rule_names(np.zeros(0, dtype=np.int64)).dtype


@dataclass(frozen=True)
class Columns:
    """N items of one market: period, before (N,), stock (N, W) by periods left, factors and lowest (N,) with NaN for none."""

    market: str
    item_ids: tuple[str, ...]
    period: Ints
    stock: Ints
    before: Floats
    factors: Mapping[str, Floats]
    lowest: Floats

    def request(self, rows: Bools, known: TrainingRange) -> PriceInput:
        """Some rows, all inside the range of training, as the model room asks for them; unknown factors are passed over."""
        width = min(self.stock.shape[1], known.ages)
        stock = np.zeros((int(rows.sum()), known.ages), dtype=np.int64)
        stock[:, :width] = self.stock[rows, :width]
        factors = {name: self.factors[name][rows] for name in known.factors}
        return PriceInput(self.market, self.period[rows], stock, self.before[rows], factors)


@dataclass
class Prices:
    """Answers for N items, filled row by row: `price`, `wanted` (N,), `rule` (N,), `yielded` (N, R), `worth` and `gain` (N,)
    NaN where no network spoke, `served` (N,) numbers in WORST; where each item lies outside."""

    columns: Columns
    price: Floats
    wanted: Floats
    rule: npt.NDArray[np.str_]
    yielded: Bools
    worth: Floats
    gain: Floats
    served: Ints
    outside: tuple[Outside, ...] = ()

    @classmethod
    def empty(cls, columns: Columns) -> "Prices":
        """Nothing yet; every row must be taken."""
        count = len(columns.item_ids)
        price, wanted, worth, gain = np.full((4, count), np.nan)
        rule, yielded = np.zeros(count, dtype=RULE_TEXT), np.zeros((count, len(RULES)), dtype=np.bool_)
        return cls(columns, price, wanted, rule, yielded, worth, gain, np.full(count, WORST.index(LADDER)))

    @classmethod
    def of_ladder(cls, columns: Columns, ladder: ApprovedLadder) -> "Prices":
        """By the approved ladder: what stands where nothing better is known."""
        found = cls.empty(columns)
        found.take(np.arange(len(columns.item_ids)), ladder.answer(columns.stock, columns.before), LADDER)
        return found

    @property
    def reference(self) -> Floats:
        """Price (N,) that a discount may be shown against, NaN where none may."""
        return shown_reference(self.price, self.columns.lowest)

    @property
    def clipped(self) -> Ints:
        """Rows whose price a rule moved."""
        return np.flatnonzero(self.rule != "")

    def take(self, rows: Ints, found: Ruled, served: str) -> None:
        """Other prices for some rows, as somebody decided them."""
        self.price[rows], self.wanted[rows], self.rule[rows] = found.price, found.wanted, found.rule
        self.yielded[rows], self.served[rows] = found.yielded, WORST.index(served)

    def outside_of(self) -> dict[int, list[dict[str, Any]]]:
        """Fields of `OutsideRange` by row, of those that are."""
        found: dict[int, list[dict[str, Any]]] = {}
        for each in self.outside:
            told = {"variable": each.variable, "low": each.low, "high": each.high}
            by = each.by
            for row in np.flatnonzero(each.rows).tolist():
                given = not np.isnan(each.value[row])
                values = (
                    {"value": float(each.value[row]), "by": float(by[row])} if given else {"value": None, "by": None}
                )
                found.setdefault(row, []).append({**told, **values})
        return found


def columns_of_items(market: str, items: Sequence[Item]) -> Columns:
    """Columns of a list of items."""
    names: set[FactorName] = {name for item in items for name in item.factors}
    return _columns(
        market,
        [item.item_id for item in items],
        [item.period for item in items],
        [item.stock for item in items],
        [item.before for item in items],
        {name: [item.factors.get(name) for item in items] for name in names},
        [item.lowest for item in items],
    )


def columns_of_shelves(shelves: Shelves) -> Columns:
    """Columns of columns."""
    return _columns(
        shelves.market,
        shelves.item_ids,
        shelves.period,
        shelves.stock,
        shelves.before,
        shelves.factors,
        [None] * len(shelves.item_ids) if shelves.lowest is None else shelves.lowest,
    )


def price(columns: Columns, ladder: ApprovedLadder, model: Model) -> Prices:
    """Rows inside the range of training by the network, the others by the ladder; Implausible for a price out of the rules."""
    known = model.ranges[columns.market]
    found = Prices.empty(columns)
    found.outside, outside = known.outside(columns.period, columns.stock, columns.before, columns.factors)
    inside, rows = ~outside, np.flatnonzero(outside)
    if rows.size:
        found.take(rows, ladder.answer(columns.stock[rows], columns.before[rows]), LADDER)
    if not inside.any():
        return found
    reply = model.predictor.predict(columns.request(inside, known))
    bounds = ladder.bounds(columns.before[inside])
    sound = (reply.price >= bounds.low - HALF_CENT) & (reply.price <= bounds.high + HALF_CENT)
    if not (sound.all() and np.isfinite(reply.price).all() and np.isfinite(reply.worth).all()):
        raise Implausible("a price lies outside the rules, or its worth is no number")
    rows = np.flatnonzero(inside)
    found.take(rows, Ruled(reply.price, reply.wanted, reply.rule, reply.yielded), CHAMPION)
    found.worth[rows], found.gain[rows] = reply.worth, reply.gain
    return found


def rows_of(found: Prices, champion: Champion) -> list[dict[str, Any]]:
    """Fields of `Priced`, an item each."""
    outside = found.outside_of()
    lists = [_or_none(each) for each in (found.reference, found.worth, found.gain)]
    told = [f"{CHAMPION} {champion.artifact_id}", APPROVED, LADDER]
    return [
        {
            "item_id": item_id, "price": price_, "wanted": wanted, "rule": rule,
            "yielded": [name for name, gave in zip(RULES, yielded, strict=True) if gave],
            "reference": reference, "worth": worth, "gain": gain,
            "served_by": told[served], "outside": outside.get(row, []),
        }
        for row, (item_id, price_, wanted, rule, yielded, reference, worth, gain, served) in enumerate(
            zip(
                found.columns.item_ids, found.price.tolist(), found.wanted.tolist(), found.rule.tolist(),
                found.yielded.tolist(), *lists, found.served.tolist(), strict=True,
            )
        )
    ]  # fmt: skip


def columns_reply(found: Prices, proposal_ids: Sequence[str | None]) -> dict[str, Any]:
    """Fields of `PricedColumns`."""
    ids = found.columns.item_ids
    return {
        "market": found.columns.market,
        "item_ids": ids,
        "price": found.price.tolist(),
        "wanted": found.wanted.tolist(),
        "rule": found.rule.tolist(),
        "reference": _or_none(found.reference),
        "worth": _or_none(found.worth),
        "gain": _or_none(found.gain),
        "served_by": SERVED[found.served].tolist(),
        "proposal_ids": list(proposal_ids),
        "outside": {ids[row]: told for row, told in found.outside_of().items()},
    }


def worst(found: Sequence[Prices], champion: Champion) -> str:
    """Who served, of all of them the one that says most."""
    name = WORST[max(int(each.served.max()) for each in found)]
    return f"{CHAMPION} {champion.artifact_id}" if name == CHAMPION else name


def _columns(
    market: str,
    item_ids: Sequence[str],
    period: Sequence[int],
    stock: Sequence[Sequence[int]],
    before: Sequence[float],
    factors: Mapping[FactorName, Sequence[float | None]],
    lowest: Sequence[float | None],
) -> Columns:
    return Columns(
        market,
        tuple(item_ids),
        np.asarray(period, dtype=np.int64),
        np.array(list(zip_longest(*stock, fillvalue=0)), dtype=np.int64).T,
        np.asarray(before, dtype=np.float64),
        {str(name): np.asarray(column, dtype=np.float64) for name, column in factors.items()},
        np.asarray(lowest, dtype=np.float64),
    )


def _or_none(values: Floats) -> list[float | None]:
    """NaN as null: JSON has no other word for it."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 (NaN alone is not itself)
