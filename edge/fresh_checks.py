"""Made-up shelves of fresh goods, as an export and a box are tested by them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.pricing_checks import Ladder, Ladders, keyed, of_key
from models.pricing.fresh import AHEAD, WEEK
from models.pricing.fresh_predict import MOST_EXPECTED, FreshPredictor
from models.pricing.fresh_state import assemble
from models.pricing.market import Floats
from models.pricing.predict import FreshInput, Reply
from models.pricing.spec import FRESH

CHEAPEST, DEAREST = 0.2, 60.0  # list prices, in money: cents that round away, and such that do not
_TOLD = ("list_price", "stock", "before", "weekday", "coming", "wait", "expected", "up_to")


@dataclass(frozen=True)
class FreshTrial:
    """`edge.pricing_checks.Trial` of the network of all fresh goods."""

    predictor: FreshPredictor
    name: str = FRESH

    def situations(self, count: int, seed: int = 0) -> FreshInput:
        """`count` shelves: any good, day and list price; none to many days' worth of units of any age; a demand forecast that
        differs from what was trained on; orders full, empty and on their way; a price before of the ladder or any between."""
        rng, goods, prices = np.random.default_rng(seed), self.predictor.goods, self.predictor.prices
        number = rng.integers(0, len(goods), count)
        of = goods.rows(number)
        list_price = np.round(np.exp(rng.uniform(np.log(CHEAPEST), np.log(DEAREST), count)), 2)
        kept = np.arange(goods.ages) < of.life[:, None]
        # About three days' worth in all, on some shelves none: where goods are sold out every price must be answered, too.
        worth = rng.gamma(1.5, 2.0, count) * (rng.random(count) < 0.9)
        stock = rng.poisson((worth * of.level / of.life)[:, None] * kept)
        times = np.where(rng.random(count) < 0.5, rng.choice(prices, count), rng.uniform(prices[0], prices[-1], count))
        weekday = rng.integers(0, WEEK, count)
        expected = self.predictor.usual_demand(number, weekday) * rng.lognormal(0.0, 0.5, (count, AHEAD))
        return FreshInput(
            good=[self.predictor.spec.goods[each] for each in number],
            list_price=list_price,
            stock=stock,
            before=np.maximum(np.round(times * list_price, 2), 0.01),
            weekday=weekday,
            coming=rng.integers(0, 1 + of.up_to),
            wait=rng.integers(0, of.every),
            expected=np.minimum(expected, MOST_EXPECTED),
            up_to=rng.integers(0, 1 + 2 * of.up_to),
        )

    def states(self, asked: FreshInput) -> npt.NDArray[np.float32]:
        """States (N, W)."""
        of = self.predictor
        return assemble(of.read(asked).at, of.prices, of.spec.waste_weight)

    def ladder(self, asked: FreshInput) -> Ladder:
        """Prices and scale of each shelf, in money."""
        read = self.predictor.read(asked)
        return Ladders(self.name, self.predictor.asked(read), (read.at.scale * read.list_price)[:, None])

    def to_tensors(self, asked: FreshInput, reply: Reply) -> dict[str, npt.NDArray[np.generic]]:
        """Questions and answers by name, goods by their number."""
        told = {name: getattr(asked, name) for name in _TOLD}
        return keyed(self.name, told | {"number": self.predictor.read(asked).number}, reply)

    def from_tensors(self, tensors: Mapping[str, npt.NDArray[np.generic]]) -> tuple[FreshInput, Floats, Floats]:
        """Questions and answers."""
        own, price, values = of_key(self.name, tensors)
        good = [self.predictor.spec.goods[each] for each in own["number"].tolist()]
        return FreshInput(good=good, **{name: own[name] for name in _TOLD}), price, values
