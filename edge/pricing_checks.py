"""Made-up shelves, and how far two answers about them lie apart: what an export and a box are tested by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge.bots import SelfTestError
from models.pricing.guardrails import HALF_CENT
from models.pricing.market import FACTORS, Floats, Ints, Market
from models.pricing.predict import PriceInput, Reply
from models.pricing.requests import read, simulated_people
from models.pricing.state import Assembler

RELATIVE_TOLERANCE = 1e-4
SMALLEST = (
    0.1  # of a value in its network's scale, where an episode brings about 10; below it the error is judged absolutely
)
_FACTOR = "factor."


class Ladder(Protocol):
    """What values are told of: `prices` of money (A,) or (N, A), and the `scale` of the network's numbers, one or (N, 1)."""

    @property
    def name(self) -> str: ...
    @property
    def prices(self) -> Floats: ...
    @property
    def scale(self) -> float | Floats: ...


@dataclass(frozen=True)
class Ladders:
    """A ladder for each of N shelves."""

    name: str
    prices: Floats
    scale: Floats


class Trial(Protocol):
    """Questions to one network and how its answers are judged; `name` is the network's."""

    @property
    def name(self) -> str: ...

    def situations(self, count: int, seed: int = 0) -> Any:
        """`count` made-up shelves, as `Predictor.predict` takes them."""

    def states(self, asked: Any) -> npt.NDArray[np.float32]:
        """States (N, W) that the network reads of these shelves."""

    def ladder(self, asked: Any) -> Ladder:
        """What values of these shelves are told of."""

    def to_tensors(self, asked: Any, reply: Reply) -> dict[str, npt.NDArray[np.generic]]:
        """Questions and answers by name, each (N, ...), keyed `network.name`."""

    def from_tensors(self, tensors: Mapping[str, npt.NDArray[np.generic]]) -> tuple[Any, Floats, Floats]:
        """The questions, and the prices (N,) and values (N, A) that were answered; KeyError where a part is missing."""


@dataclass(frozen=True)
class MarketTrial:
    """`Trial` of a market."""

    market: Market

    @property
    def name(self) -> str:
        """The market's."""
        return self.market.name

    def situations(self, count: int, seed: int = 0) -> PriceInput:
        """See `situations`."""
        return situations(self.market, count, seed)

    def states(self, asked: PriceInput) -> npt.NDArray[np.float32]:
        """States (N, W)."""
        return Assembler(self.market).assemble(read(asked, self.market)[0])

    def ladder(self, _: PriceInput) -> Ladder:
        """The market's prices, the same for all."""
        return self.market

    def to_tensors(self, asked: PriceInput, reply: Reply) -> dict[str, npt.NDArray[np.generic]]:
        """Questions and answers by name."""
        told = {"period": asked.period, "stock": asked.stock, "before": asked.before}
        return keyed(self.name, told | {f"{_FACTOR}{name}": levels for name, levels in asked.factors.items()}, reply)

    def from_tensors(self, tensors: Mapping[str, npt.NDArray[np.generic]]) -> tuple[PriceInput, Floats, Floats]:
        """Questions and answers."""
        own, price, values = of_key(self.name, tensors)
        factors = {name.removeprefix(_FACTOR): each for name, each in own.items() if name.startswith(_FACTOR)}
        people = simulated_people(factors, len(price))
        asked = PriceInput(self.name, own["period"], own["stock"], own["before"], factors, willingness_people=people)
        return asked, price, values


def situations(market: Market, count: int, seed: int = 0) -> PriceInput:
    """`count` shelves: any period, stock from none to a full room, every level of the factors, a price before of the ladder or
    any number of cents between."""
    rng = np.random.default_rng(seed)
    total = rng.integers(0, market.room + 1, count)
    cuts = np.sort(rng.integers(0, total[:, None] + 1, (count, market.ages - 1)), axis=1)
    stock = np.diff(np.column_stack([np.zeros(count, np.int64), cuts, total]), axis=1)
    cents = np.round(market.prices * 100).astype(np.int64)
    between = rng.integers(cents[0], cents[-1] + 1, count)
    before = np.where(rng.random(count) < 0.5, between, rng.choice(cents, count)) / 100
    shown = market.chain.shown[rng.integers(0, len(market.chain.shown), count)]
    factors: dict[str, Floats] = {
        name: shown[:, number] for number, name in enumerate(FACTORS) if not np.isnan(shown[0, number])
    }
    period, people = rng.integers(0, market.periods, count), simulated_people(factors, count)
    return PriceInput(market.name, period, stock, before, factors, willingness_people=people)


def keyed(network: str, told: Mapping[str, Any], reply: Reply) -> dict[str, npt.NDArray[np.generic]]:
    """What is told of shelves, and the reply's prices and values, keyed `network.name`."""
    whole = {**told, "answer.price": reply.price, "answer.values": reply.values}
    return {f"{network}.{name}": np.ascontiguousarray(tensor) for name, tensor in whole.items()}


def of_key(network: str, tensors: Mapping[str, npt.NDArray[np.generic]]) -> tuple[dict[str, Any], Floats, Floats]:
    """What `keyed` was given: questions by name, prices (N,), values (N, A)."""
    prefix = f"{network}."
    own: dict[str, Any] = {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
    return own, own["answer.price"].astype(np.float64), own["answer.values"].astype(np.float64)


def relative(of: Ladder, found: Floats, wanted: Floats) -> Floats:
    """How far values (N, A) of money lie from others, relative to these."""
    return np.asarray(np.abs(found - wanted) / np.maximum(np.abs(wanted), SMALLEST * of.scale))


def moved_rows(of: Ladder, reply: Reply, price: Floats, values: Floats) -> Ints:
    """Rows whose price is not to the cent the one given with `values` (N, A), but for two prices that these hold for equal
    within rounding."""
    rows = np.flatnonzero(np.abs(reply.price - price) > HALF_CENT)
    prices, scale = np.broadcast_to(of.prices, values.shape)[rows], np.broadcast_to(of.scale, (len(values), 1))[rows]
    worth = [
        np.take_along_axis(values[rows], np.abs(prices - each[rows, None]).argmin(axis=1)[:, None], axis=1)
        for each in (reply.price, price)
    ]
    apart = relative(Ladders(of.name, prices, scale), worth[0], worth[1])[:, 0]
    return np.asarray(rows[apart > RELATIVE_TOLERANCE], dtype=np.int64)


def compare(of: Ladder, reply: Reply, price: Floats, values: Floats) -> float:
    """The largest relative difference of the reply's values from `values` (N, A); SelfTestError when it, or a price, is off."""
    off = relative(of, reply.values, values)
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    if not off[row, column] <= RELATIVE_TOLERANCE:
        raise SelfTestError(
            f"{of.name}, shelf {row}: the price {np.broadcast_to(of.prices, off.shape)[row, column]:g} should be worth "
            f"{values[row, column]:.6g}, found {reply.values[row, column]:.6g} "
            f"(relative {off[row, column]:.1e} > {RELATIVE_TOLERANCE}): this machine computes otherwise; keep the old bundle"
        )
    if (rows := moved_rows(of, reply, price, values)).size:
        raise SelfTestError(
            f"{of.name}, shelf {rows[0]}: expected the price {price[rows[0]]:.2f}, found {reply.price[rows[0]]:.2f}: "
            "this machine computes otherwise; keep the old bundle"
        )
    return float(off[row, column])
