"""Demand of fresh goods as fitted from what the shop saw: elasticities of products, levels of cells, weeks of stores."""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from models.elasticity.config import Config
from models.elasticity.data import TABLE, prepare
from models.elasticity.model import Estimates, estimate, pool
from orchestration.fresh_diary import Diary, Floats, Ints

ROUNDS = 3
LEAST_ELASTICITY, MOST_ELASTICITY = 0.2, 8.0
LIFTS = (1.0, 4.0)
LEAST_DOUBT = 0.1  # of an elasticity: products of a category are never quite alike
RECENT = 56  # days that errors are told from
MEMORY = 0.97  # of a day's weight, the next day: half of it after three weeks
PRIOR_DAYS = 3.0  # of the product's usual share, that a cell starts from
LEAST_UNITS = 0.02  # a day
FEWEST = 200  # days of cells that a spread is told from
USUAL_SHAPE, USUAL_ERROR = 8.0, 0.15  # where the data say nothing
LEAST_SHAPE, MOST_SHAPE = 0.5, 50.0
LEAST_ERROR, MOST_ERROR = 0.03, 0.6


@dataclass(frozen=True)
class FreshDemand:
    """`elasticity` and `error` of its log (P,); `uplift` (P,) of a promotion beside its price; `week` (S, C, 7) by store and
    category, mean 1; `usual` (S, P) the price that `level` (S, P), units a day, is told at; `shape` of the negative
    binomial; `level_error` standard error of a level's log. `category` (P,). `taken` units and `met`, what a level of 1 would
    have sold (S, P), are the weighed days behind levels."""

    elasticity: Floats
    error: Floats
    uplift: Floats
    week: Floats
    usual: Floats
    level: Floats
    shape: float
    level_error: float
    category: Ints
    taken: Floats
    met: Floats

    def mean(self, price: Floats, weekday: int, promoted: Floats) -> Floats:
        """Expected units (S, P) of a day at `price` (S, P), `promoted` (S, P) discounts."""
        return np.asarray(self.level * self.factor(price, weekday, promoted))

    def factors(self, diary: Diary) -> Floats:
        """`factor` (D, S, P) of every day of the diary; the usual price where a good is not on sale."""
        price = np.where(np.isfinite(diary.price), diary.price, self.usual)
        days = zip(price, diary.weekday, diary.promoted, strict=True)
        return np.stack([self.factor(asked, int(weekday), promoted) for asked, weekday, promoted in days])

    def factor(self, price: Floats, weekday: int, promoted: Floats) -> Floats:
        """What a day and its price make of the level (S, P)."""
        lifted = np.where(promoted > 0, self.uplift, 1.0)
        week = self.week[:, self.category, weekday]
        return np.asarray(week * lifted * (price / self.usual) ** -self.elasticity)


def fit_fresh(diary: Diary, category: Ints, names: tuple[str, ...]) -> FreshDemand:
    """From the diary; `category` (P,) numbers `names`. Days that sold out tell the least that was asked for."""
    seen = np.isfinite(diary.units) & np.isfinite(diary.price)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what was never on sale yet has no usual price: NaN
        usual = np.nanmedian(np.where(seen, diary.base, np.nan), axis=0)
        usual = np.where(np.isfinite(usual), usual, np.nanmedian(usual, axis=0, keepdims=True))
    asked = np.where(seen, diary.units, np.nan)
    # Expectation and maximisation in turn: what was asked for on days that sold out hangs on the demand being fitted.
    for _ in range(ROUNDS):
        week = _weeks(diary, asked, category, len(names))
        elasticity, error = _elasticities(diary, asked, usual, category, names)
        ones = np.ones(usual.shape)
        found = FreshDemand(
            elasticity, error, ones[0], week, usual, ones, USUAL_SHAPE, USUAL_ERROR, category, ones, ones
        )
        plain = found.factors(diary)
        taken, met = _weighed(np.where(diary.promoted > 0, np.nan, asked), plain)
        level = levels(taken, met, category)
        found = replace(
            found,
            level=level,
            taken=taken,
            met=met,
            uplift=_uplift(asked, level * plain, diary.promoted, category, len(names)),
        )
        mean = level * found.factors(diary)
        asked = np.where(seen & diary.sold_out, at_least(mean, USUAL_SHAPE, diary.units), asked)
    shape, error = _spreads(mean[-RECENT:], np.where(diary.sold_out, np.nan, diary.units)[-RECENT:])
    return replace(found, shape=shape, level_error=error)


def at_least(mean: Floats, shape: float, units: Floats) -> Floats:
    """Expected demand (...) given that it was `units` or more, taken for normal: what a sold-out day tells."""
    from scipy.special import log_ndtr

    spread = np.sqrt(np.maximum(mean + mean**2 / shape, 1e-9))
    z = (units - 0.5 - mean) / spread
    hazard = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-z))
    return np.asarray(np.maximum(units, mean + spread * hazard))


def _weeks(diary: Diary, asked: Floats, category: Ints, count: int) -> Floats:
    """Units by weekday over their mean (S, C, 7), promotions left out."""
    plain = np.isfinite(asked) & (diary.promoted == 0)
    total = np.ones((len(diary.stores), count, 7))
    for kind in range(count):
        own = category == kind
        for day in range(7):
            rows = diary.weekday == day
            units = np.where(plain, asked, 0.0)[rows][:, :, own].sum(axis=(0, 2))
            total[:, kind, day] = (units + 1.0) / (plain[rows][:, :, own].sum(axis=(0, 2)) + 1.0)
    return np.asarray(total / total.mean(axis=2, keepdims=True))


def _elasticities(
    diary: Diary, asked: Floats, usual: Floats, category: Ints, names: tuple[str, ...]
) -> tuple[Floats, Floats]:
    """Elasticity and standard error of its log (P,), from days without promotions: a product's shops tell its mean, products of
    a category one another's."""
    import pyarrow as pa

    told = np.isfinite(asked) & (diary.promoted == 0)
    day, store, product = np.nonzero(told)
    cells = np.array([[f"{s}|{p}" for p in diary.products] for s in diary.stores])
    panel = pa.table(
        {
            "series_id": cells[store, product],
            "group_id": np.array(diary.products)[product],
            "period_start": pa.array(np.datetime64(diary.first, "D") + day),
            "price": (diary.price / usual)[told],
            "units": asked[told],
        }
    )
    cfg = Config(test_share=0.02, harmonics=0, common_from=2, lags=7)
    data = prepare({TABLE: panel}, cfg)
    years = (data.periods - data.periods[0]).astype(np.float64) / 365.25
    of_product = pool(estimate(data, years), data.group, len(data.groups))
    number = {name: row for row, name in enumerate(data.groups)}
    row = np.array([number.get(name, -1) for name in diary.products])
    silent = np.full(len(row), np.inf)
    mean = np.where(row >= 0, of_product.mean[row], 0.0)
    own = Estimates(mean, np.where(row >= 0, of_product.mean_error[row], silent), np.zeros(len(row)))
    of_all = pool(own, category, len(names))
    found = np.clip(of_all.elasticity, LEAST_ELASTICITY, MOST_ELASTICITY)
    return found, np.clip(of_all.error / found, LEAST_DOUBT, 0.8)


def _uplift(asked: Floats, mean: Floats, promoted: Floats, category: Ints, count: int) -> Floats:
    """What a promotion sells beside its price (P,), by category: asked for over expected (D, S, P) on promoted days."""
    on = np.isfinite(asked) & (promoted > 0)
    lift = np.ones(count)
    for kind in range(count):
        own = on & (category == kind)
        if own.any():
            lift[kind] = np.clip(asked[own].sum() / max(mean[own].sum(), 1e-9), *LIFTS)
    return lift[category]


def _weighed(asked: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """What was asked for and what a level of 1 would have sold (S, P), sums over days (D, S, P) of which late ones count more."""
    told = np.isfinite(asked)
    weight = MEMORY ** np.arange(len(asked))[::-1, None, None] * told
    return (weight * np.nan_to_num(asked)).sum(axis=0), (weight * np.where(told, factor, 0.0)).sum(axis=0)


def levels(taken: Floats, met: Floats, category: Ints) -> Floats:
    """Units a day at the usual price (S, P) from `_weighed` sums: a cell drawn to its product, a product to its category."""
    count = int(category.max()) + 1
    of_kind = [np.bincount(category, each.sum(axis=0), count) for each in (taken, met)]
    usual = (of_kind[0] / np.maximum(of_kind[1], 1e-9))[category]
    product = (taken.sum(axis=0) + PRIOR_DAYS * usual) / (met.sum(axis=0) + PRIOR_DAYS)
    return np.maximum((taken + PRIOR_DAYS * product) / (met + PRIOR_DAYS), LEAST_UNITS)


def _spreads(mean: Floats, units: Floats) -> tuple[float, float]:
    """Shape of the negative binomial and error of levels, by moments over days and over weeks (D, S, P). All goods tell them
    together: a category of few goods says little of squares of squares."""
    told, weeks = np.isfinite(units), len(mean) // 7
    if told.sum() < FEWEST:
        return USUAL_SHAPE, USUAL_ERROR
    more = float(((units[told] - mean[told]) ** 2 - mean[told]).sum() / np.square(mean[told]).sum())
    m, y, squares = (
        np.where(told, grid, 0.0)[: weeks * 7].reshape(weeks, 7, *mean.shape[1:]).sum(axis=1)
        for grid in (mean, units, mean**2)
    )
    apart = float(((y - m) ** 2 - m - more * squares).sum() / np.maximum(np.square(m).sum() - squares.sum(), 1e-9))
    error = float(np.clip(np.sqrt(max(apart, 0.0)), LEAST_ERROR, MOST_ERROR))
    return float(np.clip(1.0 / max(more - error**2, 1e-3), LEAST_SHAPE, MOST_SHAPE)), error
