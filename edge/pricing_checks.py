"""Made-up shelves of a market, and how far two answers about them lie apart: what an export and a box are tested by."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edge.bots import SelfTestError
from models.pricing.market import FACTORS, Floats, Ints, Market
from models.pricing.predict import PriceInput, Reply
from models.pricing.requests import read
from models.pricing.state import Assembler

RELATIVE_TOLERANCE = 1e-4
SMALLEST = (
    0.1  # of a value in its market's scale, where an episode brings about 10; below it the error is judged absolutely
)
HALF_CENT = 0.005
_FACTOR = "factor."


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
    return PriceInput(market.name, rng.integers(0, market.periods, count), stock, before, factors)


def states_of(market: Market, asked: PriceInput) -> npt.NDArray[np.float32]:
    """States (N, W) that a network of the market reads of these shelves."""
    return Assembler(market).assemble(read(asked, market)[0])


def to_tensors(asked: PriceInput, reply: Reply) -> dict[str, npt.NDArray[np.generic]]:
    """Questions and answers by name, each (N, ...), keyed `market.name`."""
    told = {"period": asked.period, "stock": asked.stock, "before": asked.before}
    told |= {f"{_FACTOR}{name}": levels for name, levels in asked.factors.items()}
    told |= {"answer.price": reply.price, "answer.values": reply.values}
    return {f"{asked.market}.{name}": np.ascontiguousarray(tensor) for name, tensor in told.items()}


def from_tensors(tensors: Mapping[str, npt.NDArray[np.generic]], market: str) -> tuple[PriceInput, Floats, Floats]:
    """The questions, and the prices (N,) and values (N, A) that were answered; KeyError where a part is missing."""
    own = {name.removeprefix(f"{market}."): each for name, each in tensors.items() if name.startswith(f"{market}.")}
    factors = {name.removeprefix(_FACTOR): each for name, each in own.items() if name.startswith(_FACTOR)}
    asked = PriceInput(market, own["period"], own["stock"], own["before"], factors)
    return asked, own["answer.price"].astype(np.float64), own["answer.values"].astype(np.float64)


def relative(market: Market, found: Floats, wanted: Floats) -> Floats:
    """How far values (N, A) of money lie from others, relative to these."""
    return np.asarray(np.abs(found - wanted) / np.maximum(np.abs(wanted), SMALLEST * market.scale))


def moved_rows(market: Market, reply: Reply, price: Floats, values: Floats) -> Ints:
    """Rows whose price is not to the cent the one given with `values` (N, A), but for two prices that these hold for equal
    within rounding."""
    rows = np.flatnonzero(np.abs(reply.price - price) > HALF_CENT)
    worth = [values[rows, np.abs(market.prices - each[rows, None]).argmin(axis=1)] for each in (reply.price, price)]
    apart = relative(market, worth[0], worth[1])
    return np.asarray(rows[apart > RELATIVE_TOLERANCE], dtype=np.int64)


def compare(market: Market, reply: Reply, price: Floats, values: Floats) -> float:
    """The largest relative difference of the reply's values from `values` (N, A); SelfTestError when it, or a price, is off."""
    off = relative(market, reply.values, values)
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    if not off[row, column] <= RELATIVE_TOLERANCE:
        raise SelfTestError(
            f"{market.name}, shelf {row}: the price {market.prices[column]:g} should be worth {values[row, column]:.6g}, "
            f"found {reply.values[row, column]:.6g} (relative {off[row, column]:.1e} > {RELATIVE_TOLERANCE}): "
            "this machine computes otherwise; keep the old bundle"
        )
    if (rows := moved_rows(market, reply, price, values)).size:
        raise SelfTestError(
            f"{market.name}, shelf {rows[0]}: expected the price {price[rows[0]]:.2f}, found {reply.price[rows[0]]:.2f}: "
            "this machine computes otherwise; keep the old bundle"
        )
    return float(off[row, column])
