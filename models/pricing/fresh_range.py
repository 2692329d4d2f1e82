"""How far a shelf of fresh goods lies outside what the network was trained on: there the last approved ladder answers."""

from dataclasses import dataclass

from models.pricing.fresh import Goods
from models.pricing.guardrails import HALF_CENT
from models.pricing.market import Bools, Floats, Ints
from models.pricing.training_range import Outside, longest_left, outside_in

MOST_LEVELS, FEW = 3.0, 5.0  # stock and orders: so many times the order level, and as many units more
MOST_DEMAND = 20.0  # times the usual level: more than its busiest day of the week may be
CHEAPEST, DEAREST = 0.1, 3.0  # the price before, over list price


@dataclass(frozen=True)
class FreshRange:
    """What the network has seen of `goods`: what a shop that orders up to a level, or not quite, has on its shelves."""

    goods: Goods

    def outside(
        self, number: Ints, listed: Floats, stock: Ints, before: Floats, expected: Floats, coming: Ints, wait: Ints, up_to: Ints
    ) -> tuple[tuple[Outside, ...], Bools]:  # fmt: skip
        """Variables in which some of N shelves lie outside, and which shelves (N,) do in any.

        `number` (N,) of the good; stock (N, W) units by days left, W of any length; expected (N, AHEAD) units a day; list price
        and price before in money; the rest (N,) as in `FreshInput`.
        """
        of, most = self.goods, MOST_LEVELS * self.goods.up_to[number] + FEW
        return outside_in([
            ("stock", stock.sum(axis=1), 0, most, 0.0),
            ("days_left", longest_left(stock), 0, of.life[number], 0.0),
            ("before", before, CHEAPEST * listed, DEAREST * listed, HALF_CENT),
            ("expected", expected.max(axis=1), 0, MOST_DEMAND * of.level[number], 1e-9),
            ("coming", coming, 0, most, 0.0),
            ("wait", wait, 0, of.every[number] - 1, 0.0),
            ("up_to", up_to, 0, most, 0.0),
        ])  # fmt: skip
