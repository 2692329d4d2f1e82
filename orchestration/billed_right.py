"""How right bills are, against what was carried out in truth: for judging alone."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

Basket = Mapping[str, int]


@dataclass(eq=False)
class Billed:
    """Of some days: `items` carried out, how many were `right`, `wrong` ones charged, products `asked` about; `visits` and of
    those how many were billed `exact`."""

    items: int = 0
    right: int = 0
    wrong: int = 0
    asked: int = 0
    visits: int = 0
    exact: int = 0

    def add(self, true: Basket, billed: Basket, asked: Sequence[str]) -> None:
        """Count a visit; what is asked about is not billed."""
        self.items += sum(true.values())
        self.right += sum(min(count, billed.get(product, 0)) for product, count in true.items() if product not in asked)
        self.wrong += sum(max(count - true.get(product, 0), 0) for product, count in billed.items())
        self.asked += len(asked)
        self.visits += 1
        self.exact += not asked and dict(true) == dict(billed)

    def __add__(self, other: "Billed") -> "Billed":
        return Billed(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def items_right(self) -> float:
        """Share of the items carried out."""
        return self.right / max(self.items, 1)

    @property
    def baskets_exact(self) -> float:
        """Share of the visits."""
        return self.exact / max(self.visits, 1)

    @property
    def wrong_charges(self) -> float:
        """Items charged that were not carried out, over those that were."""
        return self.wrong / max(self.items, 1)

    def __str__(self) -> str:
        return (
            f"items right {self.items_right:.2%}, baskets exact {self.baskets_exact:.2%}, "
            f"wrong charges {self.wrong_charges:.2%}, in review {self.asked / max(self.items, 1):.2%}"
        )
