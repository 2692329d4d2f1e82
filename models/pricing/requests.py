"""What is asked of pricing and answered, and the checks on the way in."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError
from models.pricing.market import FACTORS, Bools, Floats, Ints, Market
from models.pricing.state import Reading

MAX_PRODUCTS = 100_000
WILLINGNESS: Final = "willingness"
PEOPLE, MOST_PEOPLE = "willingness_people", 1e6
LEAST_PEOPLE = 20  # behind a reading of willingness to pay, a store and hour: fewer would tell of persons


@dataclass(frozen=True)
class PriceInput:
    """N shelves of one market: `period` (N,), `stock` (N, L) units by periods left (those that expire first come first),
    `factors` by name (N,) as far as the market has them, `before` (N,) the price until now. `lowest` (N,) of the past 30
    days, if a discount is to be shown. `willingness_people` (N,) counts those whom a factor `willingness` sums up."""

    market: str
    period: Any
    stock: Any
    before: Any
    factors: Mapping[str, Any]
    lowest: Any = None
    willingness_people: Any = None


@dataclass(frozen=True)
class Reply:
    """Prices (N,) in whole cents; `wanted` (N,) before the limits; `rule` (N,) that moved it, "" for none; `yielded` (N, R)
    rules that could not hold; `worth` (N,) money expected until the end; `gain` (N,) of it over list price; `values` (N, A)
    of each price of the ladder; `reference` (N,) that a discount may be shown against, NaN where none may."""

    price: Floats
    wanted: Floats
    rule: npt.NDArray[np.str_]
    yielded: Bools
    worth: Floats
    gain: Floats
    values: Floats
    reference: Floats


def read(request: PriceInput, market: Market) -> tuple[Reading, Floats, Floats | None]:
    """Situations, prices before and lowest prices; InputError names the field, the value, the bound and the remedy."""
    period = column("period", request.period, 0, market.periods - 1, None, whole=True)
    count = len(period)
    stock = numbers("stock", request.stock)
    if stock.shape != (count, market.ages):
        raise InputError(f"stock: shape {stock.shape}: expected {(count, market.ages)}, units by periods left")
    within("stock", stock.ravel(), 0, market.room, whole=True)
    within("stock in all", stock.sum(axis=1), 0, market.room, whole=True)
    before = column("before", request.before, 0.01, 100 * market.list_price, count)
    lowest = None if request.lowest is None else column("lowest", request.lowest, 0.01, 100 * market.list_price, count)
    chain = _chain(request.factors, market, count)
    if WILLINGNESS in request.factors:
        told = request.willingness_people
        people = None if told is None else column(PEOPLE, told, 0, MOST_PEOPLE, count, whole=True)
        check_people(request.factors[WILLINGNESS], people)
    nearest = np.abs(market.prices[None, :] - before[:, None]).argmin(axis=1)
    return Reading(period.astype(np.int64), chain, nearest, stock.astype(np.int64)), before, lowest


def check_people(readings: Any, people: Any) -> None:
    """InputError unless at least LEAST_PEOPLE stand behind each reading of willingness that is told.

    readings (N,) and people (N,): None or NaN for one that is not told; people None: of none.
    """
    told = ~np.isnan(np.asarray(readings, dtype=np.float64))
    known = np.full(told.shape, np.nan) if people is None else np.asarray(people, dtype=np.float64)
    if (wrong := told & ~(known >= LEAST_PEOPLE)).any():
        number = int(wrong.argmax())
        found = "not told" if np.isnan(known[number]) else f"{known[number]:g}"
        raise InputError(
            f"{PEOPLE}.{number}: {found}: a reading of willingness sums up {LEAST_PEOPLE} people or more of a store and hour; "
            "tell their number beside it, or leave the reading out"
        )


def simulated_people(factors: Container[str], count: int) -> Ints | None:
    """`willingness_people` (N,) of `count` made-up shelves, behind whose readings nobody stands; None without such a reading."""
    return np.full(count, LEAST_PEOPLE) if WILLINGNESS in factors else None


def _chain(factors: Mapping[str, Any], market: Market, count: int) -> Ints:
    """Number (N,) of the chain state whose levels lie nearest to what is shown."""
    if not isinstance(factors, Mapping):
        raise InputError("factors: expected a mapping of names to numbers")
    known = [name for number, name in enumerate(FACTORS) if not np.isnan(market.chain.shown[0, number])]
    if missing := [name for name in known if name not in factors]:
        raise InputError(f"factors: {missing} are missing; give all of {', '.join(known)}")
    if unknown := sorted(str(name)[:60] for name in factors if name not in known):
        raise InputError(f"factors: {unknown[:5]} are unknown to {market.name}; give {', '.join(known) or 'none'}")
    away = np.zeros((count, len(market.chain.demand)))
    for name in known:
        levels = market.chain.shown[:, FACTORS.index(name)]
        seen = column(name, factors[name], -100, 100, count)
        spread = max(float(np.ptp(levels)), 1e-9)
        away += np.abs(seen[:, None] - levels[None, :]) / spread
    return np.asarray(away.argmin(axis=1), dtype=np.int64)


def column(name: str, given: Any, low: float, high: float, count: int | None, *, whole: bool = False) -> Floats:
    """Numbers (N,) from `low` to `high`; `count` of them where it is given."""
    values = numbers(name, given)
    if values.ndim != 1 or not 1 <= len(values) <= MAX_PRODUCTS:
        raise InputError(f"{name}: shape {values.shape}: expected 1 to {MAX_PRODUCTS} numbers in a row")
    if count is not None and len(values) != count:
        raise InputError(f"{name}: {len(values)} numbers, {count} shelves; give one a shelf")
    within(name, values, low, high, whole=whole)
    return values


def numbers(name: str, given: Any) -> Floats:
    """Real numbers; no texts, dates or masks, which NumPy would turn into some."""
    try:
        found = np.asarray(given)
    except ValueError as error:
        raise InputError(f"{name}: expected numbers in rows of one length") from error
    if found.dtype.kind not in "iuf" or isinstance(given, np.ma.MaskedArray):
        raise InputError(f"{name}: expected numbers")
    return found.astype(np.float64)


def within(name: str, values: Floats, low: float, high: float, *, whole: bool = False) -> None:
    """InputError for the first value outside."""
    wrong = ~((values >= low) & (values <= high))
    if whole:
        wrong |= values != np.floor(values)
    if wrong.any():
        kind = "whole numbers" if whole else "numbers"
        raise InputError(f"{name}: {values[wrong][0]:g}: expected {kind} from {low:g} to {high:g}; mend the reading")
