"""Who prices which row of a request, whatever it asks about, and how prices become rows and columns of a reply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.pricing.answering import RULE_TEXT, Shelves, UnsoundError, answer
from models.pricing.explain import PriceReasons
from models.pricing.fresh_explain import FreshReasons
from models.pricing.guardrails import RULES, Ruled, shown_reference
from models.pricing.ladder import NAME
from models.pricing.market import Bools, Floats, Ints
from models.pricing.training_range import Outside, told_by_row
from models.pricing.what_if import Curve
from serving.guarded import Implausible
from serving.pricing_champion import Champion, Model

CHAMPION, APPROVED, LADDER = "champion", "approved", NAME
WORST = (CHAMPION, APPROVED, LADDER)  # the last one says most
SERVED = np.array(WORST)


class Asked(Shelves, Protocol):
    """N items of one market, or N fresh goods, with the approved ladder that is always there for them."""

    @property
    def market(self) -> str:
        """Under which proposals and clips are written down."""

    @property
    def endpoint(self) -> str:
        """What the names of its endpoints end in."""

    @property
    def item_ids(self) -> tuple[str, ...]: ...
    @property
    def moment(self) -> Ints:
        """When (N,) by the clock of the model; what tells two proposals of a run apart."""

    def titled(self, item_id: str) -> dict[str, str]:
        """How a row of a reply names its item."""

    def head(self) -> dict[str, Any]:
        """How columns of a reply name their items."""

    def explain(self, model: Model, rows: Bools) -> PriceReasons | FreshReasons:
        """Why, of rows that all lie inside."""

    def reference(self, model: Model) -> dict[str, Any]:
        """Fields of a reply: the situation that all reasons are told against, if it is one for all."""

    def usual(self, why: PriceReasons | FreshReasons) -> list[dict[str, Any]]:
        """Fields of each reason: the situation that it is told against, if each has its own."""

    def curve(self, model: Model) -> Curve:
        """What other prices would bring, of the one item, which lies inside."""

    def passed_over(self, model: Model) -> str | None:
        """What was told and nobody reads, in a sentence."""


@dataclass
class Prices:
    """Answers for N items, filled row by row: `price`, `wanted` (N,), `rule` (N,), `yielded` (N, R), `worth` and `gain` (N,)
    NaN where no network spoke, `served` (N,) numbers in WORST; where each item lies outside."""

    asked: Asked
    price: Floats
    wanted: Floats
    rule: npt.NDArray[np.str_]
    yielded: Bools
    worth: Floats
    gain: Floats
    served: Ints
    outside: tuple[Outside, ...] = ()

    @classmethod
    def empty(cls, asked: Asked) -> "Prices":
        """Nothing yet; every row must be taken."""
        count = len(asked.item_ids)
        price, wanted, worth, gain = np.full((4, count), np.nan)
        rule, yielded = np.zeros(count, dtype=RULE_TEXT), np.zeros((count, len(RULES)), dtype=np.bool_)
        return cls(asked, price, wanted, rule, yielded, worth, gain, np.full(count, WORST.index(LADDER)))

    @classmethod
    def of_ladder(cls, asked: Asked) -> "Prices":
        """By the approved ladder: what stands where nothing better is known."""
        found, rows = cls.empty(asked), np.arange(len(asked.item_ids))
        found.take(rows, asked.by_ladder(rows), LADDER)
        return found

    @property
    def reference(self) -> Floats:
        """Price (N,) that a discount may be shown against, NaN where none may."""
        return shown_reference(self.price, self.asked.lowest)

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
        return told_by_row(self.outside)


def price(asked: Asked, model: Model) -> Prices:
    """Rows inside the range of training by the network, the others by the ladder; Implausible for a price out of the rules."""
    try:
        found = answer(asked, model)
    except UnsoundError as error:
        raise Implausible(str(error)) from error
    ruled, served = found.ruled, np.where(found.by_network, WORST.index(CHAMPION), WORST.index(LADDER))
    return Prices(
        asked, ruled.price, ruled.wanted, ruled.rule, ruled.yielded, found.worth, found.gain, served, found.outside
    )


def rows_of(found: Prices, champion: Champion) -> list[dict[str, Any]]:
    """Fields of `Priced` or `FreshPriced`, an item each."""
    outside = found.outside_of()
    lists = [_or_none(each) for each in (found.reference, found.worth, found.gain)]
    told = [f"{CHAMPION} {champion.artifact_id}", APPROVED, LADDER]
    return [
        {
            **found.asked.titled(item_id), "price": price_, "wanted": wanted, "rule": rule,
            "yielded": [name for name, gave in zip(RULES, yielded, strict=True) if gave],
            "reference": reference, "worth": worth, "gain": gain,
            "served_by": told[served], "outside": outside.get(row, []),
        }
        for row, (item_id, price_, wanted, rule, yielded, reference, worth, gain, served) in enumerate(
            zip(
                found.asked.item_ids, found.price.tolist(), found.wanted.tolist(), found.rule.tolist(),
                found.yielded.tolist(), *lists, found.served.tolist(), strict=True,
            )
        )
    ]  # fmt: skip


def columns_reply(found: Prices, proposal_ids: Sequence[str | None]) -> dict[str, Any]:
    """Fields of `PricedColumns` or `FreshColumns`."""
    ids = found.asked.item_ids
    return {
        **found.asked.head(),
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


def _or_none(values: Floats) -> list[float | None]:
    """NaN as null: JSON has no other word for it."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 (NaN alone is not itself)
